# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a CA made of the options that it may ignore: each is in the result, and a warning where it was not honored."""

from __future__ import annotations

import datetime
import types
import typing as t

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._acme.order import Order
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.order import honored
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.order.chain import NO_CHAIN, Chosen
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.order.new_order import NewOrder

NOW = datetime.datetime(2026, 11, 22, 9, 0, tzinfo=datetime.timezone.utc)
MONTH = datetime.timedelta(days=30)
HOUR = datetime.timedelta(hours=1)


def compare(
    asked: NewOrder, *, profile: str = "", chosen: Chosen = NO_CHAIN
) -> tuple[list[honored.Honored], list[str]]:
    """The entries and the warnings, for a certificate of a month."""
    context = Context()
    certificate = t.cast(t.Any, types.SimpleNamespace(not_before=NOW, not_after=NOW + MONTH, issuer="CN=Issuer"))
    order = Order("https://ca.test/o", "valid", (), (), "https://ca.test/f", profile=profile)
    return honored.compare(asked, order, certificate, chosen, context), context.warnings


def test_nothing_was_asked() -> None:
    assert compare(NewOrder(), profile="any") == ([], [])


@pytest.mark.parametrize(
    "asked, profile, result",
    [
        (NewOrder(profile="short"), "short", {"option": "profile", "requested": "short", "received": "short"}),
        (
            NewOrder(not_before=NOW - HOUR),
            "",
            {"option": "not_before", "requested": "2026-11-22T08:00:00Z", "received": "2026-11-22T09:00:00Z"},
        ),
        (
            NewOrder(not_after=NOW + MONTH),
            "",
            {"option": "not_after", "requested": "2026-12-22T09:00:00Z", "received": "2026-12-22T09:00:00Z"},
        ),
    ],
)
def test_honored(asked: NewOrder, profile: str, result: dict[str, t.Any]) -> None:
    (entry,), warnings = compare(asked, profile=profile)
    assert entry.to_result() == {**result, "honored": True}
    assert warnings == []


@pytest.mark.parametrize(
    "asked, profile, sentence",
    [
        (
            NewOrder(profile="short"),
            "long",
            "The CA did not honor profile: short was requested, and its order names the profile long.",
        ),
        (
            NewOrder(profile="short"),
            "",
            "The CA did not honor profile: short was requested, and its order names no profile.",
        ),
        (
            NewOrder(not_after=NOW + 2 * MONTH),
            "",
            "The CA did not honor not_after: 2027-01-21T09:00:00Z was requested, and the certificate has"
            " 2026-12-22T09:00:00Z.",
        ),
    ],
)
def test_not_honored(asked: NewOrder, profile: str, sentence: str) -> None:
    (entry,), warnings = compare(asked, profile=profile)
    assert not entry.honored and entry.to_result()["honored"] is False
    assert warnings == [sentence]


def test_chain_that_meets_a_criterion() -> None:
    (entry,), warnings = compare(NewOrder(), chosen=Chosen(b"", True, criterion=2, wanted=2, issuer="CN=Root"))
    assert entry == honored.Honored("select_chain", "one of 2 criteria", "CN=Root", True)
    assert warnings == []


def test_no_chain_meets_a_criterion() -> None:
    (entry,), warnings = compare(NewOrder(), chosen=Chosen(b"", wanted=1))
    assert entry == honored.Honored("select_chain", "one of 1 criteria", "CN=Issuer", False)
    assert warnings == [
        "No chain that the CA offers meets select_chain; its default is used, which ends below CN=Issuer."
    ]
