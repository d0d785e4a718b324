#!/usr/bin/python
# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: smime_order
short_description: Order an S/MIME certificate from an ACME CA
version_added: 0.1.0
description:
  - Orders a certificate for a request in two steps, with M(mailcert.acme.smime_email_challenge) between them.
  - With O(state=requested) it makes the order, or resumes the one of an earlier run, and returns the open challenges.
  - With O(state=issued) it finalizes the order, downloads the certificate and its chain, checks them, and writes them.
  - It does nothing while O(certificate_path) holds a certificate that fits the request and is not due. With
    O(record_path) and
    O(state=issued) it writes the files of the chain as they were, where someone changed or removed them, and warns.
  - A journal records the requests to the CA. The next run resumes a run that was stopped at any moment.
author:
  - mailcert.acme contributors (@mailcert)
requirements:
  - asn1crypto >= 1.5
  - idna >= 3 for domains with non-ASCII letters
extends_documentation_fragment:
  - mailcert.acme._acme
  - mailcert.acme._acme.record
  - mailcert.acme._certificate
  - mailcert.acme._renewal
  - mailcert.acme._files
  - mailcert.acme._variables
  - mailcert.acme._attributes
  - mailcert.acme._attributes.action_group
attributes:
  check_mode:
    support: full
    details:
      - The CA is not contacted, since some CAs send mail when an authorization is fetched.
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  state:
    description:
      - V(requested) makes or resumes the order, and returns its challenges.
      - V(issued) turns an order whose authorizations are valid into files.
    type: str
    choices:
      - requested
      - issued
    required: true
  csr_path:
    description:
      - Absolute path of the request, in PEM or DER format.
      - Exactly one of O(csr_path) and O(csr_content) must be set.
      - The request must be for exactly O(addresses) and O(usage), be signed by its own key, and not use the account
        key. It may come from another host.
    type: path
  csr_content:
    description:
      - The request itself, in PEM format.
      - Exactly one of O(csr_path) and O(csr_content) must be set.
    type: str
  privatekey_path:
    description:
      - Absolute path of the private key that signed the request.
      - Where it is set, the module makes sure that the key is there and fits before it switches to the new certificate.
      - Do not set it where the key is on another host.
    type: path
  privatekey_passphrase:
    description:
      - The passphrase of the private key, if it has one.
    type: str
  certificate_path:
    description:
      - Absolute path of the certificate, in PEM format.
      - With O(state=requested) it is only read.
    type: path
    required: true
  chain_path:
    description:
      - Absolute path of a file for the certificates of the issuers, nearest first, in PEM format.
    type: path
  fullchain_path:
    description:
      - Absolute path of a file for the certificate and its issuers, in PEM format.
    type: path
  record_path:
    description:
      - Absolute path of a JSON file in which the module writes down what the certificate was ordered with, and the
        chain. It holds no secret.
    type: path
  current_path:
    description:
      - Absolute path of a symbolic link that points to the folder of O(certificate_path) once all files are complete.
      - The link is switched in one atomic step.
    type: path
  journal_path:
    description:
      - Absolute path of the journal of the order, a JSON file. Both steps must be given the same path.
      - It is made by O(state=requested). Keep it until the certificate is there.
    type: path
    required: true
  replies_path:
    description:
      - Absolute path of the folder that M(mailcert.acme.smime_email_challenge) is given as well.
      - With it no two challenges for one address are open at a CA at the same time.
      - Some CAs write all their mails from one address, and then nothing in a mail says which order it belongs to.
      - A challenge that must wait for another has RV(challenges[].fetched=false).
    type: path
  renewal_path:
    description:
      - Absolute path of a JSON file for the renewal information of the certificate (RFC 9773).
      - With it O(state=issued) requests the renewal information after the certificate is installed, where the CA offers
        it.
        A missing answer is no failure.
    type: path
  replaces_cert_id:
    description:
      - The identifier of the certificate that the order is to replace (RFC 9773, section 4.1).
      - It is sent where the CA offers renewal information, and omitted in a second request where the CA refuses it.
      - The certificate must be of the same account and have an address in common with the order.
    type: str
  keys_path:
    description:
      - Absolute path of a folder that records the owner of each key, in one small file for each key. Use one
        O(keys_path) for
        all certificates and accounts.
      - With it a request is refused whose key is that of another mailbox or of an account. A mailbox is known by the
        first of
        O(addresses).
    type: path
  profile:
    description:
      - The profile of the certificate, one of those that the CA's directory names.
      - Without it the CA chooses.
    type: str
  not_before:
    description:
      - When the certificate is to begin to be valid. Many CAs refuse or ignore this.
      - A time such as V(2027-01-01T00:00:00Z) or V(20270101000000Z), or a distance from the moment of the order such as
        V(+1d) or V(+32w1d2h3m4s).
      - A certificate that is not valid yet is not installed. O(state=issued) fails until it is.
      - It counts for the order that is made next. A valid certificate is not replaced for it.
    type: str
  not_after:
    description:
      - When the certificate is to end to be valid. Many CAs refuse or ignore this.
      - Written as O(not_before).
      - It counts for the order that is made next. A valid certificate is not replaced for it.
    type: str
  select_chain:
    description:
      - Which of the chains is wanted that the CA offers for the certificate, as the options of
        C(community.crypto.acme_certificate).
      - The criteria are tried one after the other, each on the CA's default chain first and then on the alternate ones.
        The first chain that meets one is used.
      - Where none does, the default chain is used, with a warning.
      - RV(chain) has the chosen one. A valid certificate is not replaced for another chain.
    type: list
    elements: dict
    suboptions:
      test_certificates:
        description:
          - Which certificates of the chain are looked at. The certificate itself, which is the same in all chains, is
            never among them.
          - V(first) is the one that signed the certificate, V(last) the one furthest away from it, and V(all) is each
            of them.
        type: str
        choices:
          - first
          - last
          - all
        default: all
      issuer:
        description:
          - 'Attributes that must be in the issuer of the certificate that is looked at, such as V({"commonName": "My
            Preferred CA Root"}).'
          - All conditions of a criterion must be met by one and the same certificate.
        type: dict
      subject:
        description:
          - Attributes that must be in its subject.
        type: dict
      subject_key_identifier:
        description:
          - Its subject key identifier, such as V(A8:4A:6A:63:04:7D:DD:BA:E6:D1:39:B7:A6:45:65:EF:F3:A8:EC:A1).
        type: str
      authority_key_identifier:
        description:
          - Its authority key identifier, written as O(select_chain[].subject_key_identifier).
        type: str
  attempts_path:
    description:
      - Absolute path of a JSON file in which failed attempts are kept from run to run, with the last error and the time
        of the
        next try.
      - The next success removes it. Nothing is kept while all goes well.
      - The module itself does not wait for that time. M(mailcert.acme.smime_select) puts the mailbox on hold until
        then.
    type: path
  order_rate:
    description:
      - At most so many orders in so much time, as in V(300/3h). The time has a unit of V(s), V(m), V(h), V(d) or V(w).
      - All orders are counted that tasks with the same O(throttle_path) send, in any run.
      - An order that has to wait for less than O(deadline) waits. Another one fails with RV(error_code=rate_reached),
        and the CA
        is not contacted.
    type: str
  run_id:
    description:
      - A name for the run, the same in both steps. The run then has the lock of the order from the first step to the
        second.
      - Another run that wants the same order fails meanwhile with RV(error_code=busy).
      - Without it each step has the lock for itself only.
    type: str
  lease_duration:
    description:
      - After how many seconds another run may take over an order that its run has not finished.
    type: int
    default: 3600
  would_exist:
    description:
      - In check mode, whether an earlier step of the same run would have made the request. It is no error then that the
        file is missing.
      - It has no effect outside check mode.
    type: bool
    default: false
