#!/usr/bin/python
# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: smime_account
short_description: Make, find and keep an ACME account for S/MIME certificates
version_added: 0.1.0
description:
  - Makes the account at the CA if there is none for the account key, with a new key if that is absent too.
  - Finds the account of an existing key, and updates its contact.
  - Changes the account key, or deactivates the account, on request.
  - Many hosts can share an account. One of them makes it, and the others find it.
author:
  - mailcert.acme contributors (@mailcert)
extends_documentation_fragment:
  - mailcert.acme._acme
  - mailcert.acme._variables
  - mailcert.acme._attributes
  - mailcert.acme._attributes.action_group
attributes:
  check_mode:
    support: full
    details:
      - The CA is asked whether there is an account, unless O(account_record_path) has the answer. Nothing is changed at
        the CA.
  diff_mode:
    support: full
  idempotent:
    support: partial
    details:
      - With O(state=changed_key) and without a new key that is named, each run changes the key.
options:
  state:
    description:
      - V(present) makes or updates the account.
      - V(absent) deactivates it. This cannot be undone. The file of the account key stays, and the record says that the
        account
        is deactivated. From then on certificates of this account can be revoked only by their own keys.
      - V(changed_key) gives the account another key (RFC 8555, section 7.3.5). The new key is on the disk before it is
        sent to the CA. The old key is kept. After a run that was stopped the module asks the CA which of the two keys
        it knows, and
        continues with that one.
    type: str
    choices:
      - present
      - absent
      - changed_key
    default: present
  allow_creation:
    description:
      - Whether an account, and a key for it, may be made.
      - With V(false) the module fails where one is missing.
    type: bool
    default: true
  account_key_type:
    description:
      - The type of an account key that is made.
      - It has no effect on a key that exists.
    type: str
    choices:
      - secp256r1
      - secp384r1
      - rsa2048
      - rsa4096
    default: secp256r1
  contact:
    description:
      - How the CA can reach the owner of the account, as URLs. A mail address without C(mailto:) is one too.
      - The account has exactly these contacts afterwards. An empty list removes them.
    type: list
    elements: str
    default: []
  terms_agreed:
    description:
      - Whether you agree to the CA's terms of service.
      - Most CAs make no account without it.
    type: bool
    default: false
  terms_url:
    description:
      - The URL of the terms of service that you have read and agree to.
      - It is needed where the CA's terms change after the account was made. O(terms_agreed) alone agrees to those of
        that day.
      - The task fails where the CA's terms are at another URL.
      - It has no effect unless O(terms_agreed) is V(true).
    type: str
  new_account_key_src:
    description:
      - Absolute path of the new account key for O(state=changed_key), in PEM format. A key is made where there is none.
      - Both files stay where they are. Use the new one from then on.
      - Without it, and without O(new_account_key_content), the new key is made next to O(account_key_src) and takes its
        place. The old key stays next to it under the name in RV(old_account_key_path).
    type: path
  new_account_key_content:
    description:
      - The new account key itself for O(state=changed_key), in PEM format. Keep it safe before you run this.
    type: str
  new_account_key_passphrase:
    description:
      - The passphrase of the new account key.
      - Where the new key takes the place of O(account_key_src), it is that of the old one unless this is set.
    type: str
  store_path:
    description:
      - Absolute path of the store whose mailboxes use the account, for O(state=changed_key).
      - The key is not changed while challenges of the account are open, since replies to them hold the key's
        thumbprint.
        The store has these challenges.
      - Without it the CA is asked for the pending orders of the account. Many CAs do not list them.
    type: path
  keys_path:
    description:
      - Absolute path of a folder that records the owner of each key, in one small file for each key. Use one
        O(keys_path) for
        all certificates and accounts.
      - With it a key is refused that is a certificate's (RFC 8555, section 11.1).
    type: path
  force:
    description:
      - Whether O(state=changed_key) changes the key although challenges are open, as after a theft of the key.
      - The replies to these challenges are then invalid, and their certificates are ordered again.
    type: bool
    default: false
  external_account_binding:
    description:
      - Binds the new account to one that you have at the CA already (RFC 8555, section 7.3.4).
      - It has no effect on an account that exists.
    type: dict
    suboptions:
      kid:
        description:
          - The key identifier that the CA gave you.
        type: str
        required: true
      alg:
        description:
          - The MAC algorithm.
        type: str
        choices:
          - HS256
          - HS384
          - HS512
        default: HS256
      key:
        description:
          - The MAC key that the CA gave you, in base64url.
        type: str
        required: true
  account_record_path:
    description:
      - Absolute path of a JSON file in which the module writes down what the account is. It holds no secret.
      - While the record equals the options, the CA is not contacted.
      - The other modules read the URL of the account from it.
    type: path
  attempts_path:
    description:
      - Absolute path of a JSON file in which failed attempts are kept from run to run, with the last error and the time
        of the
        next try.
      - The next success removes it. Nothing is kept while all goes well.
      - The module itself does not wait for that time. M(mailcert.acme.smime_select) puts the mailbox on hold until
        then.
    type: path
