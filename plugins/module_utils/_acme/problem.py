# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Problem documents of the CA (RFC 8555, section 6.7; RFC 7807)."""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass, field

from ansible_collections.mailcert.acme.plugins.module_utils._errors import (
    AccountError,
    AcmeProblemError,
    AcmeRateLimitedError,
    TermsError,
)
from ansible_collections.mailcert.acme.plugins.module_utils._text import escape, one_line

_URNS = ("urn:ietf:params:acme:error:", "urn:acme:error:")
# one for each address of a certificate at most
_SHOWN_SUBPROBLEMS = 100
# octets as the store writes it: enough for a sentence on each address, and small enough for the record of a failure
_MOST_OCTETS = 1 << 15
_MOST_OF_A_TEXT = 2000
# problems that may end without a change by the user
_PASSING = frozenset(("serverInternal", "badNonce", "connection", "dns", "rateLimited"))

# the refused request, in words that continue "The CA refused"
_REFUSED = {
    "account": "the account request",
    "order": "the order",
    "challenge": "the challenge response",
    "authorization": "the request for the authorization",
    "finalize": "to issue the certificate",
    "certificate": "the download of the certificate",
    "revocation": "the revocation",
    "select": "the request for renewal information",
}
_REMEDIES = {
    "externalAccountRequired": "Set external_account_binding to the key that the CA gave you.",
    "accountDoesNotExist": "Create the account with smime_account first, or check acme_directory and the account key.",
    "userActionRequired": "Read the terms and do what the CA says there, then agree: set terms_agreed to true, and"
    " terms_url to the URL of the terms.",
    "invalidContact": "Correct the option contact.",
    "unsupportedContact": "Correct the option contact.",
    "badRevocationReason": "Choose another revocation reason, or remove the option.",
    "invalidProfile": "Choose a profile of the CA's directory, or remove the option profile.",
    "badSignatureAlgorithm": "Use an account key of another type.",
    "badPublicKey": "Use an account key of another type or size.",
}


def _is_number(value: t.Any) -> bool:
    """Whether a JSON value is a number; a bool is an int to isinstance."""
    return isinstance(value, int) and not isinstance(value, bool)


def _bounded(value: dict[str, t.Any]) -> dict[str, t.Any]:
    """The document; of a very large one only the fields of RFC 7807, with each text cut."""
    if len(json.dumps(value, indent=1)) <= _MOST_OCTETS:
        return value
    return {
        name: value[name] if len(value[name]) <= _MOST_OF_A_TEXT else value[name][:_MOST_OF_A_TEXT] + "..."
        for name in ("type", "title", "detail", "instance")
        if isinstance(value.get(name), str)
    }


@dataclass(frozen=True)
class Problem:
    """A problem document, or one of its subproblems. Its texts are as received; ``describe()`` is safe to show.

    ``kind`` is the token of the ACME name space (``badCSR``), or the whole type of another name space.
    """

    type: str = "about:blank"
    title: str = ""
    detail: str = ""
    status: int | None = None
    identifier: str = ""
    instance: str = ""
    subproblems: tuple[Problem, ...] = ()
    raw: dict[str, t.Any] = field(default_factory=dict)

    @classmethod
    def from_json(cls, value: object, *, status: int | None = None, depth: int = 0) -> Problem:
        """Read a problem document; parts of the wrong shape are ignored."""
        if not isinstance(value, dict):
            return cls(status=status)

        value = _bounded(value)

        def text(name: str) -> str:
            return value[name] if isinstance(value.get(name), str) else ""

        identifier = value.get("identifier")
        inner = value.get("subproblems")
        own_status = value.get("status")
        return cls(
            type=text("type") or "about:blank",
            title=text("title"),
            detail=text("detail"),
            status=own_status if status is None and _is_number(own_status) else status,
            identifier=clean_identifier(identifier),
            instance=text("instance"),
            subproblems=(
                tuple(cls.from_json(item, depth=1) for item in inner if isinstance(item, dict))
                if isinstance(inner, list) and depth == 0
                else ()
            ),
            raw=dict(value),
        )

    @property
    def kind(self) -> str:
        for urn in _URNS:
            if self.type.startswith(urn):
                return one_line(self.type[len(urn) :], limit=80)
        return "" if self.type == "about:blank" else one_line(self.type, limit=120)

    def describe(self, *, whole: bool = False) -> str:
        """One line without a full stop: kind, detail, status where that is all there is, and the subproblems.

        The CA's words are unchanged, except that control characters are escaped.

        :arg whole: keep the CA's own full stop.
        """
        words = [part for part in (self.kind, escape((self.detail or self.title).strip())) if part]
        if not words:
            words = [f"HTTP status {self.status}" if self.status else "no reason given"]
        line = ": ".join(words)
        inner = [
            (f"{sub.identifier}: " if sub.identifier else "") + sub.describe(whole=True)
            for sub in self.subproblems[:_SHOWN_SUBPROBLEMS]
        ]
        if len(self.subproblems) > _SHOWN_SUBPROBLEMS:
            inner.append(f"and {len(self.subproblems) - _SHOWN_SUBPROBLEMS} more")
        if inner:
            return f"{line} ({'; '.join(inner)})"
        return line if whole else line.rstrip(".")


def clean_identifier(identifier: object) -> str:
    """The value of an ACME identifier, fit to be shown; empty if it is none."""
    return one_line(identifier.get("value"), limit=320) if isinstance(identifier, dict) else ""


def error_for(
    problem: Problem,
    stage: str,
    *,
    retry_after: float | None = None,
    help_urls: t.Sequence[str] = (),
    terms_urls: t.Sequence[str] = (),
) -> AcmeProblemError:
    """The error of a refusal, ready to be raised.

    :arg stage: of the chain, see :class:`SmimeError`.
    :arg retry_after: seconds of the CA's Retry-After (RFC 8555, section 6.6); for ``details``.
    :arg help_urls: link relation ``help`` of the response.
    :arg terms_urls: link relation ``terms-of-service`` (RFC 8555, section 7.3.3); ``details`` has the first.
    """
    details: dict[str, t.Any] = {}
    kind = problem.kind
    message = f"The CA refused {_REFUSED.get(stage, 'the request')}: {problem.describe()}."
    where = [one_line(url, limit=300) for url in (problem.instance, *help_urls, *terms_urls) if one_line(url)]
    if where:
        message += f" See {' and '.join(dict.fromkeys(where))}."
    if kind in _REMEDIES:
        message += f" {_REMEDIES[kind]}"
    if retry_after is not None:
        details["retry_after"] = retry_after
    cls: type[AcmeProblemError] = AcmeProblemError
    if problem.status == 429 or kind == "rateLimited":
        cls = AcmeRateLimitedError
        message += " Try again later."
    elif kind == "userActionRequired":
        cls = TermsError
        details["terms_url"] = one_line(next(iter(terms_urls), ""), limit=300)
    elif kind == "accountDoesNotExist" or (problem.status == 401 and kind == "unauthorized"):
        # RFC 8555, section 7.3.6: 401 with unauthorized is what a deactivated account gets
        cls = AccountError
    retryable = cls is AcmeRateLimitedError or kind in _PASSING or (problem.status or 0) >= 500
    return cls(message, stage=stage, retryable=retryable, problem=problem.raw, details=details)
