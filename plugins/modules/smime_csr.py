#!/usr/bin/python
# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: smime_csr
short_description: Make a private key and an S/MIME certificate request
version_added: 0.1.0
description:
  - Makes a private key if there is none, or uses the one that is there.
  - Makes a PKCS#10 request, signed by the key, with all addresses in its subject alternative name and the key usage for
    O(usage).
  - A request that differs from the options is made again. A private key is only overwritten with O(regenerate), and
    never without a copy.
author:
  - mailcert.acme contributors (@mailcert)
requirements:
  - cryptography >= 45
  - asn1crypto >= 1.5
  - idna >= 3 for domains with non-ASCII letters
extends_documentation_fragment:
  - mailcert.acme._certificate
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
      - The diff shows types, addresses and usage, and never a key.
  idempotent:
    support: partial
    details:
      - With O(regenerate=always) each run makes a new key.
options:
  privatekey_path:
    description:
      - Absolute path of the private key, in PEM format.
      - The key is made if the file does not exist.
      - A file with the same name and C(.lock) at its end is made next to it, so that two runs at once agree on one key.
    type: path
    required: true
  privatekey_passphrase:
    description:
      - The passphrase of the private key. A key that is made is encrypted with it.
      - Without it the key is not encrypted.
    type: str
  privatekey_type:
    description:
      - The type of the private key.
    type: str
    choices:
      - RSA
      - ECC
    default: RSA
  privatekey_size:
    description:
      - The size of an RSA key in bits, one of V(2048), V(3072) and V(4096).
      - It has no effect with O(privatekey_type=ECC).
    type: int
    default: 3072
  privatekey_curve:
    description:
      - The curve of an ECC key.
      - It has no effect with O(privatekey_type=RSA).
    type: str
    choices:
      - secp256r1
      - secp384r1
      - secp521r1
    default: secp256r1
  regenerate:
    description:
      - What to do with a private key that exists and differs from the options.
      - V(fail) fails.
      - V(partial_idempotence) makes a new key where the old one has another type, size or curve. It fails where the old
        one cannot be read.
      - V(always) makes a new key at each run.
      - A copy of the old key stays next to the new one, whatever O(backup) says.
    type: str
    choices:
      - fail
      - partial_idempotence
      - always
    default: fail
  csr_path:
    description:
      - Absolute path of the request, in PEM format.
    type: path
    required: true
  common_name:
    description:
      - The common name in the subject of the request. It must be one of O(addresses).
      - Without it the subject is empty.
    type: str
  return_content:
    description:
      - Whether to return the request itself. The private key is never returned.
    type: bool
    default: false
seealso:
  - module: mailcert.acme.smime_order
  - module: mailcert.acme.smime_pkcs12
  - name: RFC 8823, section 3.3
    description: What the request for an S/MIME certificate has to say.
    link: https://www.rfc-editor.org/rfc/rfc8823#section-3.3
  - name: RFC 2986
    description: The format of the request, PKCS#10.
    link: https://www.rfc-editor.org/rfc/rfc2986
  - name: Error codes
    description: What RV(error_code), RV(stage) and RV(retryable) of a failed task mean.
    link: https://github.com/mailcert/mailcert.acme/blob/main/docs/error-codes.md
"""

EXAMPLES = r"""
---
- name: Make a key and a request for a certificate that signs and decrypts
  mailcert.acme.smime_csr:
    privatekey_path: /etc/smime/dual/privkey.pem
    csr_path: /etc/smime/dual/request.csr
    addresses:
      - "{{ mail_address }}"

- name: Make an encrypted elliptic curve key and a request for a certificate that only signs
  mailcert.acme.smime_csr:
    privatekey_path: /etc/smime/sign/privkey.pem
    privatekey_passphrase: "{{ privatekey_passphrase }}"
    privatekey_type: ECC
    privatekey_curve: secp384r1
    csr_path: /etc/smime/sign/request.csr
    addresses:
      - "{{ mail_address }}"
    common_name: "{{ mail_address }}"
    usage: sign

- name: Replace a key that is too short, and keep a copy of it
  mailcert.acme.smime_csr:
    privatekey_path: /etc/smime/replaced/privkey.pem
    privatekey_size: 4096
    regenerate: partial_idempotence
    csr_path: /etc/smime/replaced/request.csr
    addresses:
      - "{{ mail_address }}"
    return_content: true
  register: request
"""

RETURN = r"""
---
privatekey_path:
  description:
    - The path of the private key.
  returned: success
  type: str
  sample: /etc/smime/dual/privkey.pem
csr_path:
  description:
    - The path of the request.
  returned: success
  type: str
  sample: /etc/smime/dual/request.csr
addresses:
  description:
    - The addresses of the request, their domains in lower case and as A-labels.
  returned: success
  type: list
  elements: str
  sample:
    - anna@example.com
usage:
  description:
    - What the certificate is for.
  returned: success
  type: str
  sample: dual
privatekey_type:
  description:
    - The type of the private key.
  returned: success
  type: str
  sample: RSA
privatekey_size:
  description:
    - The size of an RSA key in bits. V(0) for other keys.
  returned: success
  type: int
  sample: 3072
privatekey_curve:
  description:
    - The curve of an ECC key. Empty for other keys.
  returned: success
  type: str
  sample: ""
public_key_fingerprint:
  description:
    - The SHA-256 fingerprint of the public key, in hex. Empty in check mode where the key would be made.
  returned: success
  type: str
  sample: 3f0b9c4f6c1e3c5f8e1a7d2b4c6e8f0a1b3d5f7e9c0a2b4d6f8e1c3a5b7d9f00
csr:
  description:
    - The request in PEM format.
    - Empty unless O(return_content=true), and in check mode where the key would be made.
  returned: success
  type: str
  sample: |
    -----BEGIN CERTIFICATE REQUEST-----
    MIIC...
    -----END CERTIFICATE REQUEST-----
backup_files:
  description:
    - The copies of files that were replaced.
  returned: success
  type: list
  elements: str
  sample: []
would_exist:
  description:
    - Whether the private key would exist after a run outside check mode, and does not exist yet.
  returned: success
  type: bool
  sample: false
error_code:
  description:
    - What went wrong, as a stable word. The page on error codes lists them all.
  returned: failure
  type: str
  sample: key_mismatch
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
from ansible_collections.mailcert.acme.plugins.module_utils._tasks import smime_csr


def main() -> None:
    run_as_module(smime_csr.TASK)


if __name__ == "__main__":
    main()
