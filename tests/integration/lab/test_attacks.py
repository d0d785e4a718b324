# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Words of strangers on their way into results, the summary and the store: they are shown, and nothing else.

One run, three mailboxes: a forged mail, a problem document of the CA and a refusal of the submission server each bring
a template that makes a file when Ansible fills it in, and the colours of a terminal; the server repeats our login too.
"""

from __future__ import annotations

import base64
import email.utils

import pytest
from ansible_collections.mailcert.acme.tests.helpers.lab_fleet import failures, fleet_of, results

FORGED, PROBLEM, REFUSED = (f"user{number:04d}" for number in (1, 2, 3))
LOGIN = base64.b64encode(b"\0user0003@lab.test\0pw-0003").decode()
RED = "\x1b[31m"


class Attacked:
    """The run, and what was told of each mailbox."""

    def __init__(self, lab, folder):
        lab.reset()
        lab.behaviour(from_unique=False)
        self.made = folder / "made-by-a-template"
        words = f"{{{{ lookup('ansible.builtin.pipe', 'touch {self.made}') }}}}"
        lab.faults(resource="mail", kind="lose", times=-1, match=FORGED)
        lab.faults(resource="newOrder", kind="problem", times=-1, match=PROBLEM, status=403, text=words + RED)
        refusal = f"cannot read {LOGIN} {words} {RED}"
        lab.faults(resource="smtp_rcpt", kind="refuse", times=-1, match=REFUSED, code=550, text=refusal)
        lab.mail(
            f"{FORGED}@lab.test",
            f"Date: {email.utils.formatdate()}\r\nFrom: acme@ca.test\r\nTo: {FORGED}@lab.test\r\n"
            f"Message-ID: <forged@ca.test>\r\nAuto-Submitted: auto-generated\r\n"
            f"Subject: ACME: {words}\r\n\r\nA challenge.\r\n",
            sign={"domain": "ca.test"},
        )
        self.fleet = fleet_of(lab, folder, 3)
        self.run = self.fleet.run("-v", "-e", "smime_deadline=5")
        self.failed = {name.partition(".")[0]: failure for name, failure in failures(self.run).items()}
        self.replies, self.violations = lab.replies(), lab.violations()


@pytest.fixture(scope="module")
def attacked(lab_process, tmp_path_factory):
    return Attacked(lab_process, tmp_path_factory.mktemp("attacked"))


def test_each_fails_for_its_own_reason(attacked):
    codes = {name: failure["error_code"] for name, failure in attacked.failed.items()}
    wanted = {FORGED: "challenge_missing", PROBLEM: "acme_problem", REFUSED: "reply_refused"}
    assert codes == wanted, attacked.run.output
    assert attacked.replies == [] and attacked.violations == []


def test_template_of_a_stranger_is_shown_and_not_filled_in(attacked):
    for failure in attacked.failed.values():
        assert "lookup(" in failure["msg"], failure
    assert not attacked.made.exists()


def test_stranger_cannot_paint_the_terminal(attacked):
    assert "\x1b" not in attacked.run.output
    assert all(failure["msg"].isprintable() for failure in attacked.failed.values())


def test_login_that_the_server_repeats_is_neither_shown_nor_kept(attacked):
    assert LOGIN not in attacked.run.output and "********" in attacked.failed[REFUSED]["msg"]
    kept = [path for path in attacked.fleet.store.rglob("*") if path.is_file()]
    assert [path for path in kept if path.parent.name == f"{REFUSED}%40lab.test"]
    assert not [path for path in kept if LOGIN.encode() in path.read_bytes()]


def test_refused_mail_is_told_as_plain_text(attacked):
    (refusal,) = results(attacked.run, "details")[f"{FORGED}.lab.test"]["details"]["refused"]
    assert refusal["reason"] == "not_a_challenge"
    assert refusal["detail"].isascii() and refusal["detail"].isprintable() and "lookup(" in refusal["detail"]
