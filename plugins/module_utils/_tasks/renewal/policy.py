# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a certificate is due, by its dates, the rules of the user, and renewal information (RFC 9773)."""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError
from ansible_collections.mailcert.acme.plugins.module_utils._pki import certificate as pki_certificate
from ansible_collections.mailcert.acme.plugins.module_utils._pki import renewal
from ansible_collections.mailcert.acme.plugins.module_utils._store.state.renewal_info import Renewal

#: The options that are whole numbers: the least value of each, and its unit.
LEAST = {"remaining_days": (0, "days"), "spread_days": (0, "days"), "run_interval": (1, "hours")}


class RenewalOptions:
    """The options that make a :class:`renewal.RenewalPolicy`: documentation fragment ``renewal``."""

    @staticmethod
    def spec() -> dict[str, t.Any]:
        """The part of the argument spec. ``spread_days`` is in days, ``run_interval`` in hours."""
        return {
            "remaining_days": {"type": "int"},
            "remaining_percentage": {"type": "float"},
            "force": {"type": "bool", "default": False},
            "spread_days": {"type": "int"},
            "run_interval": {"type": "int"},
        }

    @staticmethod
    def parse(params: t.Mapping[str, t.Any]) -> renewal.RenewalPolicy:
        """The rules. An absent option, or ``None``, is no rule; neither is a spread of 0 days.

        :raises InputError: a number outside its range; names the option.
        """
        spread, interval = params.get("spread_days"), params.get("run_interval")
        for name, value in (("spread_days", spread), ("run_interval", interval)):
            least, _unit = LEAST[name]
            if value is not None and not least <= value <= renewal.MAX_DAYS:
                raise InputError(f"{name} is a whole number from {least} to {renewal.MAX_DAYS}.")
        return renewal.RenewalPolicy(
            remaining_days=params.get("remaining_days"),
            remaining_fraction=params.get("remaining_percentage"),
            force=bool(params.get("force")),
            spread=datetime.timedelta(days=spread) if spread else None,
            run_interval=None if interval is None else datetime.timedelta(hours=interval),
        )


def decide(
    certificate: pki_certificate.Certificate,
    rules: renewal.RenewalPolicy,
    now: datetime.datetime,
    *,
    address: str = "",
    known: Renewal | None = None,
    changed: bool = False,
    asks: bool = False,
) -> renewal.Decision:
    """The decision for one certificate.

    :arg address: the primary address, which determines the place within the spread.
    :arg known: the renewal information for this certificate, if there is some.
    :arg changed: whether the desired state has changed since the order of the certificate.
    :arg asks: whether the CA is asked for renewal information.
    """
    facts = renewal.Facts(
        not_before=certificate.not_before,
        not_after=certificate.not_after,
        ari_time=known.moment if known else None,
        next_look=known.next_look if known else None,
        place=renewal.place_of(address, certificate.serial) if rules.spread else 0.0,
    )
    return rules.decide(facts, now, changed=changed, asks=asks)


def detail(decision: renewal.Decision, certificate: pki_certificate.Certificate, known: Renewal | None) -> str:
    """The decision for people."""
    if not decision.due:
        return f"renewal from {decision.renew_at:%Y-%m-%d}"
    until = f"valid until {certificate.not_after:%Y-%m-%d}"
    if decision.reason != "renewal_information" or known is None or known.start is None or known.end is None:
        return until
    why = f", see {known.explanation_url}" if known.explanation_url else ""
    window = f"{known.start:%Y-%m-%d %H:%M} and {known.end:%Y-%m-%d %H:%M} UTC"
    return f"{until}; the CA wants it renewed between {window}{why}"
