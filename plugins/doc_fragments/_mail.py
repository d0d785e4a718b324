# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation fragment: mail servers and logins; C(mail_options) in module_utils/_tasks/_mailboxes.py."""

from __future__ import annotations


class ModuleDocFragment:
    """Options of what reads and sends mail."""

    DOCUMENTATION = r"""
requirements:
  - dkimpy >= 1.1
  - dnspython >= 2.3
  - imapclient >= 3.0
  - PyNaCl >= 1.5
options:
  imap_host:
    description:
      - The IMAP server that has the mailbox.
      - It must be set here or in O(mailboxes[].imap_host) for each address whose challenge is open.
    type: str
  imap_port:
    description:
      - The port of the IMAP server.
      - Without it V(993) for O(imap_encryption=tls), else V(143).
    type: int
  imap_encryption:
    description:
      - How the connection to the IMAP server is protected.
      - V(tls) is TLS from the start.
      - V(starttls) begins in plain text and turns to TLS before the login. A server that does not offer it is an error.
      - V(none) is plain text. It is refused, except to the loopback interface and with O(allow_plaintext=true).
    type: str
    choices:
      - tls
      - starttls
      - none
    default: tls
  imap_user:
    description:
      - The login at the IMAP server.
      - Without it the address itself.
    type: str
  imap_password:
    description:
      - The password of the login at the IMAP server.
      - It must be set here or in O(mailboxes[].imap_password) for each address whose challenge is open.
    type: str
  imap_folders:
    description:
      - The folders in which the challenge mail is looked for.
      - The first one is watched for new mail where the server supports C(IDLE). All of them are searched periodically.
    type: list
    elements: str
    default:
      - INBOX
  smtp_host:
    description:
      - The SMTP submission server that takes the reply.
      - Without it the IMAP server of the same address.
    type: str
  smtp_port:
    description:
      - The port of the submission server.
      - Without it V(587) for O(smtp_encryption=starttls), V(465) for O(smtp_encryption=tls), else V(25).
    type: int
  smtp_encryption:
    description:
      - How the connection to the submission server is protected. See O(imap_encryption).
    type: str
    choices:
      - tls
      - starttls
      - none
    default: starttls
  smtp_user:
    description:
      - The login at the submission server.
      - Without it the login at the IMAP server.
    type: str
  smtp_password:
    description:
      - The password of the login at the submission server.
      - Without it the password of the login at the IMAP server.
    type: str
  mailboxes:
    description:
      - What is different for single addresses, for a certificate that holds several.
      - What an entry leaves out is taken from the options of the same name.
    type: list
    elements: dict
    default: []
    suboptions:
      address:
        description:
          - The address that the entry is for.
        type: str
        required: true
      imap_host:
        description:
          - The IMAP server that has this mailbox.
        type: str
      imap_port:
        description:
          - The port of the IMAP server.
        type: int
      imap_encryption:
        description:
          - How the connection to the IMAP server is protected.
        type: str
        choices:
          - tls
          - starttls
          - none
      imap_user:
        description:
          - The login at the IMAP server.
        type: str
      imap_password:
        description:
          - The password of the login at the IMAP server.
        type: str
      imap_folders:
        description:
          - The folders in which the challenge mail is looked for.
        type: list
        elements: str
      smtp_host:
        description:
          - The submission server that takes the reply.
        type: str
      smtp_port:
        description:
          - The port of the submission server.
        type: int
      smtp_encryption:
        description:
          - How the connection to the submission server is protected.
        type: str
        choices:
          - tls
          - starttls
          - none
      smtp_user:
        description:
          - The login at the submission server.
        type: str
      smtp_password:
        description:
          - The password of the login at the submission server.
        type: str
  mail_validate_certs:
    description:
      - Whether the TLS certificates of the mail servers must verify.
      - V(false) is for tests only. Whoever sits between you and the servers then learns the passwords.
    type: bool
    default: true
  mail_ca_path:
    description:
      - Absolute path of the roots that the mail servers' TLS certificates are verified against, a PEM file or a folder with hashed names.
      - Without it the roots of the system are used.
    type: path
  mail_timeout:
    description:
      - How many seconds a mail server has for each answer.
    type: int
    default: 30
  allow_plaintext:
    description:
      - Whether O(imap_encryption=none) and O(smtp_encryption=none) are allowed to servers outside the loopback interface.
    type: bool
    default: false
"""
