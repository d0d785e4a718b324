# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of an order besides its addresses: profile, notBefore, notAfter, replaces (RFC 8555, section 7.4).

The journal has the first three. An order with other values is not resumed. The certificate is compared with the values
at the time of the order, not with those of the options now.
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

#: how far a date may differ from the requested one: CAs round, and use earlier dates for clocks that are slow
TOLERANCE = datetime.timedelta(hours=1)


class AsGiven(t.NamedTuple):
    """The options as the user wrote them; with a relative time, the request of the next day is the same."""

    profile: str = ""
    not_before: str = ""
    not_after: str = ""


@dataclass(frozen=True)
class NewOrder:
    """The requested values; empty or ``None`` where the CA chooses.

    :ivar not_before: :ivar not_after: aware.
    :ivar as_given: the options as the user wrote them.
    :ivar replaces: identifier of the certificate that this one replaces (RFC 9773, section 4.1); not in the journal.
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
        """The values of the options at this moment.

        :raises InputError: a time is invalid, is over, or is before the begin of the validity.
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
        """The values that a journal has; ``None`` if it has none."""
        given = fields.get("as_given")
        if not isinstance(given, list) or len(given) != 3 or not all(isinstance(part, str) for part in given):
            return None
        begin, end = (parse_rfc3339_or_none(fields.get(name)) for name in ("not_before", "not_after"))
        return cls(given[0], begin, end, AsGiven(*given))

    def to_journal(self) -> dict[str, t.Any]:
        """The inverse of :meth:`from_journal`."""
        begin, end = (format_rfc3339(when) if when else "" for when in (self.not_before, self.not_after))
        return {"as_given": list(self.as_given), "not_before": begin, "not_after": end}

    def other_profile(self, order: Order) -> str:
        """The other profile of an order, in words that continue "which is"; empty if it has no other profile.

        An order that names no profile is accepted: many CAs have no profiles, or use one without naming it.
        """
        if self.profile and order.profile and order.profile != self.profile:
            return f"for the profile {one_line(order.profile, limit=100)} instead of {self.profile}"
        return ""

    def other_dates(self, order: Order) -> str:
        """The other dates of an order, as :meth:`other_profile`."""
        for name, wanted, found in (
            ("notBefore", self.not_before, order.not_before),
            ("notAfter", self.not_after, order.not_after),
        ):
            if wanted is not None and found is not None and not near(wanted, found):
                return f"for {name} {format_rfc3339(found)} instead of {format_rfc3339(wanted)}"
        return ""


def moment(text: str | None, *, option: str, now: datetime.datetime) -> datetime.datetime | None:
    """The time that an option names: ``+30d`` from now, ``20271231235959Z`` or RFC 3339; ``None`` without one.

    :raises InputError: it has another form.
    """
    if not text:
        return None
    try:
        return parse_moment(text, now=now)
    except ValueError:
        raise InputError(
            f"{option} is {text!r}; give a time such as 2027-12-31T23:59:59Z or 20271231235959Z, or a time from now"
            " such as +30d."
        ) from None


def near(one: datetime.datetime, other: datetime.datetime) -> bool:
    """Whether two dates differ by no more than the tolerance."""
    return abs(one - other) <= TOLERANCE
