# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The throttle of a CA: what one process meets, all honor, in this run and in later ones."""

from __future__ import annotations

import datetime
import multiprocessing
import os
import pathlib

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._errors import StoreError
from ansible_collections.mailcert.acme.plugins.module_utils._limits import CLOCK_SKEW
from ansible_collections.mailcert.acme.plugins.module_utils._store.backoff import (
    attempts,
    damaged,
    order_rate,
    throttle,
)

NOW = datetime.datetime(2026, 11, 24, 9, 0, tzinfo=datetime.timezone.utc)
PROBLEM = {"type": "urn:ietf:params:acme:error:rateLimited", "detail": "Slow down."}


class Clock:
    def __init__(self):
        self.now = NOW

    def __call__(self):
        return self.now

    def go(self, seconds):
        self.now += datetime.timedelta(seconds=seconds)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def make_throttle(tmp_path, clock):
    """Each one stands for a process of its own."""
    return lambda: throttle.SharedThrottle(str(tmp_path / "ca" / "throttle"), now=clock, random=lambda: 0.5)


def test_without_trouble_there_is_no_file(make_throttle, tmp_path):
    one = make_throttle()
    assert one.blocked("order") is None
    one.succeeded("order")
    assert list(tmp_path.iterdir()) == []


def test_a_rate_limit_holds_all_and_ends(make_throttle, clock):
    one, other = make_throttle(), make_throttle()
    assert other.blocked("finalize") is None
    one.limited(20, "Slow down.", PROBLEM)
    for who in (one, other, make_throttle()):
        held = who.blocked("finalize")
        assert (held.seconds, held.open, held.pause.reason, held.pause.problem) == (20.5, False, "Slow down.", PROBLEM)
    other.limited(5, "too", {})
    assert one.blocked("order").seconds == 20.5, "what ends earlier changes nothing"
    clock.go(20)
    assert one.blocked("order") is other.blocked("order") is None


def test_they_come_back_more_spread_each_time(make_throttle, clock):
    one = make_throttle()
    spread = []
    for _dummy in range(7):
        one.limited(10, "", {})
        one.limited(11, "told by another at the same time", {})
        spread.append(one.blocked("order").seconds - 11)
        clock.go(11)
    assert spread == [0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0]
    clock.go(3600)
    one.limited(10, "", {})
    assert one.blocked("order").seconds == 10.5


def test_a_stage_is_closed_when_one_after_the_other_failed(make_throttle, clock):
    one, other = make_throttle(), make_throttle()
    for number in range(2):
        one.failed("order", f"HTTP status 50{number}", {})
        assert other.blocked("order") is None, "one bad mailbox is no other's"
    other.failed("order", "HTTP status 502", {"detail": "x"})
    held = one.blocked("order")
    assert (held.seconds, held.open, held.pause.reason, held.pause.problem) == (
        45,
        True,
        "HTTP status 502",
        {"detail": "x"},
    )
    assert one.blocked("finalize") is None
    clock.go(45)
    assert one.blocked("order") is None
    other.failed("order", "still", {})
    assert one.blocked("order").seconds == 90
    clock.go(90)
    one.succeeded("order")
    other.failed("order", "again", {})
    assert one.blocked("order") is None, "a success begins the count anew"


def test_a_user_who_wants_it_tried_now_opens_what_is_closed(make_throttle):
    one, other = make_throttle(), make_throttle()
    one.close()
    one.limited(10, "", {})
    for _dummy in range(3):
        one.failed("order", "", {})
    other.close()
    assert not one.blocked("order").open, "the rate limit goes on"


def test_a_stage_is_closed_for_as_long_as_the_ca_says(make_throttle):
    one = make_throttle()
    for _dummy in range(3):
        one.failed("order", "Slow down.", PROBLEM, wait=7200, limited=True)
    held = one.blocked("order")
    assert (held.seconds, held.pause.limited) == (7200, True)


DAMAGED = ["", "{}", "\0\0\0", '{"format": 1, "limit": {"until": "x"}}', '{"format": 1, "stages": {"a": 1}}']


def write(path, text):
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
    os.chmod(path, 0o644)


def kept(folder):
    return sorted(path for path in pathlib.Path(folder).iterdir() if path.name.endswith(".damaged"))


