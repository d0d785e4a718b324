# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one tree of exceptions of the collection.

Each layer reports an error as a :class:`SmimeError`. The error has the fields that the result of a failed task shows: a
sentence (``msg``), a stable ``error_code``, the ``stage`` of the chain, and whether a later try can succeed
(``retryable``). ``problem`` is the problem document of the CA, unchanged (RFC 8555, section 6.7). The file is longer
than 300 lines, because it has every error of the collection.
"""

from __future__ import annotations

import typing as t


class SmimeError(Exception):
    """Base of all errors of the collection.

    :arg message: one clear sentence for the user; names the option and the remedy where there is one. Never a secret.
    :arg stage: overrides the stage of the class: ``input``, ``store``, ``account``, ``csr``, ``order``, ``challenge``,
        ``reply``, ``authorization``, ``finalize``, ``certificate``, ``pkcs12``, ``revocation`` or ``select``.
    :arg retryable: overrides whether the same task may succeed later with nothing changed by the user.
    :arg problem: the CA's problem document (RFC 7807) as received.
    :arg details: further public facts for the result, JSON-able.
    """

    error_code: str = "error"
    stage: str = "input"
    retryable: bool = False

    def __init__(
        self,
        message: str,
        *,
        stage: str | None = None,
        retryable: bool | None = None,
        problem: dict[str, t.Any] | None = None,
        details: dict[str, t.Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        if stage is not None:
            self.stage = stage
        if retryable is not None:
            self.retryable = retryable
        self.problem: dict[str, t.Any] = dict(problem or {})
        self.details: dict[str, t.Any] = dict(details or {})

    def as_result(self) -> dict[str, t.Any]:
        """The keys that a failed task shows; the same keys for every error."""
        return {
            "msg": self.message,
            "error_code": self.error_code,
            "stage": self.stage,
            "retryable": self.retryable,
            "problem": self.problem,
            "details": self.details,
        }


# --- input ---------------------------------------------------------------------------------------------------------


class InputError(SmimeError):
    """An option has a value that cannot be used."""

    error_code = "invalid_input"


class AddressError(InputError):
    """A text that is no mail address, or an address that this chain cannot certify."""

    error_code = "invalid_address"


class CaChangeError(InputError):
    """A certificate would be reissued by another CA, which was not allowed."""

    error_code = "ca_change"
    stage = "select"


class TooManyChangesError(InputError):
    """Changed variables would reissue more mailboxes than allowed; ``details["mailboxes"]`` has what changed."""

    error_code = "too_many_changes"
    stage = "select"


class MissingLibraryError(InputError):
    """A Python library is not installed; the message names it with the pip line."""

    error_code = "missing_library"


# --- store ---------------------------------------------------------------------------------------------------------


class StoreError(SmimeError):
    """A file or folder cannot be read, written, or is not safe to use."""

    error_code = "store_error"
    stage = "store"


class UnsafePathError(StoreError):
    """A path through which another user could read or replace a file of the store."""

    error_code = "unsafe_path"


class BusyError(StoreError):
    """Another run holds the lease, the lock or the slot."""

    error_code = "busy"
    retryable = True


class JournalError(StoreError):
    """The journal on disk is not the one this step expected (compare-and-swap failed), or is damaged."""

    error_code = "journal_mismatch"


# --- keys, requests, certificates ----------------------------------------------------------------------------------


class PkiError(SmimeError):
    """A key, request, certificate or PKCS#12 cannot be used."""

    error_code = "pki_error"
    stage = "csr"


class KeyLoadError(PkiError):
    """A private key is unreadable, truncated, or of a foreign kind."""

    error_code = "invalid_privatekey"


class PassphraseError(PkiError):
    """A passphrase is wrong, missing, or given where nothing is encrypted."""

    error_code = "wrong_passphrase"


class KeyPolicyError(PkiError):
    """A key type or size outside the S/MIME profile (S/MIME BR 6.1.5)."""

    error_code = "key_policy"


class KeyMismatchError(PkiError):
    """An existing key is of another kind than requested; it is overwritten only where the user asks for that."""

    error_code = "key_mismatch"


class CsrError(PkiError):
    """A certificate request is unreadable, or differs from the desired state."""

    error_code = "invalid_csr"


