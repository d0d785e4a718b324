# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a mail is not answered.

RFC 8823, section 3.1: a challenge mail that fails validation is ignored, and the failure is logged. So each refusal
has a stable reason for programs, and a sentence for people.
"""

from __future__ import annotations

import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._errors import MailError

# Every reason there is, and what it means
REASONS: t.Mapping[str, str] = {
    "malformed": "the header block can be read in more than one way",
    "too_large": "the message, a header or a line is larger than a challenge can be",
    "unreadable": "the user of the task may not read a file that may be the mail",
    "header_duplicated": "a header that may occur once occurs twice",
    "header_missing": "a header that a challenge must have is missing",
    "address_syntax": "From, To or Reply-To is not one plain address",
    "from_mismatch": "From is not the address that the CA named in the challenge",
    "recipient_mismatch": "To is not the address that is to be certified",
    "is_reply": "the subject begins with a reply or forward prefix",
    "not_a_challenge": "the subject is not 'ACME: ' and a token",
    "token_invalid": "token-part1 is no base64url of at least 128 bits",
    "auto_submitted_missing": "there is no Auto-Submitted header",
    "auto_submitted_value": "Auto-Submitted is not auto-generated",
    "message_id_invalid": "the Message-ID is invalid",
    "date_invalid": "the date is invalid, or is in the future",
    "stale": "the mail is too old to be this challenge",
    "older": "the mail is from before the order, and a newer one came",
    "answered": "the mail was answered for an earlier order",
    "reply_to_uncovered": "Reply-To is not covered by the signature",
    "dkim_missing": "there is no DKIM signature",
    "dkim_domain": "no DKIM signature is by the domain of From",
    "dkim_syntax": "a DKIM signature cannot be read",
    "dkim_algorithm": "a DKIM signature uses an algorithm that is refused",
    "dkim_body_length": "a DKIM signature covers only a part of the body",
    "dkim_expired": "a DKIM signature has expired",
    "dkim_partial": "a header that counts is not covered by the DKIM signature",
    "dkim_key": "the DKIM key record is missing, revoked or unusable",
    "dkim_testing": "the DKIM key is a test key",
    "dkim_weak_key": "the DKIM key is too short",
    "dkim_broken": "a DKIM signature does not verify",
    "gateway_missing": "there is no Authentication-Results of the gateway where it writes them",
    "gateway_received": "the topmost Received is by none of the gateway's hosts",
    "gateway_syntax": "the gateway's Authentication-Results cannot be read",
    "gateway_failed": "the gateway does not say that a DKIM signature passed",
    "gateway_domain": "no DKIM signature that passed the gateway is by the domain of From",
    "gateway_signature": "the DKIM signature that the gateway names is not in the mail",
    "smime_missing": "the mail is not signed by S/MIME",
    "smime_syntax": "an S/MIME signature cannot be read",
    "smime_algorithm": "an S/MIME signature uses an algorithm or a key that is refused",
    "smime_broken": "an S/MIME signature does not verify",
    "smime_chain": "the certificate of the S/MIME signer does not chain to a root that is trusted",
    "smime_usage": "the certificate of the S/MIME signer is not for signing mail",
    "smime_address": "the certificate of the S/MIME signer is not for the address of From",
    "smime_unprotected": "a header that counts is not protected by the S/MIME signature",
    "smime_mismatch": "a header is not the one that was signed by S/MIME",
}


class Refusal(MailError):
    """A mail that is not an authentic challenge; it gets no reply.

    :arg reason: one of :data:`REASONS`.
    :arg sentence: what was found, for the log; text from the mail is in it through :func:`~_text.quote` only.
    """

    error_code = "challenge_refused"

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(sentence, details={"reason": reason})
        self.reason = reason