@pytest.mark.parametrize("text", DAMAGED)
def test_a_damaged_file_is_put_aside_told_once_and_stops_nobody(make_throttle, clock, text):
    one = make_throttle()
    one.limited(10, "", {})
    write(one.folder + "/throttle.json", text)
    told = []
    handler = damaged.DamageHandler(told.append)
    finding, other = (throttle.SharedThrottle(one.folder, now=clock, handler=handler) for dummy in range(2))
    assert finding.blocked("order") is None and other.blocked("order") is None
    (aside,) = kept(one.folder)
    assert aside.read_text("ascii") == text and aside.stat().st_mode & 0o777 == 0o600
    (sentence,) = told
    assert f"{one.folder}/throttle.json is damaged" in sentence and str(aside) in sentence
    # it counts again, and what is noted now holds
    other.limited(10, "Slow down.", PROBLEM)
    assert finding.blocked("order").pause.count == 1


def test_a_failure_is_noted_in_place_of_a_damaged_file(make_throttle, clock):
    one = make_throttle()
    one.failed("order", "503", {})
    for text in DAMAGED[:2]:
        write(one.folder + "/throttle.json", text)
        for _dummy in range(3):
            one.failed("order", "503", {})
        assert one.blocked("order").open
    assert sorted(path.read_text("ascii") for path in kept(one.folder)) == DAMAGED[:2], "neither was written over"


def test_in_check_mode_a_damaged_file_stays_and_is_told(make_throttle, clock, tmp_path):
    one = make_throttle()
    one.limited(10, "", {})
    write(one.folder + "/throttle.json", "{}")
    before = sorted(pathlib.Path(one.folder).iterdir())
    told = []
    handler = damaged.DamageHandler(told.append, write=False)
    assert throttle.SharedThrottle(one.folder, now=clock, handler=handler).blocked("order") is None
    write(str(tmp_path / "attempts.json"), "{")
    assert attempts.Attempts.load(str(tmp_path / "attempts.json"), handler) is None
    assert len(told) == 2 and (tmp_path / "attempts.json").read_text("ascii") == "{"
    assert sorted(pathlib.Path(one.folder).iterdir()) == before


def test_a_file_of_a_later_format_is_no_damage(make_throttle, tmp_path):
    one = make_throttle()
    one.limited(10, "", {})
    for path, load in (
        (one.folder + "/throttle.json", lambda path: one.state()),
        (str(tmp_path / "attempts.json"), attempts.Attempts.load),
    ):
        write(path, '{"format": 2}')
        with pytest.raises(StoreError, match="of format 2"):
            load(path)
    assert not kept(one.folder) and not kept(tmp_path)


def _find(folder, barrier, queue):
    told = []
    finding = throttle.SharedThrottle(folder, handler=damaged.DamageHandler(told.append))
    barrier.wait(60)
    for _dummy in range(20):
        finding.blocked("order")
        finding.failed("order", "503", {})
    queue.put(len(told))


def test_of_many_processes_one_puts_a_damaged_file_aside_and_no_note_is_lost(make_throttle):
    one = make_throttle()
    one.failed("order", "503", {})
    write(one.folder + "/throttle.json", "{}")
    queue, barrier = multiprocessing.Queue(), multiprocessing.Barrier(4)
    processes = [multiprocessing.Process(target=_find, args=(one.folder, barrier, queue)) for dummy in range(4)]
    for process in processes:
        process.start()
    told = [queue.get(timeout=60) for dummy in processes]
    for process in processes:
        process.join()
    assert sum(told) == 1 and len(kept(one.folder)) == 1
    assert throttle.SharedThrottle(one.folder).state().stages["order"].count == 80


# --- orders in a time -------------------------------------------------------------------------------------------------


def test_orders_are_counted_in_any_window(tmp_path):
    moment = [1000.0]
    orders = order_rate.OrderCount(str(tmp_path / "throttle"), now=lambda: moment[0])
    assert [orders.take(2, 60) for dummy in range(2)] == [0, 0]
    moment[0] += 20
    assert orders.take(2, 60) == 40
    assert orders.take(3, 60) == 0
    assert orders.take(2, 60) == 40, "with a smaller rate the next to last one counts"
    moment[0] += 40
    assert orders.take(2, 60) == 0 and orders.take(2, 60) == 20


def test_a_clock_that_was_set_back_holds_no_longer_than_the_rate(tmp_path):
    moment = [5000.0]
    orders = order_rate.OrderCount(str(tmp_path / "throttle"), now=lambda: moment[0])
    orders.take(1, 60)
    moment[0] = 1000.0
    assert orders.take(1, 60) == 60


def _take_all(folder, queue):
    orders = order_rate.OrderCount(folder)
    taken = 0
    while not orders.take(50, 3600):
        taken += 1
    queue.put(taken)