class CertificateError(PkiError):
    """A certificate is unreadable, or does not match its request."""

    error_code = "invalid_certificate"
    stage = "certificate"


class Pkcs12Error(PkiError):
    """A PKCS#12 file is unreadable or cannot be made."""

    error_code = "invalid_pkcs12"
    stage = "pkcs12"


# --- ACME ----------------------------------------------------------------------------------------------------------


class AcmeError(SmimeError):
    """A request to the CA failed."""

    error_code = "acme_error"
    stage = "order"


class AcmeConnectionError(AcmeError):
    """The CA cannot be reached, or the connection broke."""

    error_code = "acme_unreachable"
    retryable = True


class AcmeTlsError(AcmeError):
    """The CA's TLS certificate does not verify."""

    error_code = "acme_tls"


class NotAcmeError(AcmeError):
    """The server that answered is no ACME server."""

    error_code = "not_acme"


class AcmeProblemError(AcmeError):
    """The CA refused with a problem document (RFC 8555, section 6.7)."""

    error_code = "acme_problem"


class AcmeRateLimitedError(AcmeProblemError):
    """The CA asks for fewer requests (RFC 8555, section 6.6)."""

    error_code = "rate_limited"
    retryable = True


class RateReachedError(SmimeError):
    """The user's limit of orders in a time is reached; the CA was not asked."""

    error_code = "rate_reached"
    stage = "order"
    retryable = True


class AccountError(AcmeProblemError):
    """The CA does not know the account, or it is deactivated."""

    error_code = "account_error"
    stage = "account"


class TermsError(AccountError):
    """The CA requires agreement to its terms of service; ``details["terms_url"]`` is their URL, if the CA gives it."""

    error_code = "terms_not_agreed"


class OpenChallengesError(AccountError):
    """The account key cannot change now, since challenges are open; ``details`` lists them as ``open``."""

    error_code = "challenges_open"
    retryable = True


class OrderError(AcmeError):
    """An order is invalid, or in a state from which it cannot go on."""

    error_code = "order_invalid"


class AuthorizationError(AcmeError):
    """An authorization turned invalid; the message carries the CA's reason."""

    error_code = "authorization_invalid"
    stage = "authorization"


class DeadlineError(SmimeError):
    """A wait reached its deadline."""

    error_code = "deadline"
    stage = "order"
    retryable = True


# --- mail ----------------------------------------------------------------------------------------------------------


class MailError(SmimeError):
    """A request to a mail server failed."""

    error_code = "mail_error"
    stage = "challenge"


class MailConnectionError(MailError):
    """A mail server cannot be reached, or the connection broke."""

    error_code = "mail_unreachable"
    retryable = True


class MailTlsError(MailError):
    """A mail server's TLS certificate does not verify, or STARTTLS is not offered."""

    error_code = "mail_tls"


class LoginError(MailError):
    """A mail server refused the login."""

    error_code = "login_refused"


class TokenError(MailError):
    """There is no access token for the mail login; ``details`` has the token endpoint's ``oauth_error``, if any."""

    error_code = "token_unavailable"


class FolderError(MailError):
    """A mail folder cannot be opened."""

    error_code = "mail_folder"


class ResolverError(MailError):
    """DNS gives no answer at present, so nothing is proved or disproved (RFC 6376, section 6.1.2)."""

    error_code = "dns_unavailable"
    retryable = True


class ServerNotFoundError(MailError):
    """No mail server is configured, and DNS names none that may be used."""

    error_code = "mail_server_unknown"


class MailCheckError(MailError):
    """A mailbox is not ready for an order; ``details`` has the findings."""

    error_code = "mail_check_failed"


class ChallengeMissingError(MailError):
    """No authentic challenge mail came before the deadline; ``details`` lists what was refused and why."""

    error_code = "challenge_missing"
    retryable = True


class SigningError(MailError):
    """The reply cannot be signed with DKIM such that a CA would take it."""

    error_code = "reply_unsigned"
    stage = "reply"


class ReplyRefusedError(MailError):
    """The submission server refused the reply; the message carries its words."""

    error_code = "reply_refused"
    stage = "reply"


class ReplyUnknownError(MailError):
    """It is not known whether the reply was sent; it is never sent again."""

    error_code = "reply_unknown"
    stage = "reply"
    retryable = True
