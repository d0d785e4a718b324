# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One challenge open at a time for a CA and an address (docs/rules.md, rule 6)."""

from __future__ import annotations

import datetime
import multiprocessing
import os
import pathlib
import typing as t

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._errors import JournalError
from ansible_collections.mailcert.acme.plugins.module_utils._store.state.challenge_turns import ChallengeTurns, Turn

CA = "https://ca.test/directory"
NOW = datetime.datetime(2026, 11, 24, 9, 0, tzinfo=datetime.timezone.utc)
ONE = ["https://ca.test/authz/1", "https://ca.test/authz/2"]
TWO = ["https://ca.test/authz/3"]


class Place:
    """The turns of an address, with a clock and a list of runs that have ended."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.now = NOW
        self.gone: set[str] = set()

    def take(self, urls: t.Sequence[str], run_id: str, directory: str = CA, **how: t.Any) -> Turn | None:
        return self.turns(directory).take(urls, run_id=run_id, seconds=600, **how)

    def turns(self, directory: str = CA) -> ChallengeTurns:
        return ChallengeTurns(self.folder, directory, now=lambda: self.now, is_gone=self.gone.__contains__)


@pytest.fixture
def place(tmp_path: pathlib.Path) -> Place:
    return Place(tmp_path / "replies")


def taken(turn: Turn | None) -> Turn:
    assert turn is not None
    return turn


def test_second_order_waits_until_the_first_is_final(place):
    first = taken(place.take(ONE, "a"))
    assert place.take(TWO, "b") is None
    # another order of the same run waits as well
    assert place.take(TWO, "a") is None
    place.turns().close(first)
    second = taken(place.take(TWO, "b"))
    assert second.displaced == ()


@pytest.mark.parametrize("ended", [True, False])
def test_order_that_was_given_up_keeps_nobody_from_his_turn(place, ended):
    taken(place.take(ONE, "a"))
    place.turns().abandoned([*ONE[:1], "https://ca.test/authz/of-nobody"], ended=ended)
    second = taken(place.take(TWO, "b"))
    assert second.displaced == (() if ended else tuple(ONE)), "what was not ended is ended by whoever is next"
    # another order's turn is not touched
    place.turns().abandoned(ONE, ended=True)
    assert place.take(ONE, "a") is None


def test_giving_up_without_a_turn_makes_none(place):
    place.turns().abandoned(ONE, ended=True)
    assert not place.folder.exists()


def test_other_ca_has_turns_of_its_own(place):
    assert place.take(ONE, "a") and place.take(TWO, "b", "https://other.test/directory")


def test_order_keeps_the_moment_when_it_was_opened(place):
    first = taken(place.take(ONE, "a"))
    place.turns().release(first)
    place.now += datetime.timedelta(hours=2)
    assert taken(place.take(ONE[:1], "b")).opened == NOW


def test_order_that_rests_gives_way_and_is_to_be_ended(place):
    place.turns().release(taken(place.take(ONE, "a")))
    place.now += datetime.timedelta(minutes=5)
    second = taken(place.take(TWO, "b"))
    assert (second.displaced, second.opened) == (tuple(ONE), place.now)
    # stopped before it ended them: the next run is told again
    assert taken(place.take(TWO, "c")).displaced == tuple(ONE)
    place.turns().ended(taken(place.take(TWO, "c")))
    assert taken(place.take(TWO, "c")).displaced == ()


def test_who_must_not_displace_leaves_an_open_order_alone(place):
    place.turns().release(taken(place.take(ONE, "a")))
    assert place.take(TWO, "b", displace=False) is None
    assert taken(place.take(ONE, "b", displace=False)).opened == NOW
    place.turns().close(taken(place.take(ONE, "b")))
    assert place.take(TWO, "b", displace=False)


@pytest.mark.parametrize("how", ["gone", "late"])
def test_run_that_ended_without_a_word_gives_way(place, how):
    place.take(ONE, "a")
    if how == "gone":
        place.gone.add("a")
    else:
        place.now += datetime.timedelta(seconds=601)
    assert taken(place.take(TWO, "b")).displaced == tuple(ONE)


def test_what_is_older_than_a_challenge_lives_need_not_be_ended(place):
    place.turns().release(taken(place.take(ONE, "a")))
    place.now += datetime.timedelta(hours=24)
    assert taken(place.take(TWO, "b")).displaced == ()


@pytest.mark.parametrize("step", ["release", "close", "ended"])
def test_turn_that_was_lost_is_not_touched_any_more(place, step):
    late = taken(place.take(ONE, "a"))
    place.gone.add("a")
    place.take(TWO, "b")
    getattr(place.turns(), step)(late)
    assert place.take(ONE, "a") is None
    assert taken(place.take(TWO, "b")).displaced == tuple(ONE)


def rest_for_a_person(place: Place, urls: t.Sequence[str], owner: str = "sign") -> Turn:
    turn = taken(place.take(urls, "a", owner=owner))
    place.turns().release(turn, awaits=True)
    return turn


def test_order_that_waits_for_a_person_gives_way_to_no_other_certificate(place):
    rest_for_a_person(place, ONE)
    place.now += datetime.timedelta(hours=23)
    assert place.take(TWO, "b", owner="encrypt") is None
    assert place.take(TWO, "b") is None
    awaited = place.turns().awaited()
    assert awaited is not None and (awaited.owner, awaited.opened) == ("sign", NOW)


def test_it_gives_way_once_it_cannot_be_answered_any_more(place):
    rest_for_a_person(place, ONE)
    place.now += datetime.timedelta(hours=24)
    assert place.turns().awaited() is None
    assert taken(place.take(TWO, "b", owner="encrypt")).displaced == ()


def test_it_goes_on_in_any_run_and_is_kept_when_that_is_killed(place):
    rest_for_a_person(place, ONE)
    # smime_email_challenge does not know the certificate
    again = taken(place.take(ONE, "b"))
    assert (again.owner, again.awaits, again.opened) == ("sign", True, NOW)
    # while it is worked on, others wait for how that ends
    assert place.turns().awaited() is None
    place.gone.add("b")
    assert place.turns().awaited() is not None
    assert place.take(TWO, "c", owner="encrypt") is None
    third = taken(place.take(ONE, "c"))
    place.turns().close(third)
    assert place.turns().awaited() is None and place.take(TWO, "d", owner="encrypt")


def test_new_order_of_its_own_certificate_takes_its_place_at_once(place):
    rest_for_a_person(place, ONE)
    anew = taken(place.take(TWO, "b", owner="sign", displace=False))
    assert (anew.displaced, anew.awaits, anew.opened) == (tuple(ONE), False, place.now)


def test_order_that_is_over_waits_for_nobody(place):
    rest_for_a_person(place, ONE)
    place.turns().release(taken(place.take(ONE, "b")), awaits=False)
    assert place.turns().awaited() is None
    assert taken(place.take(TWO, "c", owner="encrypt")).displaced == tuple(ONE)


@pytest.mark.parametrize("awaits", [True, False])
def test_turn_that_was_noted_by_a_clock_that_was_wrong_holds_nobody(place, awaits):
    place.now = NOW + datetime.timedelta(days=365)
    turn = taken(place.take(ONE, "a", owner="sign"))
    if awaits:
        place.turns().release(turn, awaits=True)
    place.now = NOW
    assert place.turns().awaited() is None
    assert taken(place.take(TWO, "b", owner="encrypt")).displaced == tuple(ONE), "it is ended all the same"


def test_nobody_else_can_read_it(place):
    place.take(ONE, "a")
    modes = {path.stat().st_mode & 0o777 for path in (place.folder / "turns").iterdir()}
    assert modes == {0o600} and (place.folder / "turns").stat().st_mode & 0o777 == 0o700


def test_damaged_file_is_told(place):
    place.take(ONE, "a")
    (path,) = (place.folder / "turns").glob("*.json")
    path.write_bytes(b"{")
    with pytest.raises(
        JournalError, match="The record of the open challenge .* is damaged .* remove it when no run is under way"
    ):
        place.take(ONE, "a")


def _race(folder: str, number: int, results: t.Any) -> None:
    turn = ChallengeTurns(folder, CA).take([f"https://ca.test/authz/{number}"], run_id=f"run-{number}", seconds=600)
    results.put((number, turn is not None))


def test_of_several_processes_exactly_one_gets_it(tmp_path):
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    racers = [context.Process(target=_race, args=(os.fspath(tmp_path), number, results)) for number in range(8)]
    for racer in racers:
        racer.start()
    got = [results.get(timeout=30) for _racer in racers]
    for racer in racers:
        racer.join()
    assert sum(won for _number, won in got) == 1
