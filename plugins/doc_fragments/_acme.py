# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation fragment: the CA and the account. Its spec is AcmeOptions in _tasks/account/connection.py."""

from __future__ import annotations


class ModuleDocFragment:
    """Options of every module that talks to a CA."""

    DOCUMENTATION = r"""
requirements:
  - cryptography >= 45
  - josepy >= 1.14, < 3
  - requests >= 2.28
options:
  acme_directory:
    description:
      - The URL of the CA's ACME directory.
      - The CA must offer the challenge type C(email-reply-00).
    type: str
    required: true
  account_key_src:
    description:
      - Absolute path of the private key of the ACME account, in PEM format.
      - Exactly one of O(account_key_src) and O(account_key_content) can be set.
      - The account key must not be the key of a certificate.
    type: path
  account_key_content:
    description:
      - The private key of the ACME account itself, in PEM format.
      - Exactly one of O(account_key_src) and O(account_key_content) can be set.
    type: str
  account_key_passphrase:
    description:
      - The passphrase of the account key, if it has one.
    type: str
  account_uri:
    description:
      - The URL of the account at the CA, as M(mailcert.acme.smime_account) returns it.
      - Without it the module requests the account of the key from the CA.
    type: str
  validate_certs:
    description:
      - Whether the CA's TLS certificate must verify.
      - V(false) is for tests only. Whoever sits between you and the CA can then have certificates for your addresses.
    type: bool
    default: true
  ca_path:
    description:
      - Absolute path of the roots that the CA's TLS certificate is verified against, a PEM file or a folder with hashed
        names.
      - Without it the roots of the system are used, and the variables C(REQUESTS_CA_BUNDLE), C(CURL_CA_BUNDLE) and
        C(SSL_CERT_FILE) as usual.
    type: path
  allow_http:
    description:
      - Whether O(acme_directory) may be a plain C(http) URL.
      - It works for addresses of the loopback interface only.
    type: bool
    default: false
  request_timeout:
    description:
      - How many seconds to wait for each answer of the CA.
    type: int
    default: 10
  request_retries:
    description:
      - How many times a request is repeated where the CA cannot be reached, answers with a server error, or reports a
        rate limit.
      - The time between two tries grows and is partly random. It is never shorter than the CA's C(Retry-After).
      - A request that the CA refuses for another reason is not repeated. A bad nonce is replaced up to 15 times, and
        does not
        count here.
    type: int
    default: 7
  deadline:
    description:
      - How many seconds the whole task may take. All waits and retries end after them.
      - A task that reached its deadline can be run again. It continues from there.
    type: int
    default: 300
  throttle_path:
    description:
      - Absolute path of a folder for the throttle of the CA. Use one folder for all tasks that use the same CA.
      - When the CA reports a rate limit to one task, all tasks wait. After several failures of the CA in a row the
        circuit
        breaker opens, and the other tasks fail at once.
      - The state in the folder counts for later runs too. There is none while no request fails.
    type: path
"""

    # what the modules say that work for an account which smime_account has made
    RECORD = r"""
options:
  account_record_path:
    description:
      - Absolute path of the record that M(mailcert.acme.smime_account) wrote, see its
        O(mailcert.acme.smime_account#module:account_record_path).
      - It contains the URL of the account, which saves a request to the CA. It is not an error if it does not exist.
      - O(account_uri) takes precedence.
    type: path
"""
