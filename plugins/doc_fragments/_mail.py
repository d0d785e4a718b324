# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation fragment: mail servers and logins. Its spec is MailOptions in _tasks/mailbox/options.py."""

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
  mail_access:
    description:
      - Where the challenge mail is read, or who reads it.
      - V(imap) is the mailbox at the IMAP server.
      - V(maildir) is a Maildir on the host where the task runs, and V(files) a folder there into which a delivery agent
        drops each
        mail as a file. Both are at O(mail_path). The mail is proved as one from a server is.
      - V(by_hand) is a person. No mail server is contacted, and the options of mail servers and of the proof do not
        count. The module
        says what to look for, makes the text of the reply, and continues after the person says that it was sent.
      - By hand nothing of the mail can be proved. The module says what the person must check instead.
      - M(mailcert.acme.smime_mail_check) has nothing to check with V(by_hand), and refuses it.
    type: str
    choices:
      - imap
      - maildir
      - files
      - by_hand
    default: imap
  mail_path:
    description:
      - Absolute path of the Maildir, or of the folder with files, for O(mail_access=maildir) and O(mail_access=files).
      - Of a Maildir the folders O(imap_folders) are read, each in C(new) and C(cur). Names are those of Maildir++.
      - In a folder with files the module ignores names that begin with a dot or end in C(.tmp), C(.part), C(.lock) or
        C(~), and
        files that were written within the last two seconds.
      - Symbolic links are not followed, and only regular files are read.
    type: path
  imap_host:
    description:
      - The IMAP server that has the mailbox.
      - Without it, here and in O(mailboxes[].imap_host), it is looked for in DNS by the domain of the address. First
        come the SRV records of
        RFC 6186 and RFC 8314, which have port and encryption too, then C(imap) and C(mail) in the domain.
      - Only a host inside the domain or inside one of O(provider_domains) is used, and only with
        O(mail_validate_certs=true).
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
      - Required with O(mail_access=imap) and O(imap_auth=password), here or in O(mailboxes[].imap_password), for each
        address whose
        challenge is open.
    type: str
  imap_folders:
    description:
      - The folders in which the challenge mail is looked for, each by its name.
      - An entry such as V(\\Junk) names a special use instead (RFC 6154), and means the folder that the server has for
        it,
        whatever its name is. Where the server does not list special uses, the usual names are looked for.
      - There are V(\\All), V(\\Archive), V(\\Drafts), V(\\Flagged), V(\\Important), V(\\Junk), V(\\Sent) and
        V(\\Trash).
      - It is an error if there is no folder of a name, but not if there is none for a special use.
      - The first one is watched for new mail where the server supports C(IDLE). All of them are searched periodically.
    type: list
    elements: str
    default:
      - INBOX
      - \Junk
  smtp_host:
    description:
      - The SMTP submission server that takes the reply.
      - Without it O(imap_host). Without both it is looked for in DNS as that is, in the end as C(smtp) and C(mail) in
        the domain.
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
  imap_auth:
    description:
      - How to log in at the IMAP server.
      - V(password) uses O(imap_password).
      - V(xoauth2) and V(oauthbearer) use an OAuth 2 access token, which is O(imap_token) or is fetched by
        O(oauth_grant). Exchange Online and Google know V(xoauth2). V(oauthbearer) is the standard (RFC 7628).
      - V(external) uses the client certificate O(mail_client_cert_path), from which the server takes the user (SASL
        EXTERNAL).
        Neither O(imap_user) nor a password is sent then.
    type: str
    choices:
      - password
      - xoauth2
      - oauthbearer
      - external
    default: password
  imap_authzid:
    description:
      - The user to act for at the IMAP server, where O(imap_user) is another one that may do so (the SASL
        authorization identity), for example a master user of Dovecot.
      - A password then needs a server with SASL PLAIN. V(xoauth2) has no such identity.
      - Such a login is sent only to hosts that are configured, never to those that DNS names.
      - Dovecot also takes both names in O(imap_user), as V(user*master), and needs no O(imap_authzid) then.
    type: str
  imap_token:
    description:
      - An OAuth 2 access token for the IMAP server, with O(imap_auth=xoauth2) or O(imap_auth=oauthbearer).
      - It must be good for as long as the task takes. O(oauth_grant) has one fetched when it is needed.
    type: str
  smtp_auth:
    description:
      - How to log in at the submission server. See O(imap_auth).
      - Where neither this nor O(smtp_password) nor O(smtp_token) is set, the login is that of IMAP, with its token or
        password and O(imap_authzid).
    type: str
    choices:
      - password
      - xoauth2
      - oauthbearer
      - external
  smtp_authzid:
    description:
      - The user to act for at the submission server. See O(imap_authzid).
      - An empty text is none, where O(imap_authzid) is set and the submission server does not take it.
    type: str
  smtp_token:
    description:
      - An OAuth 2 access token for the submission server. See O(imap_token).
    type: str
  oauth_grant:
    description:
      - How an access token is fetched, where O(imap_token) or O(smtp_token) is not set.
      - V(refresh_token) and V(client_credentials) are those of RFC 6749.
      - V(google_service_account) is a service account of Google that acts for O(oauth_subject) by domain-wide
        delegation. It needs the Python library google-auth.
      - V(microsoft_app) is an application of Microsoft Entra that acts with its own rights (IMAP.AccessAsApp,
        SMTP.SendAsApp). It needs the Python library msal.
      - The token is fetched once for the task, and once more when a server does not take it any more. IMAP and SMTP
        share it.
    type: str
    choices:
      - refresh_token
      - client_credentials
      - google_service_account
      - microsoft_app
  oauth_token_url:
    description:
      - The URL of the token endpoint, for V(refresh_token) and V(client_credentials).
      - For V(microsoft_app) the sign-in service in front of the tenant. Without it
        V(https://login.microsoftonline.com). Set it for national clouds.
      - It must be HTTPS with a certificate that verifies, whatever O(mail_validate_certs) says. V(http) works to the
        loopback interface only, with O(allow_plaintext=true). Redirects are not followed.
    type: str
  oauth_client_id:
    description:
      - The identifier of the client or the application at the token endpoint.
    type: str
  oauth_client_secret:
    description:
      - The secret of the client.
    type: str
  oauth_refresh_token:
    description:
      - The refresh token, for O(oauth_grant=refresh_token).
      - Where the token endpoint gives a new one in its place, the task warns that it cannot keep it. Use
        O(oauth_refresh_token_path) then.
    type: str
  oauth_refresh_token_path:
    description:
      - Absolute path of a file that holds the refresh token, alone on one line.
      - Where the token endpoint gives a new one in its place, the file is replaced, with mode V(0600). Mailboxes that
        share the file wait for each other for as long as that takes.
    type: path
  oauth_scope:
    description:
      - What the access token is for, with spaces between several.
      - Without it V(https://mail.google.com/) for V(google_service_account),
        V(https://outlook.office365.com/.default) for V(microsoft_app), else what the token endpoint gives by itself.
    type: str
  oauth_tenant:
    description:
      - The tenant of V(microsoft_app), as the directory's ID or one of its domains.
    type: str
  oauth_service_account_path:
    description:
      - Absolute path of the JSON key file of the service account, for V(google_service_account). The token goes to
        the V(token_uri) in it.
    type: path
  oauth_service_account_content:
    description:
      - The key file of the service account as text. Older versions of ansible-core make a dictionary of JSON from a
        lookup, which is refused; use O(oauth_service_account_path) there.
    type: str
  oauth_subject:
    description:
      - The user that the service account of V(google_service_account) acts for.
      - Without it the address.
    type: str
  mail_client_cert_path:
    description:
      - Absolute path of a PEM file with the client certificate that is shown to the mail servers, followed by those
        between it and its root.
      - With V(external) in O(imap_auth) or O(smtp_auth) it is the login. Else it is shown to servers that request one
        in addition to the password or the token.
      - It is shown only to hosts that are configured, never to those that DNS names, and never without TLS.
    type: path
  mail_client_key_path:
    description:
      - Absolute path of the PEM file with the private key of O(mail_client_cert_path).
      - Without it the key must be in O(mail_client_cert_path).
    type: path
  mail_client_key_passphrase:
    description:
      - The passphrase of the private key of O(mail_client_cert_path).
    type: str
  dkim_domain:
    description:
      - The domain for which O(dkim_privatekey_path) signs. It must be that of the address, which it is without this.
      - With an empty text in O(mailboxes[].dkim_domain) the server of that address signs.
    type: str
  dkim_selector:
    description:
      - The selector of O(dkim_privatekey_path). The public key is in DNS below it, as
        C(<selector>._domainkey.<domain>).
    type: str
  dkim_privatekey_path:
    description:
      - Absolute path of a private key in PEM, RSA or Ed25519, with which the collection signs replies with DKIM itself.
        Set it where the submission server does not sign.
      - A signature of RFC 8823, section 3.2 (9) is made. A reply that is sent again bears the same one.
      - The key is compared with its record in DNS before the mail is waited for. Nothing is sent where it does not fit.
    type: path
  dkim_privatekey_content:
    description:
      - The private key of O(dkim_privatekey_path) as text.
    type: str
  dkim_privatekey_passphrase:
    description:
      - The passphrase of the private key.
    type: str
  mailboxes:
    description:
      - What is different for single addresses, for a certificate that holds several.
      - Options that an entry does not have are taken from the options of the same name.
    type: list
    elements: dict
    default: []
    suboptions:
      address:
        description:
          - The address that the entry is for.
        type: str
        required: true
      mail_path:
        description:
          - As O(mail_path), for this address.
        type: path
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
          - The folders in which the challenge mail is looked for, by name or special use.
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
      imap_auth:
        description:
          - How to log in at the IMAP server.
        type: str
        choices:
          - password
          - xoauth2
          - oauthbearer
          - external
      imap_authzid:
        description:
          - The user to act for at the IMAP server.
        type: str
      imap_token:
        description:
          - An access token for the IMAP server.
        type: str
      smtp_auth:
        description:
          - How to log in at the submission server.
        type: str
        choices:
          - password
          - xoauth2
          - oauthbearer
          - external
      smtp_authzid:
        description:
          - The user to act for at the submission server.
        type: str
      smtp_token:
        description:
          - An access token for the submission server.
        type: str
      oauth_grant:
        description:
          - How an access token is fetched.
        type: str
        choices:
          - refresh_token
          - client_credentials
          - google_service_account
          - microsoft_app
      oauth_token_url:
        description:
          - The URL of the token endpoint.
        type: str
      oauth_client_id:
        description:
          - The identifier of the client.
        type: str
      oauth_client_secret:
        description:
          - The secret of the client.
        type: str
      oauth_refresh_token:
        description:
          - The refresh token.
        type: str
      oauth_refresh_token_path:
        description:
          - Absolute path of the file with the refresh token.
        type: path
      oauth_scope:
        description:
          - What the access token is for.
        type: str
      oauth_tenant:
        description:
          - The tenant of Microsoft Entra.
        type: str
      oauth_service_account_path:
        description:
          - Absolute path of the key file of the service account.
        type: path
      oauth_service_account_content:
        description:
          - The key file of the service account as text.
        type: str
      oauth_subject:
        description:
          - The user that the service account acts for.
        type: str
      mail_client_cert_path:
        description:
          - Absolute path of the client certificate.
        type: path
      mail_client_key_path:
        description:
          - Absolute path of the private key of the client certificate.
        type: path
      mail_client_key_passphrase:
        description:
          - The passphrase of that private key.
        type: str
      dkim_domain:
        description:
          - The domain that signs replies of the address. With an empty text the server of the address signs.
        type: str
      dkim_selector:
        description:
          - The selector of the DKIM key.
        type: str
      dkim_privatekey_path:
        description:
          - Absolute path of the private key that signs replies.
        type: path
      dkim_privatekey_content:
        description:
          - The private key that signs replies as text.
        type: str
      dkim_privatekey_passphrase:
        description:
          - The passphrase of that DKIM key.
        type: str
  smtp_transport:
    description:
      - How replies are sent.
      - V(smtp) submits them to O(smtp_host).
      - V(sendmail) gives them to the command O(sendmail_path) on the host where the module runs. The options of the
        submission server are not used then. That host must be one that may send mail for the domains of the addresses,
        and
        its mail must be signed with DKIM.
    type: str
    choices:
      - smtp
      - sendmail
    default: smtp
  sendmail_path:
    description:
      - Absolute path of the command that takes the replies with O(smtp_transport=sendmail).
      - It is run with the sender after C(-f) and with the recipient, and gets the mail on its standard input.
    type: path
    default: /usr/sbin/sendmail
  provider_domains:
    description:
      - Domains, in addition to that of the address, in which a mail server may be that only DNS names, such as that of
        a mail provider.
    type: list
    elements: str
    default: []
  mail_validate_certs:
    description:
      - Whether the TLS certificates of the mail servers must verify.
      - V(false) is for tests only. Whoever sits between you and the servers then learns the passwords.
    type: bool
    default: true
  mail_ca_path:
    description:
      - Absolute path of the roots that the mail servers' TLS certificates are verified against, a PEM file or a folder
        with hashed names.
      - Without it the roots of the system are used.
    type: path
  mail_timeout:
    description:
      - How many seconds to wait for each answer of a mail server.
    type: int
    default: 30
  oauth_ca_path:
    description:
      - Absolute path of the roots that the token endpoint's TLS certificate is verified against, a PEM file or a
        folder with hashed names.
      - Without it those of the environment (C(REQUESTS_CA_BUNDLE), C(SSL_CERT_FILE)) or of the Python library
        requests. O(mail_ca_path) does not count here, for the mail server and the token endpoint are often run by
        different people.
    type: path
  allow_plaintext:
    description:
      - Whether O(imap_encryption=none) and O(smtp_encryption=none) are allowed to servers outside the loopback
        interface.
    type: bool
    default: false
"""