def test_the_rate_holds_across_processes(tmp_path):
    queue = multiprocessing.Queue()
    arguments = (str(tmp_path / "throttle"), queue)
    processes = [multiprocessing.Process(target=_take_all, args=arguments) for _number in range(4)]
    for process in processes:
        process.start()
    taken = [queue.get(timeout=60) for dummy in processes]
    for process in processes:
        process.join()
    assert sum(taken) == 50


def test_a_damaged_count_is_no_free_pass(tmp_path):
    (tmp_path / "orders.json").write_text('{"format": 1, "sent": [true]}')
    with pytest.raises(StoreError, match="damaged.*counted again"):
        order_rate.OrderCount(str(tmp_path)).take(1, 60)


# --- attempts --------------------------------------------------------------------------------------------------------


def test_attempts_are_kept_and_forgotten(tmp_path):
    path = str(tmp_path / "line" / "attempts.json")
    assert attempts.Attempts.load(path) is None
    attempts.clear(path)
    later = NOW + datetime.timedelta(minutes=5)
    kept = attempts.Attempts(3, NOW, "https://ca.test/d", "rate_limited", "order", "Slow down.", True, PROBLEM, later)
    kept.save(path)
    found = attempts.Attempts.load(path)
    assert found == kept
    assert found.is_waiting("https://ca.test/d", NOW) and not found.is_waiting("https://ca.test/d", later)
    assert not found.is_waiting("https://other.test/d", NOW), "another CA has not said no"
    attempts.clear(path)
    assert attempts.Attempts.load(path) is None


@pytest.mark.parametrize("text", ["", "{", '{"format": 1, "count": "x"}', '{"format": 1, "count": 1}'])
def test_damaged_attempts_are_put_aside_and_told(tmp_path, text):
    path = str(tmp_path / "attempts.json")
    write(path, text)
    told = []
    assert attempts.Attempts.load(path, damaged.DamageHandler(told.append)) is None
    (aside,) = kept(tmp_path)
    assert aside.read_text("ascii") == text and aside.stat().st_mode & 0o777 == 0o600
    assert len(told) == 1 and path in told[0] and str(aside) in told[0]
    assert attempts.Attempts.load(path, damaged.DamageHandler(told.append)) is None and len(told) == 1


@pytest.mark.parametrize(
    "count, draw, options, seconds",
    [
        (1, 0.0, {}, 150),
        (1, 1.0, {}, 300),
        (2, 1.0, {}, 600),
        (4, 0.5, {}, 1800),
        (50, 1.0, {}, 86400),
        (1, 0.0, {"wait": 3600}, 3600),
        (1, 1.0, {"wait": 3600}, 3660),
        (9, 0.5, {"wait": 40, "asked_only": True}, 42),
    ],
)
def test_the_pause_between_attempts_doubles_is_spread_and_capped(count, draw, options, seconds):
    assert attempts.pause(count, draw, **options).total_seconds() == seconds


def test_what_a_ca_asks_for_counts_for_a_week_at_most(make_throttle):
    one = make_throttle()
    for _dummy in range(3):
        one.failed("order", "Slow down.", PROBLEM, wait=10 * 365 * 86400, limited=True)
    assert one.blocked("order").seconds == 7 * 86400
    assert attempts.pause(1, 0.0, wait=10 * 365 * 86400) == datetime.timedelta(days=7)


def test_what_a_clock_that_was_wrong_noted_holds_nothing(make_throttle, clock, tmp_path):
    one = make_throttle()
    clock.go(400 * 86400)
    one.limited(20, "Slow down.", PROBLEM)
    for _dummy in range(3):
        one.failed("order", "503", {})
    soon = clock() + CLOCK_SKEW
    noted = attempts.Attempts(1, clock(), "https://ca.test/d", "x", "order", "m", True, next_try=soon)
    assert one.blocked("order").open and noted.is_waiting("https://ca.test/d", clock())
    clock.go(-400 * 86400)
    assert one.blocked("order") is None
    assert not noted.is_waiting("https://ca.test/d", clock())
    one.limited(5, "now", {})
    assert one.blocked("finalize").pause.reason == "now", "nor does it hide what is met now"


def test_a_file_that_cannot_be_looked_at_is_told(make_throttle, tmp_path):
    one = make_throttle()
    (tmp_path / "ca").mkdir(mode=0o700)
    (tmp_path / "ca" / "throttle").symlink_to("throttle")
    with pytest.raises(StoreError, match="cannot be looked at"):
        one.blocked("order")


def test_failures_that_cannot_be_forgotten_are_told(tmp_path):
    with pytest.raises(StoreError, match="cannot be removed"):
        attempts.clear(str(tmp_path))
