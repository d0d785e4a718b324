#!/usr/bin/python
# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: smime_mail_check
short_description: Check whether mailboxes can answer challenges, before anything is ordered
version_added: 0.1.0
description:
  - Logs in where the challenge mail would be read and where the reply would be sent, opens the folders, and checks
    whether mail may be sent
    as the address. Checks in DNS whether CAA and SPF allow the certificate and the reply.
  - It sends no mail, unless O(probe=true), and it changes nothing in the mailboxes. No CA is contacted.
  - The mail servers and DNS are contacted in check mode too, since that is all this module does.
  - What is wrong is in RV(checks). The task itself fails only with O(fail_on_error=true), or where an option cannot be
    used.
author:
  - mailcert.acme contributors (@mailcert)
requirements:
  - pyspf >= 2.0.14 for the check of SPF; without it the answer is V(unknown)
extends_documentation_fragment:
  - mailcert.acme._mail
  - mailcert.acme._variables
  - mailcert.acme._attributes
  - mailcert.acme._attributes.action_group
attributes:
  check_mode:
    support: full
    details:
      - The servers are contacted as usual, but no probe mail is sent.
  diff_mode:
    support: none
  idempotent:
    support: partial
    details:
      - With O(probe=true) each run sends a mail, which is reported as a change.
options:
  addresses:
    description:
      - The mail addresses to check.
    type: list
    elements: str
    required: true
  dns_servers:
    description:
      - The name servers that are queried, as IP addresses with or without a port.
      - Without it those of the system are used.
    type: list
    elements: str
    default: []
  dns_timeout:
    description:
      - How many seconds DNS has for each name.
    type: int
    default: 5
  ca_from:
    description:
      - An address at the CA. The module checks whether the submission server accepts mail to it, and sends nothing
        there.
      - Without it the mailbox's own address.
    type: str
  caa_identities:
    description:
      - The names of the CA in CAA records, as in its certificate policy.
      - Without them the answer is V(unknown) where the domain names CAs in C(issuemail) records (RFC 9495).
    type: list
    elements: str
    default: []
  outbound_addresses:
    description:
      - The IP addresses from which the submission server sends mail to other domains. SPF is checked for them.
      - Without them SPF is checked for the addresses of the submission server itself. Where SPF does not allow these,
        the answer is V(unknown).
    type: list
    elements: str
    default: []
  probe:
    description:
      - Whether to send one mail to the address itself, to see how the submission server signs it with DKIM. Nothing
        else shows this.
      - The mail stays in the mailbox.
    type: bool
    default: false
  probe_timeout:
    description:
      - How many seconds the probe mail has to come back.
    type: int
    default: 60
  deadline:
    description:
      - How many seconds the task may wait for tokens and probe mails, all addresses together.
    type: int
    default: 300
  fail_on_error:
    description:
      - Whether the task fails where a check failed.
    type: bool
    default: false
seealso:
  - module: mailcert.acme.smime_email_challenge
  - plugin: mailcert.acme.smime_mail_table
    plugin_type: filter
  - name: RFC 8823
    description: The email-reply-00 challenge.
    link: https://www.rfc-editor.org/rfc/rfc8823
  - name: RFC 9495
    description: CAA records for mail addresses.
    link: https://www.rfc-editor.org/rfc/rfc9495
  - name: Error codes
    description: What RV(checks[].code) means.
    link: https://github.com/mailcert/mailcert.acme/blob/main/docs/error-codes.md
"""

EXAMPLES = r"""
---
- name: Check a mailbox before its first order
  mailcert.acme.smime_mail_check:
    addresses:
      - "{{ mail_address }}"
    imap_host: "{{ imap_host }}"
    imap_password: "{{ mail_password }}"
    smtp_host: "{{ smtp_host }}"
    caa_identities:
      - ca.example.com
  register: mailbox

- name: Show what is wrong with it
  ansible.builtin.debug:
    msg: "{{ mailbox.checks | rejectattr('state', 'eq', 'ok') | map(attribute='message') }}"
"""

RETURN = r"""
---
checks:
  description:
    - The answers, for each address seven of them, always in the same order.
  returned: success
  type: list
  elements: dict
  contains:
    address:
      description:
        - The mail address.
      type: str
      sample: anna@example.com
    check:
      description:
        - V(imap_login), V(folders), V(smtp_login), V(send_as), V(caa), V(spf) or V(dkim).
      type: str
      sample: imap_login
    state:
      description:
        - V(ok), V(failed), V(warning) or V(unknown).
      type: str
      sample: failed
    code:
      description:
        - What was found, as a stable word. The page on error codes lists them all. Empty where all is well.
      type: str
      sample: login_refused
    message:
      description:
        - The same as a sentence, with the remedy.
      type: str
      sample: The IMAP server imap.example.com:993 refused the login of anna@example.com. Check imap_user and
        imap_password.
  sample:
    - address: anna@example.com
      check: imap_login
      state: ok
      code: ""
      message: The login of anna@example.com works.
servers:
  description:
    - The mail servers that were contacted, and how they were found. Those of an address are missing where they could
      not be found.
  returned: success
  type: list
  elements: dict
  contains:
    address:
      description:
        - The mail address that it serves.
      type: str
      sample: anna@example.com
    protocol:
      description:
        - V(imap) or V(smtp).
      type: str
      sample: imap
    host:
      description:
        - The host name.
      type: str
      sample: imap.example.com
    port:
      description:
        - The port.
      type: int
      sample: 993
    encryption:
      description:
        - V(tls), V(starttls) or V(none).
      type: str
      sample: tls
    source:
      description:
        - V(configured) where an option named the host, else the DNS record that named it.
      type: str
      sample: SRV _imaps._tcp.example.com
  sample:
    - address: anna@example.com
      protocol: imap
      host: imap.example.com
      port: 993
      encryption: tls
      source: SRV _imaps._tcp.example.com
ok:
  description:
    - Whether no check failed. Those whose state is V(warning) or V(unknown) do not count.
  returned: success
  type: bool
  sample: true
error_code:
  description:
    - What went wrong, as a stable word. The page on error codes lists them all.
  returned: failure
  type: str
  sample: mail_check_failed
stage:
  description:
    - Where on the way to the certificate it went wrong.
  returned: failure
  type: str
  sample: challenge
retryable:
  description:
    - Whether the same task may succeed later, with nothing changed by you.
  returned: failure
  type: bool
  sample: true
problem:
  description:
    - The problem document of the CA, word for word (RFC 8555, section 6.7). Empty where the CA said nothing.
  returned: failure
  type: dict
  sample: {}
details:
  description:
    - With O(fail_on_error=true), C(checks) and C(servers) as RV(checks) and RV(servers) would have them.
  returned: failure
  type: dict
  sample:
    checks:
      - address: anna@example.com
        check: imap_login
        state: failed
        code: login_refused
        message: The IMAP server imap.example.com:993 refused the login of anna@example.com. Check imap_user and
          imap_password.
    servers: []
"""

from ansible_collections.mailcert.acme.plugins.module_utils._runner import run_as_module
from ansible_collections.mailcert.acme.plugins.module_utils._tasks import smime_mail_check


def main() -> None:
    run_as_module(smime_mail_check.TASK)


if __name__ == "__main__":
    main()
