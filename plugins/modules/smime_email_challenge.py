#!/usr/bin/python
# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: smime_email_challenge
short_description: Answer the challenge mail of an S/MIME certificate order
version_added: 0.1.0
description:
  - Looks for the challenge mail of each open challenge, proves that it comes from the CA, and answers it with one
    reply.
  - Then posts the challenge to the CA, and waits until the authorization is valid.
  - At most one reply is ever sent for a challenge. The reply is on disk before it is sent.
  - A mail that cannot be proved gets no reply. The module continues to wait for the genuine one.
  - The mailbox is only read, unless O(answered_mail) says what happens to the mail that was answered, or O(sent_copy)
    keeps
    a copy of the reply.
author:
  - mailcert.acme contributors (@mailcert)
requirements:
  - idna >= 3 for domains with non-ASCII letters
extends_documentation_fragment:
  - mailcert.acme._acme
  - mailcert.acme._acme.record
  - mailcert.acme._mail
  - mailcert.acme._variables
  - mailcert.acme._attributes
  - mailcert.acme._attributes.action_group
attributes:
  check_mode:
    support: full
    details:
      - Neither the CA nor a mail server is contacted.
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  challenges:
    description:
      - The challenges, as M(mailcert.acme.smime_order) returns them in RV(mailcert.acme.smime_order#module:challenges).
      - Challenges whose authorization is not pending are ignored.
    type: list
    elements: dict
    required: true
    suboptions:
      address:
        description:
          - The address that the challenge is for. The reply is sent from it.
        type: str
        required: true
      authorization_uri:
        description:
          - The URL of the authorization.
        type: str
        required: true
      status:
        description:
          - The status of the authorization.
        type: str
        default: pending
      fetched:
        description:
          - Whether the authorization was fetched. The module fetches it otherwise, once no other challenge for the
            address is open at this CA.
        type: bool
        default: true
      uri:
        description:
          - The URL of the challenge.
        type: str
        default: ''
      challenge_status:
        description:
          - The status of the challenge. The challenge is posted to the CA only while it is V(pending).
        type: str
        default: pending
      token:
        description:
          - The part of the token that came over HTTPS.
        type: str
        default: ''
      from:
        description:
          - The address that the challenge mail comes from, as the CA said over HTTPS.
        type: str
        default: ''
      opened:
        description:
          - When the authorization was opened, by the CA's clock. A mail that is older waits for a newer one.
        type: str
        default: ''
      retry_at:
        description:
          - The earliest time of the next request, as the CA says it (ISO 8601, UTC).
        type: str
        default: ''
      account_uri:
        description:
          - The URL of the account that ordered.
        type: str
        default: ''
      account_thumbprint:
        description:
          - The thumbprint (RFC 7638) of the key of the account that ordered.
          - Where the account key is another one, the module fails with C(account_error) before anything is sent, since
            the CA would
            invalidate the challenge. A newer key of the account that is in O(account_record_path) is accepted.
          - Where it is empty nothing is compared.
        type: str
        default: ''
  replies_path:
    description:
      - Absolute path of a folder in which the module writes down what it answered.
      - Each address has a folder of its own in it. Use one O(replies_path) for all certificates that can contain the
        same address.
      - Keep it with the journals of the orders. Without it a challenge might be answered twice.
    type: path
    required: true
  attempts_path:
    description:
      - Absolute path of a JSON file in which failed attempts are kept from run to run, with the last error and the time
        of the
        next try.
      - The next success removes it. Nothing is kept while all goes well.
      - The module itself does not wait for that time. M(mailcert.acme.smime_select) puts the mailbox on hold until
        then.
    type: path
  run_id:
    description:
      - A name for the run, the same as for M(mailcert.acme.smime_order).
    type: str
  authentication:
    description:
      - How the challenge mail is proved to come from the CA.
      - V(dkim) demands a DKIM signature by the domain of the sender that covers the whole mail and all headers that
        count (RFC 8823, section 3.1).
      - V(smime) demands an S/MIME signature by the address of the sender, with protected headers, under one of the CAs
        in O(signer_ca_path).
      - V(gateway) accepts the result that your own mail gateway O(authserv_id) wrote about the DKIM signature. Use it
        where a gateway changes subject or body.
      - V(none) answers any mail with the expected sender and subject. Anyone can forge those. The reply goes to the
        sender that the CA named.
    type: str
    choices:
      - dkim
      - smime
      - gateway
      - none
    default: dkim
  dkim_level:
    description:
      - Which headers the DKIM signature must cover.
      - V(default) demands all headers that the mail has and that count.
      - V(strict) demands the headers too that RFC 8823 only recommends, and headers that the mail does not have, so
        that none can be added.
    type: str
    choices:
      - default
      - strict
    default: default
  signer_ca_path:
    description:
      - Absolute path of a PEM file with the CAs that may issue the certificate of the signer of the challenge mails.
      - Required with O(authentication=smime).
    type: path
  authserv_id:
    description:
      - The name under which your mail gateway writes its C(Authentication-Results) headers.
      - The gateway must remove headers of that name from the mails that it takes in (RFC 8601, section 5).
      - Required with O(authentication=gateway).
    type: str
  gateway_hosts:
    description:
      - The names of your own mail servers, as in their C(Received) headers after C(by).
      - Without it the gateway is the only one, under the name O(authserv_id).
    type: list
    elements: str
    default: []
  dns_servers:
    description:
      - The DNS servers that are queried for DKIM keys, each an IP address, or an IP address and a port such as
        V(192.0.2.53:5353).
      - Without it those of the system are used.
    type: list
    elements: str
    default: []
  dns_timeout:
    description:
      - How many seconds a DNS look-up may take.
    type: int
    default: 5
  ca_preset:
    description:
      - The preset for the CA, where RFC 8823 does not define something or the CA does not follow it.
      - V(rfc8823) is the standard as written.
      - V(castle) sets O(token_join=bytes) and O(settle_delay=30).
      - V(acme2certifier) sets O(settle_delay=1), O(post_again=true), and lets mails lack V(auto-submitted) and V(date).
      - V(akamu) sets O(post_moment=before_mail).
      - Each of these options can be set alone too, and wins over the preset then.
    type: str
    choices:
      - rfc8823
      - castle
      - acme2certifier
      - akamu
    default: rfc8823
  token_join:
    description:
      - How the CA joins the two parts of the token. RFC 8823 does not say it, and CAs differ.
      - V(string) joins the two texts.
      - V(bytes) decodes both, joins the bytes, and encodes them again.
      - Without it O(ca_preset) decides, V(string) by default.
    type: str
    choices:
      - string
      - bytes
  post_moment:
    description:
      - When the challenge is posted to the CA.
      - V(after_reply) posts it after the reply was sent, as RFC 8823 says.
      - V(before_mail) posts it first, for CAs that send the challenge mail only then.
      - Without it O(ca_preset) decides, V(after_reply) by default.
    type: str
    choices:
      - after_reply
      - before_mail
  settle_delay:
    description:
      - How many seconds to wait between the reply and the POST to the challenge, for CAs that look for the reply only
        once.
      - Without it O(ca_preset) decides, V(0) by default.
    type: float
  post_again:
    description:
      - Whether to post the challenge a second time when the authorization turns invalid, for CAs that then look again.
      - Without it O(ca_preset) decides, V(false) by default.
    type: bool
  absent_headers:
    description:
      - Which headers the mails of this CA may lack.
      - A header that is there is proved as strictly as ever.
      - Without it O(ca_preset) decides. By default all of them must be there.
    type: list
    elements: str
    choices:
      - auto-submitted
      - date
      - message-id
  answered_mail:
    description:
      - What happens to a challenge mail once its authorization is valid.
      - V(keep) does not change it.
      - V(mark) marks it as seen and answered.
      - V(move) moves it to O(answered_folder).
      - V(delete) deletes it. A server that cannot remove a single mail (C(UIDPLUS)) keeps it, marked as deleted.
      - No other mail is ever touched. The certificate does not depend on it, so what goes wrong here is a warning.
    type: str
    choices:
      - keep
      - mark
      - move
      - delete
    default: keep
  sent_copy:
    description:
      - Whether a copy of each reply is put into the mailbox's folder for sent mail, as one that was read.
      - It is exactly what was sent. Where the server keeps it by itself there is no second one.
      - A copy that fails is a warning, and nothing is sent again for it.
    type: bool
    default: false
  sent_folder:
    description:
      - The folder for O(sent_copy), by its name or by its special use (RFC 6154). See O(imap_folders).
    type: str
    default: \Sent
  answered_folder:
    description:
      - The folder that answered challenge mails are moved to, by name or by special use such as V(\\Trash).
      - A folder of this name is made where there is none. Write the name as the server has it, with its delimiter.
      - With O(mail_access=maildir) it is a folder of the Maildir, and with O(mail_access=files) the absolute path of a
        folder on
        the same file system. It must be there.
      - Required with O(answered_mail=move).
    type: str
  subject:
    description:
      - The whole subject of the challenge mail, for O(mail_access=by_hand) and one open challenge.
      - It may be pasted with C(Subject:) before it, over several lines, or encoded as in the source of a mail.
      - A subject that was answered for an earlier order is ignored with a warning.
    type: str
  subjects:
    description:
      - The same for several open challenges, a dictionary from the address to the subject of its challenge mail.
    type: dict
    default: {}
  reply_was_sent:
    description:
      - Whether a person says that the replies were sent, for O(mail_access=by_hand).
      - It counts for replies that an earlier task has handed out.
    type: bool
    default: false
  reply_retries:
    description:
      - How many times a reply that was certainly not sent is tried again before O(deadline), where the server put it
        off or could not be reached.
      - The pause between two attempts grows from 1 to 60 seconds.
    type: int
    default: 8
  search_interval:
    description:
      - After how many seconds the folders are searched again, whether the server announces new mail or not.
    type: float
    default: 15.0
  slots_path:
    description:
      - Absolute path of a folder that all tasks share which must not work at the same time, with O(slots).
    type: path
  slots:
    description:
      - How many tasks that share O(slots_path) may work at the same time. V(0) means no limit.
      - The others wait, no longer than O(deadline).
    type: int
    default: 0
  would_exist:
    description:
      - In check mode, whether an earlier step of the same run would have made the order. It is no error then that there
        are no challenges.
    type: bool
    default: false
seealso:
  - module: mailcert.acme.smime_order
  - module: mailcert.acme.smime_account
  - name: RFC 8823, section 3
    description: The challenge by mail.
    link: https://www.rfc-editor.org/rfc/rfc8823#section-3
  - name: RFC 6376
    description: DKIM signatures.
    link: https://www.rfc-editor.org/rfc/rfc6376
  - name: Error codes
    description: What RV(error_code), RV(stage) and RV(retryable) of a failed task mean.
    link: https://github.com/mailcert/mailcert.acme/blob/main/docs/error-codes.md
"""

EXAMPLES = r"""
---
- name: Make the account
  mailcert.acme.smime_account:
    acme_directory: "{{ acme_directory }}"
    account_key_src: /etc/smime/account/account.key
    account_record_path: /etc/smime/account/account.json
    contact:
      - postmaster@example.com
    terms_agreed: true

- name: Make the private key and the request for one certificate with two addresses
  mailcert.acme.smime_csr:
    privatekey_path: /etc/smime/two/privkey.pem
    privatekey_type: ECC
    csr_path: /etc/smime/two/request.csr
    addresses:
      - "{{ mail_address }}"
      - "{{ second_mail_address }}"

- name: Order the certificate
  mailcert.acme.smime_order:
    state: requested
    acme_directory: "{{ acme_directory }}"
    account_key_src: /etc/smime/account/account.key
    account_record_path: /etc/smime/account/account.json
    csr_path: /etc/smime/two/request.csr
    addresses:
      - "{{ mail_address }}"
      - "{{ second_mail_address }}"
    certificate_path: /etc/smime/two/cert.pem
    journal_path: /etc/smime/two/journal.json
    would_exist: "{{ ansible_check_mode }}"
  register: certificate_order

- name: Answer both challenge mails, each in its own mailbox
  mailcert.acme.smime_email_challenge:
    acme_directory: "{{ acme_directory }}"
    account_key_src: /etc/smime/account/account.key
    account_record_path: /etc/smime/account/account.json
    challenges: "{{ certificate_order.challenges }}"
    replies_path: /etc/smime/two/replies
    imap_host: "{{ imap_host }}"
    imap_password: "{{ mail_password }}"
    smtp_host: "{{ smtp_host }}"
    mailboxes:
      - address: "{{ second_mail_address }}"
        imap_user: "{{ second_mail_address }}"
        imap_password: "{{ second_mail_password }}"
        imap_folders:
          - INBOX
    # for a CA that joins the token's parts as bytes, looks for the reply once, and sends no Auto-Submitted header:
    # token_join: bytes
    # settle_delay: 30
    # absent_headers:
    #   - auto-submitted
    would_exist: "{{ certificate_order.would_exist }}"
  register: answered

- name: Show what became of the replies
  ansible.builtin.debug:
    var: answered.authorizations

- name: Fetch the certificate
  mailcert.acme.smime_order:
    state: issued
    acme_directory: "{{ acme_directory }}"
    account_key_src: /etc/smime/account/account.key
    account_record_path: /etc/smime/account/account.json
    csr_path: /etc/smime/two/request.csr
    addresses:
      - "{{ mail_address }}"
      - "{{ second_mail_address }}"
    certificate_path: /etc/smime/two/cert.pem
    chain_path: /etc/smime/two/chain.pem
    journal_path: /etc/smime/two/journal.json
    would_exist: "{{ certificate_order.would_exist }}"
"""

RETURN = r"""
---
authorizations:
  description:
    - What became of each challenge of O(challenges), in their order.
  returned: success
  type: list
  elements: dict
  contains:
    address:
      description:
        - The address that the challenge is for.
      type: str
      sample: anna@example.com
    authorization_uri:
      description:
        - The URL of the authorization.
      type: str
      sample: https://acme.example.com/authz/43
    status:
      description:
        - The status of the authorization.
      type: str
      sample: valid
    message_id:
      description:
        - The Message-ID of the challenge mail that was answered. Empty where none was.
      type: str
      sample: <20261122093001.4711@ca.example.com>
    reply_state:
      description:
        - V(sent) where the submission server took the reply.
        - V(claimed) where it cannot be known whether the reply was sent. It is not sent again, but the CA accepted it.
        - Empty where nothing was answered.
      type: str
      sample: sent
    refused:
      description:
        - The mails that looked like the challenge and were not answered.
      type: list
      elements: dict
      contains:
        reason:
          description:
            - Why the mail was not answered, as a stable word.
          type: str
          sample: dkim_missing
        detail:
          description:
            - The same as a sentence.
          type: str
          sample: The mail has no DKIM signature.
    awaiting:
      description:
        - What a person has to bring next, with O(mail_access=by_hand).
        - V(subject) is the subject of the challenge mail. V(reply) is the reply, and the word that it was sent.
        - Empty where nothing is awaited.
      type: str
      sample: ''
    instructions:
      description:
        - For that person, a line each. Empty where nothing is awaited.
      type: list
      elements: str
      sample: []
  sample:
    - address: anna@example.com
      authorization_uri: https://acme.example.com/authz/43
      status: valid
      message_id: <20261122093001.4711@ca.example.com>
      reply_state: sent
      refused: []
      awaiting: ''
      instructions: []
awaiting_reply:
  description:
    - Whether a person has to go on, with O(mail_access=by_hand). The certificate cannot be fetched before.
  returned: success
  type: bool
  sample: false
instructions:
  description:
    - What that person has to do, a line each, for all addresses. Empty where nothing is awaited.
  returned: success
  type: list
  elements: str
  sample: []
replies:
  description:
    - The replies that are to be sent by hand. Empty where none is.
  returned: success
  type: list
  elements: dict
  contains:
    from:
      description:
        - The address that the reply is sent from.
      type: str
      sample: anna@example.com
    to:
      description:
        - Where it goes, as the CA said over HTTPS.
      type: str
      sample: acme@ca.example.com
    subject:
      description:
        - Its subject.
      type: str
      sample: "Re: ACME: LgYemJLy3F1LDkiJrdIGbEzyFJyOyf6vBdyZ1TG3sME="
    body:
      description:
        - Its text, three lines.
      type: str
      sample: "-----BEGIN ACME RESPONSE-----\nLoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0\n-----END ACME
        RESPONSE-----\n"
  sample: []
servers:
  description:
    - The mail servers that were used, and how they were found. Empty where nothing was answered.
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
would_exist:
  description:
    - In check mode, whether challenges would be answered in a run outside check mode.
  returned: success
  type: bool
  sample: false
error_code:
  description:
    - What went wrong, as a stable word. The page on error codes lists them all.
  returned: failure
  type: str
  sample: challenge_missing
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
    - Further facts of this error code. Empty for most of them.
  returned: failure
  type: dict
  sample:
    refused:
      - reason: dkim_missing
        detail: The mail has no DKIM signature.
"""

from ansible_collections.mailcert.acme.plugins.module_utils._runner import run_as_module
from ansible_collections.mailcert.acme.plugins.module_utils._tasks import smime_email_challenge


def main() -> None:
    run_as_module(smime_email_challenge.TASK)


if __name__ == "__main__":
    main()
