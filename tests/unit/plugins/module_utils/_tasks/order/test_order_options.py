# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of smime_order: each is checked before anything is read or asked."""

from __future__ import annotations

import datetime
import typing as t

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._errors import AddressError, InputError
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.order.options import OrderFiles, OrderOptions

NOW = datetime.datetime(2026, 11, 22, 9, 0, tzinfo=datetime.timezone.utc)


def parse(**params: t.Any) -> OrderOptions:
    """Of a task that sets only what is required and these."""
    required = {
        "acme_directory": "https://ca.test/directory",
        "addresses": ["User@LAB.test"],
        "certificate_path": "/store/cert.pem",
        "journal_path": "/store/journal.json",
        "state": "requested",
    }
    defaults = {name: option.get("default") for name, option in OrderOptions.spec().items()}
    return OrderOptions.parse({**defaults, **required, **params}, NOW)


def test_least_that_a_task_sets() -> None:
    given = parse()
    assert given.paths == OrderFiles(certificate="/store/cert.pem", journal="/store/journal.json")
    assert given.certificate.addresses == ("User@lab.test",)
    assert (given.criteria, given.run_id, given.lease_duration, given.would_exist) == ((), None, 3600, False)
    assert (given.new_order.profile, given.new_order.not_after, given.new_order.replaces) == ("", None, "")


@pytest.mark.parametrize("option", sorted(OrderFiles.spec()))
def test_each_path_reaches_its_own_field(option: str) -> None:
    paths = parse(**{option: "/elsewhere"}).paths
    name = option[: -len("_path")]
    others = {"certificate": "/store/cert.pem", "journal": "/store/journal.json"}
    assert paths == OrderFiles(**{**others, name: "/elsewhere"})


@pytest.mark.parametrize("option", [*sorted(OrderFiles.spec()), "csr_path"])
def test_relative_path_is_refused(option: str) -> None:
    with pytest.raises(InputError, match=f"^{option} must be an absolute path, not 'x.pem'"):
        parse(**{option: "x.pem"})


@pytest.mark.parametrize(
    "params, error, sentence",
    [
        ({"addresses": []}, AddressError, "addresses is empty"),
        ({"select_chain": [{"test_certificates": "all"}]}, InputError, "select_chain"),
        ({"not_after": "tomorrow"}, InputError, "not_after is 'tomorrow'"),
        ({"not_before": "+2d", "not_after": "+1d"}, InputError, "which is not later than not_before"),
        ({"deadline": 0}, InputError, "deadline is 0"),
        ({"run_interval": 0}, InputError, "run_interval"),
        ({"mode": "rw"}, InputError, "mode must be octal"),
    ],
)
def test_option_that_cannot_be_used_is_named(params: dict[str, t.Any], error: type[Exception], sentence: str) -> None:
    with pytest.raises(error, match=sentence):
        parse(**params)


def test_criteria_keep_their_order() -> None:
    wanted = [
        {"test_certificates": "last", "issuer": {"CN": "One"}},
        {"test_certificates": "all", "subject": {"CN": "Two"}},
    ]
    first, second = parse(select_chain=wanted).criteria
    assert (first.tested, first.issuer, second.subject) == ("last", (("2.5.4.3", "One"),), (("2.5.4.3", "Two"),))