seealso:
  - module: mailcert.acme.smime_account
  - module: mailcert.acme.smime_csr
  - module: mailcert.acme.smime_email_challenge
  - module: mailcert.acme.smime_pkcs12
  - name: RFC 8555, section 7.4
    description: Applying for certificate issuance in ACME.
    link: https://www.rfc-editor.org/rfc/rfc8555#section-7.4
  - name: RFC 8823
    description: ACME for end-user S/MIME certificates.
    link: https://www.rfc-editor.org/rfc/rfc8823
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

- name: Make the private key and the request
  mailcert.acme.smime_csr:
    privatekey_path: /etc/smime/dual/privkey.pem
    csr_path: /etc/smime/dual/request.csr
    addresses:
      - "{{ mail_address }}"

- name: Order the certificate
  mailcert.acme.smime_order:
    state: requested
    acme_directory: "{{ acme_directory }}"
    account_key_src: /etc/smime/account/account.key
    account_record_path: /etc/smime/account/account.json
    csr_path: /etc/smime/dual/request.csr
    addresses:
      - "{{ mail_address }}"
    certificate_path: /etc/smime/dual/cert.pem
    journal_path: /etc/smime/dual/journal.json
    remaining_days: 30
    would_exist: "{{ ansible_check_mode }}"
  register: certificate_order

