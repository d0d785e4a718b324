# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation fragment: what the certificate is for. Its spec is CertificateOptions in _tasks/common/options.py."""

from __future__ import annotations


class ModuleDocFragment:
    """Options of the modules that make or use a certificate request."""

    DOCUMENTATION = r"""
options:
  addresses:
    description:
      - The mail addresses that the certificate is for. All of them are in its subject alternative name.
      - Each address is listed once. Wildcards and display names are refused.
      - Domains are compared without regard to case and can have non-ASCII letters. Local parts are taken as they are.
    type: list
    elements: str
    required: true
  usage:
    description:
      - What the certificate is for.
      - V(dual) signs mail, and mail is encrypted to it.
      - V(sign) only signs.
      - V(encrypt) only has mail encrypted to it.
      - The key usage of the request follows from it and from the type of the key (RFC 8823, section 3.3).
    type: str
    choices:
      - dual
      - sign
      - encrypt
    default: dual
"""
