# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An order and the change of the account's key keep each other out; whoever is killed keeps no one out (rule 29)."""

from __future__ import annotations

import contextlib
import os
import signal

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs import locks
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.account import lock
from ansible_collections.mailcert.acme.tests.helpers.lab_fleet import wait_until
from ansible_collections.mailcert.acme.tests.helpers.one_mailbox import OneMailbox


@pytest.fixture
def mailbox(lab, tmp_path):
    found = OneMailbox(lab.endpoints, tmp_path, lab.mailboxes[0])
    found.prepare()
    return found


@contextlib.contextmanager
def at_work(mailbox, **options):
    """A task of the mailbox in a process of its own, once it has the account's lock; killed in the end."""
    module = options.pop("module")
    pid = os.fork()
    if pid == 0:
        try:
            mailbox.try_to(module, **options)
        finally:
            os._exit(0)
    try:
        wait_until(lambda: is_held(mailbox), "the task")
        yield
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def is_held(mailbox):
    path = mailbox.folder / lock.LOCK
    try:
        with locks.lock(path, timeout=0):
            return False
    except locks.BusyError:
        return True


def test_key_stays_while_a_challenge_is_answered_and_changes_once_that_was_killed(lab, mailbox):
    lab.behaviour(mail_delay=600)
    ordered = mailbox.order()
    key = (mailbox.folder / "account.key").read_bytes()
    changing = {"state": "changed_key", "force": True}
    with at_work(mailbox, module="smime_email_challenge", challenges=ordered["challenges"], deadline=300):
        seen = len(lab.log("http"))
        busy = mailbox.try_to("smime_account", **changing, deadline=1)
        assert busy["failed"] and (busy["error_code"], busy["retryable"]) == ("busy", True)
        assert (
            busy["msg"].startswith("Runs that order with the account key in ")
            and "at work for 1 seconds" in busy["msg"]
        )
        assert not [event for event in lab.log("http")[seen:] if event["resource"] == "keyChange"]
        assert (mailbox.folder / "account.key").read_bytes() == key
        assert not list(mailbox.folder.glob("account.key?*"))
        # what only looks for the account is not kept out, nor is another order
        assert not mailbox.run("smime_account")["changed"]
        assert mailbox.order()["order_uri"] == ordered["order_uri"]
        check = mailbox.try_to("smime_account", check_mode=True, **changing, deadline=1)
        assert check["changed"]
    assert mailbox.run("smime_account", **changing)["changed"]
    assert (mailbox.folder / "account.key").read_bytes() != key
    assert {violation["kind"] for violation in lab.violations()} == {"key_change_open"}
    lab.reset()


def test_nothing_is_ordered_or_sent_while_the_key_changes(lab, mailbox):
    ordered = mailbox.order()
    seen = len(lab.log("http"))
    journal = mailbox.journal()
    with locks.lock(mailbox.folder / lock.LOCK, timeout=0):
        for module, own in (
            ("smime_order", {"state": "requested"}),
            ("smime_email_challenge", {"challenges": ordered["challenges"]}),
            ("smime_order", {"state": "issued"}),
        ):
            busy = mailbox.try_to(module, **own, deadline=1)
            assert (busy["error_code"], busy["retryable"]) == ("busy", True)
            assert busy["msg"].startswith("Another run was changing the account key in ")
    assert len(lab.log("http")) == seen and lab.replies() == []
    assert mailbox.journal() == journal
    mailbox.answer(ordered)
    # who waited for the change orders with the new key
    assert mailbox.run("smime_account", state="changed_key", force=True)["changed"]
    assert mailbox.fetch()["order_status"] == "valid"


def test_key_in_a_folder_where_no_lock_can_be_had_orders_all_the_same(lab, mailbox):
    """As one of an administrator that the task may read: only the change of the key needs the lock."""
    closed = mailbox.folder / "closed"
    closed.mkdir()
    for name in ("account.key", "account.json"):
        (mailbox.folder / name).rename(closed / name)
    mailbox.options.update(
        account_key_src=str(closed / "account.key"), account_record_path=str(closed / "account.json")
    )
    # what no one may lock, root neither
    (closed / lock.LOCK).mkdir()
    assert mailbox.order()["order_status"] == "pending"
    failed = mailbox.try_to("smime_account", state="changed_key", force=True)
    assert failed["error_code"] == "store_error" and lock.LOCK in failed["msg"]
