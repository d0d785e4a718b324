# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong by accident: each fault hits one resource or service a number of times.

A fault is ``{"resource": ..., "kind": ..., ...}``; see RESOURCES and KINDS for what fits where.
"""

from __future__ import annotations

import dataclasses
import random
import typing as t

ACME_RESOURCES = (
    "directory", "newNonce", "newAccount", "newOrder", "account", "orders", "order", "authorization", "challenge",
    "finalize", "certificate", "revokeCert", "keyChange", "renewalInfo",
)
#: stands for each of them: a CA that is in trouble as a whole
ANY_ACME = "acme"
_PLAIN = ("directory", "newNonce", "renewalInfo")
_ACME_KINDS = (
    "drop", "status", "rateLimited", "badNonce", "problem", "html", "garbage", "truncate", "hang", "redirect",
)
#: kinds of fault by resource
KINDS: dict[str, tuple[str, ...]] = {
    **{name: _ACME_KINDS for name in (*ACME_RESOURCES, ANY_ACME)},
    # at submission: refuse is a reply with ``code``, drop cuts the connection
    "smtp_connect": ("refuse", "drop", "hang"),
    "smtp_auth": ("refuse", "drop"),
    "smtp_mail": ("refuse", "drop"),
    "smtp_rcpt": ("refuse", "drop"),
    "smtp_data_start": ("refuse", "drop"),  # at the command DATA
    "smtp_data": ("refuse", "drop", "hang"),  # after the final dot; "after": the CA has the reply
    "imap_connect": ("drop", "hang"),
    "imap_login": ("refuse", "drop"),
    "imap_command": ("drop",),  # ``match`` is sought in the command line
    "imap_idle": ("drop",),  # ``seconds`` after the client began to wait
    "dns": ("servfail", "timeout", "nxdomain", "slow"),
    "mail": ("lose", "bounce"),
    "reply": ("lose", "delay"),
}


@dataclasses.dataclass
class Fault:
    """One fault.

    ``when`` is ``before`` (the request is not processed) or ``after`` (it is, and the response is lost).
    ``match`` is a text that must occur in the request: path, payload or an address it is about.
    The first ``skip`` hits pass; ``times`` hits follow, -1 for ever, each only with the probability ``chance``.
    """

    resource: str
    kind: str
    when: str = "before"
    times: int = 1
    skip: int = 0
    chance: float = 1.0
    match: str = ""
    status: int = 503
    code: int = 451
    text: str = ""
    type: str = "serverInternal"
    retry_after: float | None = None
    seconds: float = 1.0
    location: str = ""  # of a redirect; a path of the CA's. Without it leads where no honest client asks for anything
    hits: int = 0

    def __post_init__(self) -> None:
        if self.resource not in KINDS:
            raise ValueError(f"There is no resource {self.resource!r} for a fault. Known: {', '.join(KINDS)}.")
        if self.kind not in KINDS[self.resource]:
            raise ValueError(f"A fault of {self.resource} is one of {', '.join(KINDS[self.resource])}.")
        if not 0 <= self.chance <= 1:
            raise ValueError("The option chance of a fault is a number from 0 to 1.")
        if self.when not in ("before", "after"):
            raise ValueError("The option when of a fault is before or after.")


def _concerns(fault: Fault, resource: str) -> bool:
    if fault.resource != ANY_ACME:
        return fault.resource == resource
    # what is fetched without a nonce cannot meet a bad one
    return resource in ACME_RESOURCES and not (fault.kind == "badNonce" and resource in _PLAIN)


class Faults:
    """The faults in force."""

    def __init__(self) -> None:
        self.active: list[Fault] = []
        # the same draws in each lab; which request meets which is up to the order in which they come
        self._random = random.Random(8555)

    def add(self, facts: t.Mapping[str, t.Any]) -> Fault:
        """Raises ValueError with a sentence for what is unknown."""
        known = {field.name for field in dataclasses.fields(Fault)} - {"hits"}
        unknown = set(facts) - known
        if unknown or not {"resource", "kind"} <= set(facts):
            raise ValueError(f"A fault has resource, kind and of {', '.join(sorted(known))}; not {sorted(unknown)}.")
        fault = Fault(**facts)
        self.active.append(fault)
        return fault

    def take(self, resource: str, subject: str | t.Callable[[], str] = "", when: str = "before"
             ) -> Fault | None:
        """The fault that hits now, if any; counts the hit. ``subject`` is what ``match`` is sought in."""
        for fault in self.active:
            if fault.when != when or not _concerns(fault, resource):
                continue
            if fault.match:
                if callable(subject):
                    subject = subject()
                if fault.match not in subject:
                    continue
            if fault.skip > 0:
                fault.skip -= 1
                continue
            if fault.times == 0:
                continue
            if fault.chance < 1 and self._random.random() >= fault.chance:
                continue
            fault.times -= 1 if fault.times > 0 else 0
            fault.hits += 1
            return fault
        return None

    def clear(self) -> None:
        self.active.clear()
