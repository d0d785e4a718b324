#!/usr/bin/python
# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: smime_select
short_description: Select the mailboxes of a fleet whose S/MIME certificate is due
version_added: 0.1.0
description:
  - Compares the desired state of each mailbox with the content of the store, in one task for the whole fleet.
  - Returns which mailboxes need work, and the paths in the store for everything that belongs to them.
  - It is the first step of the playbook C(mailcert.acme.issue_smime). No private key is read.
  - If a CA offers renewal information (RFC 9773), the module requests it for each certificate, no more often than the
    CA says.
    No other server is contacted, and in check mode none at all.
author:
  - mailcert.acme contributors (@mailcert)
requirements:
  - cryptography >= 45
  - asn1crypto >= 1.5
  - josepy >= 1.14, < 3 and requests >= 2.28 for the CA's renewal information
  - idna >= 3 for domains with non-ASCII letters
extends_documentation_fragment:
  - mailcert.acme._variables
  - mailcert.acme._attributes
  - mailcert.acme._attributes.action_group
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  store_path:
    description:
      - Absolute path of the store.
      - The folders of mailboxes that are due are created in it, unless they exist.
      - A version that an earlier run began for another desired state is set aside. Only the temporary files of killed
        runs are
        removed.
    type: path
    required: true
  desired_states:
    description:
      - The desired state of each mailbox, a dictionary of dictionaries. The keys are the names of the mailboxes, which
        the results
        use too.
      - Without it the module takes the variables C(smime_*) of the hosts of the play, where each host is one mailbox.
      - The keys of a desired state are variables of the role P(mailcert.acme.smime#role), without C(smime_). Some of
        them make a
        certificate due when they change. These are C(addresses), C(acme_directory), C(usage), C(privatekey_type),
        C(privatekey_size), C(privatekey_curve),
        C(account_name), C(staging), C(profile), C(common_name), C(pkcs12), C(pkcs12_encoding), C(pkcs12_friendly_name)
        and
        C(pkcs12_generation).
      - Others say when a certificate is renewed. These are C(remaining_days), C(remaining_percentage), C(force),
        C(retry_now), C(spread_days), C(run_interval), C(renewal_info) and C(allow_ca_change), and for the CA's renewal
        information
        C(acme_validate_certs), C(acme_ca_path) and C(acme_request_timeout).
      - With C(former_addresses) the private keys of other mailboxes of the store go into the PKCS#12 file. An address
        that
        the desired state of another mailbox has is refused.
      - C(addresses) and C(acme_directory) must be set.
    type: dict
  max_changes:
    description:
      - The change limit. It is how many mailboxes may be reissued because their desired state or their key changed,
        although they
        are not due by time.
      - A number of mailboxes such as V(20), or a percentage of all mailboxes such as V(10%), which is never less than
        five
        mailboxes.
      - If there are more, the task fails before anything is done, and lists them.
    type: str
    default: 10%
  accounts_only:
    description:
      - Whether to return only RV(accounts), for all mailboxes and not only for those that are due.
      - With V(true) nothing is created in the store.
    type: bool
    default: false
  run_id:
    description:
      - A name for the run, which is returned in RV(run_id).
      - Without it the module makes a new name, which contains the process of the run. From it another run on the same
        machine
        can see that this run was stopped.
    type: str
  complete:
    description:
      - Whether O(desired_states) has all mailboxes, so that RV(orphans) lists the other mailboxes of the store.
      - Where O(desired_states) are taken from the play, this is true if no host outside the play has C(smime_address)
        or
        C(smime_addresses), which is to say not under C(--limit).
    type: bool
    default: false
seealso:
  - module: mailcert.acme.smime_certificate_info
  - module: mailcert.acme.smime_csr
  - module: mailcert.acme.smime_order
  - name: Error codes
    description: What RV(error_code), RV(stage) and RV(retryable) of a failed task mean.
    link: https://github.com/mailcert/mailcert.acme/blob/main/docs/error-codes.md
"""

EXAMPLES = r"""
---
- name: Select the mailboxes that need work
  mailcert.acme.smime_select:
    store_path: /etc/smime/store
    desired_states:
      anna:
        addresses:
          - "{{ mail_address }}"
        acme_directory: "{{ acme_directory }}"
        remaining_days: 30
      bert:
        addresses:
          - "{{ second_mail_address }}"
        acme_directory: "{{ acme_directory }}"
        usage: sign
        privatekey_type: ECC
  register: selection

- name: List the accounts of all of them
  mailcert.acme.smime_select:
    store_path: /etc/smime/store
    accounts_only: true
    desired_states:
      anna:
        addresses:
          - "{{ mail_address }}"
        acme_directory: "{{ acme_directory }}"
  register: fleet

- name: Show them
  ansible.builtin.debug:
    msg: "{{ item }}: {{ selection.plans[item].detail }}"
  loop: "{{ selection.due }}"
"""

RETURN = r"""
---
run_id:
  description:
    - The name of the run, for O(mailcert.acme.smime_order#module:run_id).
  returned: success
  type: str
  sample: 0f6d1f6e3a1c4d0d9b0c6a5e4f3b2a19:6f0d1b8e-2c55-4e0b-9d3e-0c6a5e4f3b2a:4711:815000
due:
  description:
    - The names of the mailboxes that need work, in the order of O(desired_states).
  returned: success
  type: list
  elements: str
  sample:
    - anna
plans:
  description:
    - For each mailbox that needs work, by its name, what there is to do, and the paths for the modules of the chain.
  returned: success
  type: dict
  contains:
    addresses:
      description:
        - The addresses of the certificate, each in one spelling.
      type: list
      elements: str
    usage:
      description:
        - For O(mailcert.acme.smime_csr#module:usage) and the like.
      type: str
    privatekey_type:
      description:
        - For O(mailcert.acme.smime_csr#module:privatekey_type).
      type: str
    privatekey_size:
      description:
        - For O(mailcert.acme.smime_csr#module:privatekey_size). Null for V(ECC).
      type: int
    privatekey_curve:
      description:
        - For O(mailcert.acme.smime_csr#module:privatekey_curve). Null for V(RSA).
      type: str
    common_name:
      description:
        - For O(mailcert.acme.smime_csr#module:common_name). Null where there is none.
      type: str
    profile:
      description:
        - For O(mailcert.acme.smime_order#module:profile). Null where there is none.
      type: str
    acme_directory:
      description:
        - For O(mailcert.acme.smime_order#module:acme_directory) and the like.
      type: str
    validate_certs:
      description:
        - For O(mailcert.acme.smime_order#module:validate_certs) and the like.
      type: bool
    ca_path:
      description:
        - For O(mailcert.acme.smime_order#module:ca_path) and the like. Null where there is none.
      type: str
    request_timeout:
      description:
        - For O(mailcert.acme.smime_order#module:request_timeout) and the like.
      type: int
    encoding:
      description:
        - For O(mailcert.acme.smime_pkcs12#module:encoding).
      type: str
    friendly_name:
      description:
        - For O(mailcert.acme.smime_pkcs12#module:friendly_name). Null where there is none.
      type: str
    generation:
      description:
        - For O(mailcert.acme.smime_pkcs12#module:generation).
      type: int
    reason:
      description:
        - Why there is something to do, as a stable word.
        - One of V(missing), V(incomplete), V(desired_state_changed), V(key_mismatch), V(key_changed),
          V(remaining_days),
          V(remaining_percentage), V(renewal_information), V(run_interval), V(expired), V(forced), V(chain) and
          V(pkcs12).
      type: str
    detail:
      description:
        - The same for people.
      type: str
    renew_at:
      description:
        - The time since which the certificate is due by its dates. Empty where there is no certificate yet.
      type: str
    order:
      description:
        - Whether a certificate has to be ordered. Otherwise only the PKCS#12 file, or files of the chain, are written
          again.
      type: bool
    on_hold:
      description:
        - Whether the mailbox is among RV(on_hold) too. Only its PKCS#12 file is written then, of the certificate that
          is there.
      type: bool
    folder:
      description:
        - The folder of all versions.
      type: str
    privatekey_path:
      description:
        - For O(mailcert.acme.smime_csr#module:privatekey_path) and the like.
      type: str
    csr_path:
      description:
        - For O(mailcert.acme.smime_csr#module:csr_path).
      type: str
    certificate_path:
      description:
        - For O(mailcert.acme.smime_order#module:certificate_path).
      type: str
    chain_path:
      description:
        - For O(mailcert.acme.smime_order#module:chain_path).
      type: str
    fullchain_path:
      description:
        - For O(mailcert.acme.smime_order#module:fullchain_path).
      type: str
    record_path:
      description:
        - For O(mailcert.acme.smime_order#module:record_path).
      type: str
    journal_path:
      description:
        - For O(mailcert.acme.smime_order#module:journal_path).
      type: str
    replies_path:
      description:
        - For O(mailcert.acme.smime_email_challenge#module:replies_path).
      type: str
    keys_path:
      description:
        - For O(mailcert.acme.smime_order#module:keys_path) and O(mailcert.acme.smime_account#module:keys_path).
      type: str
    current_path:
      description:
        - For O(mailcert.acme.smime_order#module:current_path).
      type: str
    pkcs12_path:
      description:
        - For O(mailcert.acme.smime_pkcs12#module:path).
      type: str
    pkcs12_record_path:
      description:
        - For O(mailcert.acme.smime_pkcs12#module:record_path).
      type: str
    record_key_path:
      description:
        - For O(mailcert.acme.smime_pkcs12#module:record_key_path).
      type: str
    account_key_path:
      description:
        - For O(mailcert.acme.smime_account#module:account_key_src).
      type: str
    account_record_path:
      description:
        - For O(mailcert.acme.smime_account#module:account_record_path).
      type: str
    renewal_path:
      description:
        - For O(mailcert.acme.smime_order#module:renewal_path). Null where C(renewal_info) is V(false).
      type: str
    replaces_cert_id:
      description:
        - For O(mailcert.acme.smime_order#module:replaces_cert_id). Null where the order replaces no certificate of the
          account.
      type: str
    attempts_path:
      description:
        - For O(mailcert.acme.smime_order#module:attempts_path) and
          O(mailcert.acme.smime_email_challenge#module:attempts_path).
      type: str
    account_attempts_path:
      description:
        - For O(mailcert.acme.smime_account#module:attempts_path).
      type: str
    throttle_path:
      description:
        - For O(mailcert.acme.smime_order#module:throttle_path) and the like.
      type: str
    slots_path:
      description:
        - For O(mailcert.acme.smime_email_challenge#module:slots_path).
      type: str
    history:
      description:
        - For O(mailcert.acme.smime_pkcs12#module:history).
      type: list
      elements: dict
  sample:
    anna:
      addresses:
        - anna@example.com
      reason: missing
      detail: there is no certificate yet
      order: true
      folder: /etc/smime/store/mailboxes/anna%40example.com/dual
      privatekey_path: /etc/smime/store/mailboxes/anna%40example.com/dual/0001/privkey.pem
accounts:
  description:
    - The accounts that the mailboxes which order a certificate need, each once. With O(accounts_only) those of all
      mailboxes.
  returned: success
  type: list
  elements: dict
  contains:
    account_key_path:
      description:
        - The path of the account key.
      type: str
    account_record_path:
      description:
        - The path of the record of the account.
      type: str
    keys_path:
      description:
        - The folder that records the owner of each key.
      type: str
    host:
      description:
        - The first mailbox that needs the account.
      type: str
    acme_directory:
      description:
        - The CA of the account.
      type: str
  sample:
    - account_key_path: /etc/smime/store/accounts/acme.example.com-0a1b2c3d/default/account.key
      account_record_path: /etc/smime/store/accounts/acme.example.com-0a1b2c3d/default/account.json
      keys_path: /etc/smime/store/keys
      host: anna
      acme_directory: https://acme.example.com/directory
untouched:
  description:
    - How many mailboxes need nothing.
  returned: success
  type: int
  sample: 1999
orphans:
  description:
    - The mailboxes of the store that O(desired_states) does not have, by their addresses. They are reported, and never
      renewed.
    - Empty unless O(complete=true), and where a desired state cannot be read at all.
  returned: success
  type: list
  elements: dict
  contains:
    address:
      description:
        - The primary address. Empty where the folder does not contain it.
      type: str
    folder:
      description:
        - The folder of the mailbox.
      type: str
    lines:
      description:
        - What the certificates are for, such as V(dual).
      type: list
      elements: str
    not_after:
      description:
        - When the last certificate in use expires. Empty where none is in use.
      type: str
    error:
      description:
        - What is wrong with the folder. Empty where nothing is.
      type: str
  sample:
    - address: carl@example.com
      folder: /etc/smime/store/mailboxes/carl%40example.com
      lines:
        - dual
      not_after: "2027-05-01T12:00:00+00:00"
      error: ""
on_hold:
  description:
    - The mailboxes that are due and on hold, by their names, since the CA refused an earlier attempt. They wait for
      their next try.
    - They are in none of the other lists, except those whose PKCS#12 file is missing or stale, which are in RV(due)
      too.
    - C(retry_now) in a desired state tries the mailbox at once.
  returned: success
  type: dict
  contains:
    next_try:
      description:
        - When the mailbox is tried again, not earlier than that (ISO 8601, UTC).
      type: str
    attempts:
      description:
        - How many attempts failed since the last success.
      type: int
    last_try:
      description:
        - When the last one failed.
      type: str
    error_code:
      description:
        - The code of the last error.
      type: str
    stage:
      description:
        - The stage of the last error.
      type: str
    retryable:
      description:
        - Whether the last error may pass by itself.
      type: bool
    msg:
      description:
        - The last error for people.
      type: str
    problem:
      description:
        - The problem document of the CA, word for word. Empty where the CA said nothing.
      type: dict
    reason:
      description:
        - Why the mailbox is due, as in C(reason) in the plan.
      type: str
    detail:
      description:
        - The same for people.
      type: str
  sample: {}
failed_mailboxes:
  description:
    - The mailboxes whose desired state or store cannot be used, by their names. The others are not affected.
    - Each has C(msg), RV(error_code), RV(stage), RV(retryable), RV(problem) and RV(details).
  returned: success
  type: dict
  sample:
    bert:
      msg: "smime_usage: give one of dual, sign, encrypt, not 'both'."
      error_code: invalid_input
      stage: select
      retryable: false
      problem: {}
      details: {}
error_code:
  description:
    - What went wrong, as a stable word. The page on error codes lists them all.
  returned: failure
  type: str
  sample: invalid_input
stage:
  description:
    - Where on the way to the certificate it went wrong.
  returned: failure
  type: str
  sample: input
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
from ansible_collections.mailcert.acme.plugins.module_utils._tasks import smime_select


def main() -> None:
    run_as_module(smime_select.TASK)


if __name__ == "__main__":
    main()