seealso:
  - module: mailcert.acme.smime_order
  - module: mailcert.acme.smime_revoke
  - name: RFC 8555, section 7.3
    description: Account management in ACME.
    link: https://www.rfc-editor.org/rfc/rfc8555#section-7.3
  - name: Error codes
    description: What RV(error_code), RV(stage) and RV(retryable) of a failed task mean.
    link: https://github.com/mailcert/mailcert.acme/blob/main/docs/error-codes.md
"""

EXAMPLES = r"""
---
- name: Make an account, or find the one that the key has
  mailcert.acme.smime_account:
    acme_directory: "{{ acme_directory }}"
    account_key_src: /etc/smime/account/account.key
    account_record_path: /etc/smime/account/account.json
    contact:
      - postmaster@example.com
    terms_agreed: true
  register: account

- name: Show the URL of the account
  ansible.builtin.debug:
    var: account.account_uri

- name: Make an account that is bound to the one you have at the CA, with an RSA key
  mailcert.acme.smime_account:
    acme_directory: "{{ acme_directory }}"
    account_key_src: /etc/smime/bound-account/account.key
    account_key_type: rsa4096
    account_key_passphrase: "{{ account_key_passphrase }}"
    contact:
      - mailto:postmaster@example.com
    terms_agreed: true
    external_account_binding:
      kid: "{{ eab_kid }}"
      key: "{{ eab_key }}"

- name: Agree to new terms of service, which you have read
  mailcert.acme.smime_account:
    acme_directory: "{{ acme_directory }}"
    account_key_src: /etc/smime/account/account.key
    account_record_path: /etc/smime/account/account.json
    contact:
      - postmaster@example.com
    terms_agreed: true
    terms_url: "{{ terms_url }}"

- name: Change the key of an account to one that is made at another path
  mailcert.acme.smime_account:
    state: changed_key
    acme_directory: "{{ acme_directory }}"
    account_key_src: /etc/smime/rolled-account/account.key
    new_account_key_src: /etc/smime/rolled-account/second.key

- name: Deactivate an account
  mailcert.acme.smime_account:
    state: absent
    acme_directory: "{{ acme_directory }}"
    account_key_src: /etc/smime/old-account/account.key
"""

RETURN = r"""
---
account_uri:
  description:
    - The URL of the account at the CA.
    - Empty where there is no account, and in check mode where it would be made.
  returned: success
  type: str
  sample: https://acme.example.com/acct/17
account_status:
  description:
    - The status of the account at the CA, V(valid) or V(deactivated). Empty where there is none.
  returned: success
  type: str
  sample: valid
contact:
  description:
    - The contacts of the account, as URLs.
  returned: success
  type: list
  elements: str
  sample:
    - mailto:postmaster@example.com
public_key_fingerprint:
  description:
    - The SHA-256 fingerprint of the account's public key, in hex. Empty for O(state=absent), and in check mode for a
      key that
      would be made.
  returned: success
  type: str
  sample: 8b2a7cc1f1b1d5a4e3c5f6f0f8a9d4c37f1e8b0c2d3a4f5e6b7c8d9e0f1a2b3c
old_account_key_path:
  description:
    - Where the old key is kept that O(state=changed_key) has replaced at O(account_key_src). Empty where it replaced
      none.
  returned: success
  type: str
  sample: /etc/smime/account/account.key.8b2a7cc1f1b1d5a4
created:
  description:
    - Whether the account was made by this task.
  returned: success
  type: bool
  sample: true
would_exist:
  description:
    - Whether the account would exist after a run outside check mode, and does not exist yet.
  returned: success
  type: bool
  sample: false
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
  sample: account
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
    type: urn:ietf:params:acme:error:userActionRequired
    detail: The terms of service were not agreed to.
    status: 403
details:
  description:
    - Further facts of this error code. Empty for most of them.
  returned: failure
  type: dict
  sample: {}
"""

from ansible_collections.mailcert.acme.plugins.module_utils._runner import run_as_module
from ansible_collections.mailcert.acme.plugins.module_utils._tasks import smime_account


def main() -> None:
    run_as_module(smime_account.TASK)


if __name__ == "__main__":
    main()