- name: Answer the challenge mail
  mailcert.acme.smime_email_challenge:
    acme_directory: "{{ acme_directory }}"
    account_key_src: /etc/smime/account/account.key
    account_record_path: /etc/smime/account/account.json
    challenges: "{{ certificate_order.challenges }}"
    replies_path: /etc/smime/dual/replies
    imap_host: "{{ imap_host }}"
    imap_password: "{{ mail_password }}"
    smtp_host: "{{ smtp_host }}"
    would_exist: "{{ certificate_order.would_exist }}"

- name: Fetch the certificate
  mailcert.acme.smime_order:
    state: issued
    acme_directory: "{{ acme_directory }}"
    account_key_src: /etc/smime/account/account.key
    account_record_path: /etc/smime/account/account.json
    csr_path: /etc/smime/dual/request.csr
    addresses:
      - "{{ mail_address }}"
    privatekey_path: /etc/smime/dual/privkey.pem
    certificate_path: /etc/smime/dual/cert.pem
    chain_path: /etc/smime/dual/chain.pem
    fullchain_path: /etc/smime/dual/fullchain.pem
    journal_path: /etc/smime/dual/journal.json
    remaining_days: 30
    would_exist: "{{ certificate_order.would_exist }}"
  register: certificate

- name: Show until when it is valid
  ansible.builtin.debug:
    var: certificate.not_after
"""

RETURN = r"""
---
order_uri:
  description:
    - The URL of the order at the CA. Empty where nothing was ordered.
  returned: success
  type: str
  sample: https://acme.example.com/order/42
order_status:
  description:
    - The status of the order at the CA. V(valid) too where the certificate is there and nothing was ordered.
    - Empty in check mode where a certificate would be ordered.
  returned: success
  type: str
  sample: pending
challenges:
  description:
    - The email challenges of a pending order, in the form that M(mailcert.acme.smime_email_challenge) takes.
    - Empty where there is nothing to answer.
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
        - The status of the authorization. Only a pending one has to be answered.
      type: str
      sample: pending
    fetched:
      description:
        - Whether the authorization was fetched. V(false) while another challenge for the address is open at this CA.
          M(mailcert.acme.smime_email_challenge) then waits for that one and fetches this one itself.
      type: bool
      sample: true
    uri:
      description:
        - The URL of the challenge. It and what follows is empty where the authorization was not fetched.
      type: str
      sample: https://acme.example.com/chall/44
    challenge_status:
      description:
        - The status of the challenge. It is V(pending) unless an earlier run has posted the challenge to the CA.
      type: str
      sample: pending
    token:
      description:
        - The part of the token that comes over HTTPS. It is worth nothing without the part that comes by mail.
      type: str
      sample: x6I65YvEk6xC4KV0QMvdJw
    from:
      description:
        - The address that the challenge mail comes from.
      type: str
      sample: acme-challenge@ca.example.com
    opened:
      description:
        - When the authorization was opened, by the CA's clock. Empty where it was not fetched yet.
      type: str
      sample: "2026-11-22T09:30:00+00:00"
    retry_at:
      description:
        - The earliest time of the next request, as the CA says it (ISO 8601, UTC). Empty where it did not say.
      type: str
      sample: ""
    account_uri:
      description:
        - The URL of the account that ordered.
      type: str
      sample: https://acme.example.com/acct/7
    account_thumbprint:
      description:
        - The thumbprint (RFC 7638) of the account key. M(mailcert.acme.smime_email_challenge) answers with no other
          account's key.
      type: str
      sample: NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs
  sample:
    - address: anna@example.com
      authorization_uri: https://acme.example.com/authz/43
      status: pending
      fetched: true
      uri: https://acme.example.com/chall/44
      challenge_status: pending
      token: x6I65YvEk6xC4KV0QMvdJw
      from: acme-challenge@ca.example.com
      opened: "2026-11-22T09:30:00+00:00"
      retry_at: ""
      account_uri: https://acme.example.com/acct/7
      account_thumbprint: NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs
