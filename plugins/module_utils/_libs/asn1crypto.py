# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The library asn1crypto: ASN.1 structures that cryptography cannot read or make."""

from __future__ import annotations

from .require import Absent, missing

try:
    from asn1crypto import algos, cms, core
    from asn1crypto import keys as asn1_keys
    from asn1crypto import pkcs12 as asn1_pkcs12
    from asn1crypto import x509 as asn1_x509
except ImportError:
    missing("asn1crypto", "asn1crypto")
    algos = cms = core = asn1_keys = asn1_pkcs12 = asn1_x509 = Absent("asn1crypto")

__all__ = (
    "algos",
    "asn1_keys",
    "asn1_pkcs12",
    "asn1_x509",
    "cms",
    "core",
)
