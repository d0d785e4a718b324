#!/usr/bin/python
# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: smime_pkcs12
short_description: Pack S/MIME keys and certificates into a PKCS#12 file
version_added: 0.1.0
description:
  - Writes a PKCS#12 file with a private key, its certificate and the chain, which mail programs can import.
  - Old keys can be added, so that mail which was encrypted to them stays readable.
  - The file is written again only when its contents, its encoding or its passphrase differ from the options.
author:
  - mailcert.acme contributors (@mailcert)
requirements:
  - cryptography >= 45
  - asn1crypto >= 1.5
extends_documentation_fragment:
  - mailcert.acme._files
  - mailcert.acme._variables
  - mailcert.acme._attributes
  - mailcert.acme._attributes.action_group
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details:
      - The diff shows the encoding and the number of keys, and never contents.
  idempotent:
    support: full
options:
  path:
    description:
      - Absolute path of the PKCS#12 file.
    type: path
    required: true
  privatekey_path:
    description:
      - Absolute path of the private key, in PEM format.
    type: path
    required: true
  privatekey_passphrase:
    description:
      - The passphrase of the private keys, if they have one. It is the same for those of O(history).
    type: str
  certificate_path:
    description:
      - Absolute path of the certificate of O(privatekey_path).
    type: path
    required: true
  other_certificates_path:
    description:
      - Absolute path of the certificates of the issuers, in one file.
      - Some mail programs import nothing without at least one of them.
    type: path
  history:
    description:
      - Older keys with their certificates, newest first.
      - A key that is in the file already is not added again.
    type: list
    elements: dict
    default: []
    suboptions:
      privatekey_path:
        description:
          - Absolute path of the private key.
        type: path
        required: true
      certificate_path:
        description:
          - Absolute path of its certificate.
        type: path
        required: true
  friendly_name:
    description:
      - The name that mail programs show for the key.
      - Without it the first address of the certificate.
      - Keys of O(history) have this name too, with the end of their lifetime and a part of their serial number behind
        it.
    type: str
  passphrase:
    description:
      - The passphrase of the PKCS#12 file.
    type: str
  allow_no_passphrase:
    description:
      - Whether the file may have no passphrase, so that anyone who has the file can use its keys.
    type: bool
    default: false
  encoding:
    description:
      - How the file is encrypted.
      - V(modern) is AES-256 with SHA-256.
      - V(compatible) is Triple DES with SHA-1, for older programs that read nothing else. It protects weakly, so use a
        long passphrase.
    type: str
    choices:
      - modern
      - compatible
    default: modern
  generation:
    description:
      - A number of your choice. The file is written again when the number changes.
      - It needs O(record_path).
    type: int
    default: 0
  record_path:
    description:
      - Absolute path of a JSON file in which the module writes down what the PKCS#12 file was made of.
      - With it nothing has to be decrypted to see that there is nothing to do. It holds no passphrase, and nothing to
        guess one from.
      - It needs O(record_key_path).
    type: path
  record_key_path:
    description:
      - Absolute path of a file with a random secret, under which O(record_path) recognizes the passphrase.
      - It is made if it does not exist.
    type: path
  would_exist:
    description:
      - In check mode, whether an earlier step of the same run would have made the certificate. It is no error then that
        the file is missing.
      - It has no effect outside check mode.
    type: bool
    default: false
seealso:
  - module: mailcert.acme.smime_order
  - module: mailcert.acme.smime_csr
  - name: RFC 7292
    description: The format of the file, PKCS#12.
    link: https://www.rfc-editor.org/rfc/rfc7292
  - name: Error codes
    description: What RV(error_code), RV(stage) and RV(retryable) of a failed task mean.
    link: https://github.com/mailcert/mailcert.acme/blob/main/docs/error-codes.md
"""

EXAMPLES = r"""
---
- name: Pack key, certificate and chain for a mail program
  mailcert.acme.smime_pkcs12:
    path: /etc/smime/dual/identity.p12
    privatekey_path: /etc/smime/dual/privkey.pem
    certificate_path: /etc/smime/dual/cert.pem
    other_certificates_path: /etc/smime/dual/chain.pem
    passphrase: "{{ pkcs12_passphrase }}"

- name: Pack the key of an earlier certificate too, for an older program, and remember what is in the file
  mailcert.acme.smime_pkcs12:
    path: /etc/smime/dual/identity-all.p12
    privatekey_path: /etc/smime/dual/privkey.pem
    certificate_path: /etc/smime/dual/cert.pem
    other_certificates_path: /etc/smime/dual/chain.pem
    history:
      - privatekey_path: /etc/smime/two/privkey.pem
        certificate_path: /etc/smime/two/cert.pem
    friendly_name: Anna's mail
    passphrase: "{{ pkcs12_passphrase }}"
    encoding: compatible
    record_path: /etc/smime/dual/identity-all.json
    record_key_path: /etc/smime/record.key
"""

RETURN = r"""
---
filename:
  description:
    - The path of the PKCS#12 file.
  returned: success
  type: str
  sample: /etc/smime/dual/identity.p12
friendly_names:
  description:
    - The names of the keys in the file, the current one first. Empty in check mode where the certificate does not exist
      yet.
  returned: success
  type: list
  elements: str
  sample:
    - anna@example.com
fingerprints:
  description:
    - The SHA-256 fingerprints of the keys' certificates, in hex and in the same order as RV(friendly_names).
  returned: success
  type: list
  elements: str
  sample:
    - c1d2e3f4a5b6c7d8e9f00112233445566778899aabbccddeeff0011223344556
backup_files:
  description:
    - The copies of files that were replaced.
  returned: success
  type: list
  elements: str
  sample: []
would_exist:
  description:
    - In check mode, whether the file would exist after a run outside check mode, while its certificate does not exist
      yet.
  returned: success
  type: bool
  sample: false
error_code:
  description:
    - What went wrong, as a stable word. The page on error codes lists them all.
  returned: failure
  type: str
  sample: wrong_passphrase
stage:
  description:
    - Where on the way to the certificate it went wrong.
  returned: failure
  type: str
  sample: csr
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
from ansible_collections.mailcert.acme.plugins.module_utils._tasks import smime_pkcs12


def main() -> None:
    run_as_module(smime_pkcs12.TASK)


if __name__ == "__main__":
    main()