certificate_path:
  description:
    - The path of the certificate.
  returned: success
  type: str
  sample: /etc/smime/dual/cert.pem
fingerprint:
  description:
    - The SHA-256 fingerprint of the certificate, in hex. Empty where there is no certificate yet.
  returned: success
  type: str
  sample: c1d2e3f4a5b6c7d8e9f00112233445566778899aabbccddeeff0011223344556
serial_number:
  description:
    - The serial number of the certificate, in hex. Empty where there is no certificate yet.
  returned: success
  type: str
  sample: 4fd1c0a27e9b
not_before:
  description:
    - When the certificate begins to be valid, in UTC. Empty where there is no certificate yet.
  returned: success
  type: str
  sample: "2026-11-22T09:00:00+00:00"
not_after:
  description:
    - When the certificate ends to be valid, in UTC. Empty where there is no certificate yet.
  returned: success
  type: str
  sample: "2027-11-22T09:00:00+00:00"
chain:
  description:
    - The chain that was downloaded by this task.
  returned: success
  type: dict
  contains:
    alternate:
      description:
        - Whether it is another one than the CA's default.
      type: bool
      sample: true
    criterion:
      description:
        - Which entry of O(select_chain) it meets, counted from V(1). V(0) where there is none.
      type: int
      sample: 1
    issuer:
      description:
        - Who signed the last certificate of the chain. Empty where nothing was downloaded.
      type: str
      sample: CN=Example S/MIME Root 2,O=Example,C=XX
  sample:
    alternate: true
    criterion: 1
    issuer: CN=Example S/MIME Root 2,O=Example,C=XX
honored:
  description:
    - Whether the CA honored the options that it may ignore, O(profile), O(not_before), O(not_after) and
      O(select_chain),
      where they were set when the order was made.
    - There is a warning for each that was not honored. Empty where no certificate was issued by this task.
  returned: success
  type: list
  elements: dict
  contains:
    option:
      description:
        - The option.
      type: str
      sample: not_after
    requested:
      description:
        - The value that was requested.
      type: str
      sample: "2026-12-22T09:00:00Z"
    received:
      description:
        - The value that the certificate, the order or the chain has. Empty where the CA said nothing.
      type: str
      sample: "2027-02-20T09:00:00Z"
    honored:
      description:
        - Whether the value is as requested. Dates may differ by one hour.
      type: bool
      sample: false
  sample: []
abandoned:
  description:
    - Orders that this task abandoned, since they could not lead to the certificate that is wanted. Their open
      authorizations
      are deactivated where the CA allows it.
  returned: success
  type: list
  elements: dict
  contains:
    order_uri:
      description:
        - The URL of the order.
      type: str
      sample: https://acme.example.com/order/41
    reason:
      description:
        - V(invalid), V(expired), or V(gone) where the CA does not know it any more.
        - V(stale) where its challenge is older than 24 hours, V(authorization_lost) where one of its authorizations
          cannot become valid any more.
        - V(other_request) where it was for other options, V(other_dates) where its dates are not those requested,
          V(other_key) where its certificate is for another key.
      type: str
      sample: expired
    deactivated:
      description:
        - The URLs of the authorizations that are deactivated now.
      type: list
      elements: str
      sample: []
  sample: []
lint_warnings:
  description:
    - What is not as it should be with a certificate that was issued by this task, but does not make it useless.
      Sentences.
  returned: success
  type: list
  elements: str
  sample: []
would_exist:
  description:
    - In check mode, whether the certificate would be ordered in a run outside check mode.
  returned: success
  type: bool
  sample: false
error_code:
  description:
    - What went wrong, as a stable word. The page on error codes lists them all.
  returned: failure
  type: str
  sample: order_invalid
stage:
  description:
    - Where on the way to the certificate it went wrong.
  returned: failure
  type: str
  sample: order
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
    type: urn:ietf:params:acme:error:rejectedIdentifier
    detail: This CA does not issue for example.com.
    status: 400
details:
  description:
    - Further facts of this error code. Empty for most of them.
  returned: failure
  type: dict
  sample: {}
"""

from ansible_collections.mailcert.acme.plugins.module_utils._runner import run_as_module
from ansible_collections.mailcert.acme.plugins.module_utils._tasks import smime_order


def main() -> None:
    run_as_module(smime_order.TASK)


if __name__ == "__main__":
    main()
