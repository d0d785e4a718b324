# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a certificate of the store is due: its dates, the rules that are wished, and what the CA said (RFC 9773)."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError
from ansible_collections.mailcert.acme.plugins.module_utils._pki import certificate as pki_certificate
from ansible_collections.mailcert.acme.plugins.module_utils._pki import renewal
from ansible_collections.mailcert.acme.plugins.module_utils._store.state.renewal_info import Renewal


@dataclasses.dataclass(frozen=True)
class RenewalOptions:
    """When a certificate is due: documentation fragment ``renewal``. ``spread_days`` in days, ``run_interval`` in hours; None: no such rule."""

    remaining_days: int | None = None
    remaining_percentage: float | None = None
    force: bool = False
    spread_days: int | None = None
    run_interval: int | None = None

    @staticmethod
    def spec() -> dict[str, t.Any]:
        """The part of the argument spec."""
        return {
            "remaining_days": {"type": "int"},
            "remaining_percentage": {"type": "float"},
            "force": {"type": "bool", "default": False},
            "spread_days": {"type": "int"},
            "run_interval": {"type": "int"},
        }

    @classmethod
    def parse(cls, params: t.Mapping[str, t.Any]) -> RenewalOptions:
        """The group.

        :raises InputError: a number that is none; names the option.
        """
        for name, least in (("spread_days", 0), ("run_interval", 1)):
            value = params[name]
            if value is not None and not least <= value <= renewal.MAX_DAYS:
                raise InputError(f"{name} is a whole number from {least} to {renewal.MAX_DAYS}.")
        return cls(**{field.name: params[field.name] for field in dataclasses.fields(cls)})


def decide(
    certificate: pki_certificate.Certificate,
    rules: RenewalOptions,
    now: datetime.datetime,
    *,
    address: str = "",
    known: Renewal | None = None,
    changed: bool = False,
    asks: bool = False,
) -> renewal.Decision:
    """The decision for one certificate.

    :arg address: the primary address, which places it within the spread.
    :arg known: what the CA said of this certificate, where it did.
    :arg changed: whether the wish is another one than the certificate was ordered with.
    :arg asks: whether the CA is asked for renewal information at all.
    """
    spread = rules.spread_days
    return renewal.decide(
        not_before=certificate.not_before,
        not_after=certificate.not_after,
        now=now,
        remaining_days=rules.remaining_days,
        remaining_percentage=rules.remaining_percentage,
        force=rules.force,
        ari_time=known.moment if known else None,
        run_interval=None if rules.run_interval is None else datetime.timedelta(hours=rules.run_interval),
        spread=datetime.timedelta(days=spread) if spread else None,
        place=renewal.place_of(address, certificate.serial) if spread else 0.0,
        changed=changed,
        asks=asks,
        next_look=known.next_look if known else None,
    )


def detail(decision: renewal.Decision, certificate: pki_certificate.Certificate, known: Renewal | None) -> str:
    """The decision for people."""
    if not decision.due:
        return f"renewal from {decision.renew_at:%Y-%m-%d}"
    until = f"valid until {certificate.not_after:%Y-%m-%d}"
    if decision.reason != "renewal_information" or known is None or known.start is None or known.end is None:
        return until
    why = f", see {known.explanation_url}" if known.explanation_url else ""
    return f"{until}; the CA wants it renewed between {known.start:%Y-%m-%d %H:%M} and {known.end:%Y-%m-%d %H:%M} UTC{why}"
