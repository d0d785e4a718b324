# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Problem documents (RFC 7807; RFC 8555, section 6.7)."""

from __future__ import annotations

import typing as t

_URN = "urn:ietf:params:acme:error:"
#: HTTP status where it is not 400
_STATUS = {
    "unauthorized": 403,
    "orderNotReady": 403,
    "userActionRequired": 403,
    "externalAccountRequired": 403,
    "rejectedIdentifier": 403,
    "alreadyReplaced": 409,
    "rateLimited": 429,
    "serverInternal": 500,
}


class Problem(Exception):
    """An error that the client gets to see.

    :arg kind: the token after the ACME error namespace.
    :arg violation: the kind of violation to record, if it is the client's breach of a rule.
    :arg extra: further members of the document.
    """

    def __init__(
        self,
        kind: str,
        detail: str,
        *,
        status: int = 0,
        violation: str = "",
        extra: dict[str, t.Any] | None = None,
        headers: dict[str, str] | None = None,
        subproblems: t.Sequence[dict[str, t.Any]] = (),
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.status = status or _STATUS.get(kind, 400)
        self.violation = violation
        self.extra = dict(extra or {})
        self.headers = dict(headers or {})
        if subproblems:
            self.extra["subproblems"] = list(subproblems)

    def document(self) -> dict[str, t.Any]:
        return {"type": _URN + self.kind, "detail": self.detail, "status": self.status, **self.extra}


def subproblem(kind: str, detail: str, address: str) -> dict[str, t.Any]:
    return {"type": _URN + kind, "detail": detail, "identifier": {"type": "email", "value": address}}
