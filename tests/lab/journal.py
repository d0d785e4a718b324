# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What happened (events) and what a client did wrong (violations)."""

from __future__ import annotations

import collections
import time
import typing as t

#: every kind of violation and what it means; a kind that is not listed here is a bug of the lab
KINDS: dict[str, str] = {
    # transport, RFC 8555 section 6
    "content_type": "a POST without Content-Type application/jose+json (6.2)",
    "user_agent": "a request without User-Agent (6.1)",
    "authorization": "a request with HTTP authentication, as .netrc would cause (docs/rules.md, rule 4)",
    "method": "GET of a resource that wants POST-as-GET (6.3)",
    "jws": "a JWS that is malformed: members, protected header, unprotected header, detached payload (6.2)",
    "base64url": "padding or foreign characters in base64url (6.1)",
    "key_reference": "kid where jwk is due, or the other way round, or both (6.2)",
    "algorithm": "a signature algorithm that ACME forbids or the server does not take (6.2)",
    "public_key": "an account key outside the policy (6.2)",
    "signature": "a signature that does not verify (6.2)",
    "url": "the url of the protected header is not the URL of the request (6.4)",
    "nonce_reused": "a nonce was used twice (6.5)",
    "nonce_unknown": "a nonce that this server never gave (6.5)",
    "payload": "a payload that is no JSON object, or a POST-as-GET with a payload (6.3)",
    "unknown_resource": "a request for a URL that the server never gave",
    "other_account": "an object of another account was asked for",
    "retry_after": "a resource was asked for again before its Retry-After had passed",
    # accounts
    "account_key_reused": "an account key that is a certificate's, or a former account key (11.1, rule 29)",
    "key_change": "a keyChange request that breaks 7.3.5",
    "account_closed": "a new account was asked for with the key of one that is deactivated (7.3.6)",
    "key_change_open": "the key was changed while a challenge was open, whose reply is void then (rule 29)",
    "binding": "an external account binding that breaks 7.3.4",
    # orders
    "identifier": "an identifier in newOrder that is malformed, of a wrong type, or there twice",
    "replaces_not_advertised": "replaces in newOrder although renewalInfo is not in the directory (RFC 9773, 5)",
    "finalize_not_ready": "finalize of an order that was not ready (7.4)",
    "challenge_posted_twice": "a second POST of a challenge (docs/rules.md, rule 12)",
    "csr_malformed": "a CSR that cannot be read or whose self-signature is wrong",
    "csr_identifiers": "SAN, CN or emailAddress of the CSR differ from the order (RFC 8823, 3 (8))",
    "csr_key_usage": "the key usage of the CSR fits neither its purpose nor its key (RFC 8823, 3.3)",
    "csr_key_policy": "the key of the CSR is outside the S/MIME profile",
    "csr_account_key": "the key of the CSR is an account key (RFC 8555, 11.1)",
    "csr_key_shared": "the key of the CSR was used for another mailbox (docs/rules.md, rule 1)",
    "revocation_reason": "a revocation reason that a subscriber may not give, or 0 spelled out (rule 28)",
    # renewal information
    "ari_early": "renewal information was asked for again before Retry-After (RFC 9773, 4.3)",
    "ari_after_end": "renewal information of an expired or replaced certificate was asked for (RFC 9773, 4.3)",
    # the reply, RFC 8823 section 3.2
    "reply_unexpected": "a mail to the CA that answers no challenge",
    "reply_twice": "a second reply to one challenge mail",
    "reply_late": "a reply later than 24 hours (S/MIME BR 3.2.2.4)",
    "reply_headers": "a header field is missing, there twice, or encoded or folded where it must not be",
    "reply_from": "From is not the identifier",
    "reply_envelope": "the envelope sender is not From",
    "reply_to": "To is neither Reply-To nor From of the challenge mail",
    "reply_subject": "the Subject is not the one of the challenge mail with a reply prefix",
    "reply_in_reply_to": "In-Reply-To or References do not name the challenge mail",
    "reply_list": "a List-* field",
    "reply_media_type": "neither text/plain nor multipart/alternative with text/plain, or not 7bit",
    "reply_line_ends": "bare CR or LF",
    "reply_digest": "no block, a wrong digest, or a digest over several lines",
    "reply_dkim": "no DKIM signature of From's domain that covers what 3.2 (9) asks for",
    # mail servers
    "imap_plain_login": "a login over IMAP without TLS was tried",
    "imap_bare_expunge": "docs/rules.md, rule 14: never a bare EXPUNGE",
    "sasl_after_error": "an error of XOAUTH2 is answered by an empty line, of OAUTHBEARER by 0x01 (RFC 7628, 3.2.3)",
    "smtp_plain_login": "a login over SMTP without TLS was tried",
    "smtp_sender": "a sender address that the login may not use",
}


class Journal:
    """Events and violations of one lab, newest last; both bounded so that a long bench cannot fill the memory."""

    def __init__(self, *, limit: int = 200000) -> None:
        self.events: collections.deque[dict[str, t.Any]] = collections.deque(maxlen=limit)
        self.violations: list[dict[str, t.Any]] = []
        self.counts: collections.Counter[str] = collections.Counter()

    def event(self, kind: str, **facts: t.Any) -> None:
        self.counts[kind] += 1
        self.events.append({"time": time.time(), "kind": kind, **facts})

    def violation(self, kind: str, message: str, **facts: t.Any) -> None:
        if kind not in KINDS:
            raise AssertionError(f"unknown kind of violation {kind!r}")
        self.counts["violation"] += 1
        self.violations.append({"time": time.time(), "kind": kind, "message": message, **facts})
