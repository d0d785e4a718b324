# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same playbook on servers that no one here wrote: Dovecot, Postfix, OpenDKIM, and acme2certifier as the CA.

What differs from the lab is variables only. A rig is started once for the file; it needs root, as Postfix does.
"""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import typing as t

import pytest

COLLECTION = pathlib.Path(__file__).resolve().parents[3]
COLLECTIONS = COLLECTION.parents[2]
sys.path[:0] = [str(COLLECTION / "tests" / "rig"), str(COLLECTION / "tests" / "tools")]

import fleet  # noqa: E402
from handle import RigHandle  # noqa: E402

MAILBOXES = 20
# how acme2certifier differs from RFC 8823: docs/interoperability.md says why
ACME2CERTIFIER = {
    # it looks for the reply a few times in two seconds once it is told, and then no more
    "smime_settle_delay": 1,
    "smime_repost": True,
    "smime_ca_parallel": 8,
    # the challenge POST answers only after it has looked
    "smime_acme_request_timeout": 60,
    # every certificate of this CA has the key usage of an RSA key for both purposes
    "smime_privatekey_type": "RSA",
    "smime_privatekey_size": 2048,
}


@pytest.fixture(scope="module")
def rig() -> t.Iterator[dict[str, t.Any]]:
    venv = os.environ.get("MAILCERT_RIG_VENV") or COLLECTIONS.parent / ".venvs" / "rig"
    with RigHandle(venv=venv, mailboxes=MAILBOXES + 2) as running:
        yield running.endpoints


class Real:
    """Mailboxes of the rig, their inventory and their store."""

    def __init__(self, rig: dict[str, t.Any], folder: pathlib.Path, mailboxes: list[dict[str, t.Any]]) -> None:
        self.rig = rig
        self.folder = folder
        self.store = folder / "store"
        self.group = {**fleet.shared_variables(rig, self.store), **ACME2CERTIFIER}
        self.hosts = {fleet.host_name(box["address"]): fleet.mailbox_variables(box) for box in mailboxes}

    def run(self, *args: str) -> fleet.Run:
        inventory = fleet.write_inventory(self.folder / "inventory", self.group, self.hosts)
        return fleet.run_playbook("mailcert.acme.issue_smime", inventory, *args, collections=COLLECTIONS)

    def certificates(self) -> list[pathlib.Path]:
        return sorted(self.store.glob("mailboxes/*/dual/current/cert.pem"))


def verified(certificate: pathlib.Path, root: str) -> bool:
    chain = certificate.with_name("chain.pem")
    command = ["openssl", "verify", "-purpose", "smimesign", "-CAfile", root, "-untrusted", str(chain), str(certificate)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_twenty_of_twenty_in_one_run_and_nothing_to_do_in_the_next(rig, tmp_path):
    real = Real(rig, tmp_path, rig["mailboxes"][:MAILBOXES])
    first = real.run()
    assert first.code == 0, first.output
    assert len(real.certificates()) == MAILBOXES
    assert all(verified(certificate, rig["smime_root"]) for certificate in real.certificates())
    second = real.run()
    assert second.code == 0, second.output
    assert second.recap("changed") == 0


@pytest.mark.parametrize(
    "variables",
    [
        {"smime_imap_encryption": "starttls", "smime_smtp_encryption": "starttls"},
        {"smime_imap_encryption": "tls", "smime_smtp_encryption": "tls"},
    ],
    ids=["starttls", "implicit-tls"],
)
def test_each_way_of_encryption(rig, tmp_path, variables):
    number = MAILBOXES if variables["smime_imap_encryption"] == "starttls" else MAILBOXES + 1
    real = Real(rig, tmp_path, [rig["mailboxes"][number]])
    imap = rig["imap" if variables["smime_imap_encryption"] == "starttls" else "imaps"]
    smtp = rig["submission" if variables["smime_smtp_encryption"] == "starttls" else "submissions"]
    real.group.update(variables, smime_imap_port=imap["port"], smime_smtp_port=smtp["port"])
    done = real.run()
    assert done.code == 0, done.output
    assert len(real.certificates()) == 1


def test_a_wrong_password_is_told_and_orders_nothing_more(rig, tmp_path):
    real = Real(rig, tmp_path, [rig["mailboxes"][0]])
    next(iter(real.hosts.values()))["smime_imap_password"] = "no password of anyone"
    done = real.run()
    assert done.code == 2
    assert "login_refused" in done.output
    assert "no password of anyone" not in done.output
    assert real.certificates() == []
