# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an order asks for beyond its addresses: profile, notBefore, notAfter, replaces (RFC 8555, section 7.4).

The first three are kept in the journal. An order that asked for something else is not resumed, and the certificate is
compared with what was asked when the order was made, not with what the options would mean now.
"""

from __future__ import annotations

import datetime
import typing as t
from dataclasses import dataclass

from ansible_collections.mailcert.acme.plugins.module_utils._acme.order import Order
from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.common.options import Params
from ansible_collections.mailcert.acme.plugins.module_utils._text import one_line
from ansible_collections.mailcert.acme.plugins.module_utils._time import (
    format_rfc3339,
    parse_moment,
    parse_rfc3339_or_none,
)

#: how far a date may be from the one that was asked for: CAs round, and date back for clocks that are slow
TOLERANCE = datetime.timedelta(hours=1)


class AsGiven(t.NamedTuple):
    """The options as the user wrote them: a relative time is the same request on the next day."""

    profile: str = ""
    not_before: str = ""
    not_after: str = ""


@dataclass(frozen=True)
class NewOrder:
    """What is asked for; empty and ``None`` where the CA is to choose.

    :ivar not_before: :ivar not_after: aware.
    :ivar as_given: the same as the user wrote it.
    :ivar replaces: identifier of the certificate that this one follows (RFC 9773, section 4.1); not in the journal.
    """

    profile: str = ""
    not_before: datetime.datetime | None = None
    not_after: datetime.datetime | None = None
    as_given: AsGiven = AsGiven()
    replaces: str = ""

    @staticmethod
    def spec() -> Params:
        """The part of the argument spec."""
        return {
            "profile": {"type": "str"},
            "not_before": {"type": "str"},
            "not_after": {"type": "str"},
            "replaces_cert_id": {"type": "str"},
        }

    @classmethod
    def parse(cls, params: Params, now: datetime.datetime) -> NewOrder:
        """What the options ask for at this moment.

        :raises InputError: for a time that is none, and for a validity that would be over or end before it begins.
        """
        as_given = AsGiven(params["profile"] or "", params["not_before"] or "", params["not_after"] or "")
        begin = moment(as_given.not_before, option="not_before", now=now)
        end = moment(as_given.not_after, option="not_after", now=now)
        if end is not None and end <= max(now, begin or now):
            raise InputError(
                f"not_after is {as_given.not_after!r}, which is not later than"
                f" {'now' if begin is None or begin <= now else 'not_before'}."
            )
        return cls(as_given.profile, begin, end, as_given, params["replaces_cert_id"] or "")

    @classmethod
    def from_journal(cls, fields: t.Mapping[str, t.Any]) -> NewOrder | None:
        """What a journal says was asked; ``None`` where it says nothing."""
        given = fields.get("wish")
        if not isinstance(given, list) or len(given) != 3 or not all(isinstance(part, str) for part in given):
            return None
        begin, end = (parse_rfc3339_or_none(fields.get(name)) for name in ("not_before", "not_after"))
        return cls(given[0], begin, end, AsGiven(*given))

    def to_journal(self) -> dict[str, t.Any]:
        """The inverse of :meth:`from_journal`."""
        begin, end = (format_rfc3339(when) if when else "" for when in (self.not_before, self.not_after))
        return {"wish": list(self.as_given), "not_before": begin, "not_after": end}

    def other_profile(self, order: Order) -> str:
        """Which other profile an order is for, in words that go on from "which is"; empty where it is not.

        An order that names none is no other one: many CAs know no profiles, or use one without a word.
        """
        if self.profile and order.profile and order.profile != self.profile:
            return f"for the profile {one_line(order.profile, limit=100)} instead of {self.profile}"
        return ""

    def other_dates(self, order: Order) -> str:
        """For which other dates an order is, as :meth:`other_profile`."""
        for name, wanted, found in (
            ("notBefore", self.not_before, order.not_before),
            ("notAfter", self.not_after, order.not_after),
        ):
            if wanted is not None and found is not None and not near(wanted, found):
                return f"for {name} {format_rfc3339(found)} instead of {format_rfc3339(wanted)}"
        return ""


def moment(text: str | None, *, option: str, now: datetime.datetime) -> datetime.datetime | None:
    """The moment that an option names: ``+30d`` from now, ``20271231235959Z`` or RFC 3339; ``None`` without one.

    :raises InputError: it is none of these.
    """
    if not text:
        return None
    try:
        return parse_moment(text, now=now)
    except ValueError:
        raise InputError(
            f"{option} is {text!r}; give a time such as 2027-12-31T23:59:59Z or 20271231235959Z, or a distance from now"
            " such as +30d."
        ) from None


def near(one: datetime.datetime, other: datetime.datetime) -> bool:
    """Whether two dates are as good as the same."""
    return abs(one - other) <= TOLERANCE
