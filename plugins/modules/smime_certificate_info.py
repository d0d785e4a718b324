#!/usr/bin/python
# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: smime_certificate_info
short_description: Report the state of S/MIME certificates
version_added: 0.1.0
description:
  - Returns what a certificate contains, whether it is due and why, and what is wrong with it.
  - The certificate is a single one, or each current one of a store.
  - No server is contacted.
author:
  - mailcert.acme contributors (@mailcert)
requirements:
  - cryptography >= 45
  - asn1crypto >= 1.5
  - idna >= 3 for domains with non-ASCII letters
extends_documentation_fragment:
  - mailcert.acme._renewal
  - mailcert.acme._variables
  - mailcert.acme._attributes
  - mailcert.acme._attributes.info_module
  - mailcert.acme._attributes.action_group
options:
  certificate_path:
    description:
      - Absolute path of the certificate, in PEM or DER format. Its issuers may follow it in the same file.
      - Exactly one of O(certificate_path), O(certificate_content) and O(store_path) must be set.
    type: path
  certificate_content:
    description:
      - The certificate itself, in PEM format. Its issuers may follow it.
      - Exactly one of O(certificate_path), O(certificate_content) and O(store_path) must be set.
    type: str
  chain_path:
    description:
      - Absolute path of the certificates of the issuers, nearest first. It takes precedence over those that follow the
        certificate.
      - It has no effect with O(store_path).
    type: path
  privatekey_path:
    description:
      - Absolute path of the private key, to check whether it belongs to the certificate.
      - It has no effect with O(store_path).
    type: path
  privatekey_passphrase:
    description:
      - The passphrase of the private key, if it has one.
    type: str
  store_path:
    description:
      - Absolute path of the store that the role P(mailcert.acme.smime#role) keeps.
      - Exactly one of O(certificate_path), O(certificate_content) and O(store_path) must be set.
    type: path
  addresses:
    description:
      - With O(store_path), the primary addresses of the mailboxes to report. Without it all of them.
      - For a single certificate, the addresses that it should hold. Without it those that it has.
    type: list
    elements: str
    default: []
  usage:
    description:
      - With O(store_path), only certificates for this usage are reported.
      - For a single certificate, what it should be for. Without it what its key usage says.
    type: str
    choices:
      - dual
      - sign
      - encrypt
seealso:
  - module: mailcert.acme.smime_order
  - module: mailcert.acme.smime_select
  - name: RFC 5280
    description: The format of the certificate.
    link: https://www.rfc-editor.org/rfc/rfc5280
  - name: Error codes
    description: What RV(error_code), RV(stage) and RV(retryable) of a failed task mean.
    link: https://github.com/mailcert/mailcert.acme/blob/main/docs/error-codes.md
"""

EXAMPLES = r"""
---
- name: Look at one certificate, and whether the key belongs to it
  mailcert.acme.smime_certificate_info:
    certificate_path: /etc/smime/dual/cert.pem
    chain_path: /etc/smime/dual/chain.pem
    privatekey_path: /etc/smime/dual/privkey.pem
    remaining_percentage: 0.25
  register: info

- name: Stop where something is wrong with it
  ansible.builtin.assert:
    that:
      - info.certificates[0].key_match
      - info.certificates[0].lint_errors == []

- name: Look at all certificates of a store
  mailcert.acme.smime_certificate_info:
    store_path: /etc/smime/store
    remaining_days: 30
  register: all_certificates

- name: Show which mailboxes are due
  ansible.builtin.debug:
    var: all_certificates.due
"""

RETURN = r"""
---
certificates:
  description:
    - The certificates, one entry each. All entries have the same keys.
  returned: success
  type: list
  elements: dict
  contains:
    addresses:
      description:
        - The addresses of the certificate.
      type: list
      elements: str
      sample:
        - anna@example.com
    usage:
      description:
        - What the certificate is for, V(dual), V(sign) or V(encrypt). Empty where its key usage does not say it.
      type: str
      sample: dual
    path:
      description:
        - The path of the certificate. Empty where O(certificate_content) was given.
      type: str
      sample: /etc/smime/dual/cert.pem
    line:
      description:
        - The line of versions that the certificate belongs to. Empty outside a store.
      type: str
      sample: dual
    version:
      description:
        - The number of the version in its line. V(0) outside a store.
      type: int
      sample: 2
    subject:
      description:
        - The subject, as RFC 4514 writes it.
      type: str
      sample: CN=anna@example.com
    issuer:
      description:
        - The issuer, as RFC 4514 writes it.
      type: str
      sample: CN=Example S/MIME CA,O=Example
    serial_number:
      description:
        - The serial number, in hex.
      type: str
      sample: 4fd1c0a27e9b
    fingerprint:
      description:
        - The SHA-256 fingerprint of the certificate, in hex.
      type: str
      sample: c1d2e3f4a5b6c7d8e9f00112233445566778899aabbccddeeff0011223344556
    public_key_fingerprint:
      description:
        - The SHA-256 fingerprint of the public key, in hex.
      type: str
      sample: 3f0b9c4f6c1e3c5f8e1a7d2b4c6e8f0a1b3d5f7e9c0a2b4d6f8e1c3a5b7d9f00
    not_before:
      description:
        - When the certificate begins to be valid, in UTC.
      type: str
      sample: "2026-11-22T09:00:00+00:00"
    not_after:
      description:
        - When the certificate ends to be valid, in UTC.
      type: str
      sample: "2027-11-22T09:00:00+00:00"
    remaining_days:
      description:
        - The number of whole days until the certificate expires. Negative where it has expired.
      type: int
      sample: 365
    renew_at:
      description:
        - When the certificate is or was due, in UTC.
      type: str
      sample: "2027-10-23T09:00:00+00:00"
    due:
      description:
        - Whether the certificate is due.
      type: bool
      sample: false
    reason:
      description:
        - Why it is due, or V(not_due).
        - One of V(not_due), V(remaining_days), V(remaining_percentage), V(renewal_information), V(run_interval),
          V(expired),
          V(forced) and V(unreadable).
        - The renewal information of the CA (RFC 9773) counts for the certificates of a store. The CA is not contacted
          here.
      type: str
      sample: not_due
    detail:
      description:
        - The same for people.
      type: str
      sample: renewal from 2027-10-23
    key_match:
      description:
        - Whether the private key belongs to the certificate. Null where there was no key to look at.
      type: bool
      sample: true
    lint_errors:
      description:
        - What makes the certificate useless, as sentences.
      type: list
      elements: str
      sample: []
    lint_warnings:
      description:
        - What else is not as it should be, as sentences.
      type: list
      elements: str
      sample: []
    error:
      description:
        - Why the certificate could not be read, as a sentence. Empty where it could.
      type: str
      sample: ""
  sample:
    - addresses:
        - anna@example.com
      usage: dual
      path: /etc/smime/dual/cert.pem
      line: ""
      version: 0
      subject: CN=anna@example.com
      issuer: CN=Example S/MIME CA,O=Example
      serial_number: 4fd1c0a27e9b
      fingerprint: c1d2e3f4a5b6c7d8e9f00112233445566778899aabbccddeeff0011223344556
      public_key_fingerprint: 3f0b9c4f6c1e3c5f8e1a7d2b4c6e8f0a1b3d5f7e9c0a2b4d6f8e1c3a5b7d9f00
      not_before: "2026-11-22T09:00:00+00:00"
      not_after: "2027-11-22T09:00:00+00:00"
      remaining_days: 365
      renew_at: "2027-10-23T09:00:00+00:00"
      due: false
      reason: not_due
      detail: renewal from 2027-10-23
      key_match: true
      lint_errors: []
      lint_warnings: []
      error: ""
due:
  description:
    - The primary addresses of the certificates that are due, sorted.
  returned: success
  type: list
  elements: str
  sample:
    - anna@example.com
error_code:
  description:
    - What went wrong, as a stable word. The page on error codes lists them all.
  returned: failure
  type: str
  sample: invalid_certificate
stage:
  description:
    - Where on the way to the certificate it went wrong.
  returned: failure
  type: str
  sample: certificate
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
  sample: {}
details:
  description:
    - Further facts of this error code. Empty for most of them.
  returned: failure
  type: dict
  sample: {}
"""

from ansible_collections.mailcert.acme.plugins.module_utils._runner import run_as_module
from ansible_collections.mailcert.acme.plugins.module_utils._tasks import smime_certificate_info


def main() -> None:
    run_as_module(smime_certificate_info.TASK)


if __name__ == "__main__":
    main()
