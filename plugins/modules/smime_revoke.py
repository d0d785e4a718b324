#!/usr/bin/python
# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: smime_revoke
short_description: Revoke an S/MIME certificate at an ACME CA
version_added: 0.1.0
description:
  - Revokes a certificate at the CA, so that it is no longer valid.
  - The request is signed with the account key or with the key of the certificate.
  - The certificate is read from a PEM, DER or PKCS#12 file. No file is changed.
author:
  - mailcert.acme contributors (@mailcert)
requirements:
  - asn1crypto >= 1.5
extends_documentation_fragment:
  - mailcert.acme._acme
  - mailcert.acme._acme.record
  - mailcert.acme._variables
  - mailcert.acme._attributes
  - mailcert.acme._attributes.action_group
attributes:
  check_mode:
    support: partial
    details:
      - Only a request shows whether the certificate is revoked already. In check mode none is sent, and a change is
        reported.
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  certificate_path:
    description:
      - Absolute path of the certificate, in PEM or DER format.
      - Exactly one of O(certificate_path), O(certificate_content) and O(pkcs12_path) must be set.
    type: path
  certificate_content:
    description:
      - The certificate itself, in PEM format.
      - Exactly one of O(certificate_path), O(certificate_content) and O(pkcs12_path) must be set.
    type: str
  pkcs12_path:
    description:
      - Absolute path of a PKCS#12 file. Its first key and certificate are used.
      - Exactly one of O(certificate_path), O(certificate_content) and O(pkcs12_path) must be set.
    type: path
  pkcs12_passphrase:
    description:
      - The passphrase of the PKCS#12 file.
    type: str
  privatekey_path:
    description:
      - Absolute path of the private key of the certificate, for O(revoke_by=certificate_key).
      - At most one of O(privatekey_path), O(privatekey_content) and O(pkcs12_path) can be set.
    type: path
  privatekey_content:
    description:
      - The private key of the certificate itself, in PEM format, for O(revoke_by=certificate_key).
      - At most one of O(privatekey_path), O(privatekey_content) and O(pkcs12_path) can be set.
    type: str
  privatekey_passphrase:
    description:
      - The passphrase of the private key of the certificate, if it has one.
    type: str
  revoke_by:
    description:
      - Which key signs the request.
      - V(account_key) is the key of the account that ordered the certificate. It needs O(account_key_src) or
        O(account_key_content).
      - V(certificate_key) is the key of the certificate. It needs no account.
    type: str
    choices:
      - account_key
      - certificate_key
    default: account_key
  reason:
    description:
      - Why the certificate is revoked (RFC 5280, section 5.3.1).
      - V(unspecified) gives no reason.
    type: str
    choices:
      - unspecified
      - key_compromise
      - affiliation_changed
      - superseded
      - cessation_of_operation
      - privilege_withdrawn
    default: unspecified
seealso:
  - module: mailcert.acme.smime_order
  - module: mailcert.acme.smime_account
  - name: RFC 8555, section 7.6
    description: Certificate revocation in ACME.
    link: https://www.rfc-editor.org/rfc/rfc8555#section-7.6
  - name: RFC 5280, section 5.3.1
    description: Reasons for a revocation.
    link: https://www.rfc-editor.org/rfc/rfc5280#section-5.3.1
  - name: Error codes
    description: What RV(error_code), RV(stage) and RV(retryable) of a failed task mean.
    link: https://github.com/mailcert/mailcert.acme/blob/main/docs/error-codes.md
"""

EXAMPLES = r"""
---
- name: Revoke the certificate of a former employee, with the account key
  mailcert.acme.smime_revoke:
    acme_directory: "{{ acme_directory }}"
    account_key_src: /etc/smime/account/account.key
    certificate_path: /etc/smime/two/cert.pem
    reason: cessation_of_operation

- name: Revoke a certificate whose key became known, with that key
  mailcert.acme.smime_revoke:
    acme_directory: "{{ acme_directory }}"
    pkcs12_path: /etc/smime/dual/identity.p12
    pkcs12_passphrase: "{{ pkcs12_passphrase }}"
    revoke_by: certificate_key
    reason: key_compromise
"""

RETURN = r"""
---
fingerprint:
  description:
    - The SHA-256 fingerprint of the certificate, in hex.
  returned: success
  type: str
  sample: c1d2e3f4a5b6c7d8e9f00112233445566778899aabbccddeeff0011223344556
serial_number:
  description:
    - The serial number of the certificate, in hex.
  returned: success
  type: str
  sample: 4fd1c0a27e9b
addresses:
  description:
    - The addresses of the certificate.
  returned: success
  type: list
  elements: str
  sample:
    - anna@example.com
reason:
  description:
    - The reason that was or would be given.
  returned: success
  type: str
  sample: key_compromise
error_code:
  description:
    - What went wrong, as a stable word. The page on error codes lists them all.
  returned: failure
  type: str
  sample: acme_problem
stage:
  description:
    - Where on the way to the certificate it went wrong.
  returned: failure
  type: str
  sample: revocation
retryable:
  description:
    - Whether the same task may succeed later, with nothing changed by you.
  returned: failure
  type: bool
  sample: false
problem:
  description:
    - The problem document of the CA, word for word (RFC 8555, section 6.7). Empty where the CA said nothing.
  returned: failure
  type: dict
  sample:
    type: urn:ietf:params:acme:error:unauthorized
    detail: The account did not order this certificate.
    status: 403
details:
  description:
    - Further facts of this error code. Empty for most of them.
  returned: failure
  type: dict
  sample: {}
"""

from ansible_collections.mailcert.acme.plugins.module_utils._runner import run_as_module
from ansible_collections.mailcert.acme.plugins.module_utils._tasks import smime_revoke


def main() -> None:
    run_as_module(smime_revoke.TASK)


if __name__ == "__main__":
    main()
