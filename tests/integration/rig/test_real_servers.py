# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same playbook on servers that no one here wrote: Dovecot, Postfix, OpenDKIM, and acme2certifier as the CA.

What differs from the lab is variables only. A rig is started once for the file; it needs root, as Postfix does.
"""

from __future__ import annotations

import pathlib
import subprocess
import typing as t

import pytest
from ansible_collections.mailcert.acme.tests.helpers.rig_fleet import RigFleet, started

MAILBOXES = 20


@pytest.fixture(scope="module")
def rig() -> t.Iterator[dict[str, t.Any]]:
    with started(MAILBOXES + 2) as endpoints:
        yield endpoints


def verified(certificate: pathlib.Path, root: str) -> bool:
    chain = certificate.with_name("chain.pem")
    command = [
        "openssl",
        "verify",
        "-purpose",
        "smimesign",
        "-CAfile",
        root,
        "-untrusted",
        str(chain),
        str(certificate),
    ]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_twenty_of_twenty_in_one_run_and_nothing_to_do_in_the_next(rig, tmp_path):
    real = RigFleet(rig, tmp_path, rig["mailboxes"][:MAILBOXES])
    first = real.run()
    assert first.code == 0, first.trouble
    assert len(real.certificates()) == MAILBOXES
    assert all(verified(certificate, rig["smime_root"]) for certificate in real.certificates())
    second = real.run()
    assert second.code == 0, second.trouble
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
    real = RigFleet(rig, tmp_path, [rig["mailboxes"][number]])
    imap = rig["imap" if variables["smime_imap_encryption"] == "starttls" else "imaps"]
    smtp = rig["submission" if variables["smime_smtp_encryption"] == "starttls" else "submissions"]
    real.group.update(variables, smime_imap_port=imap["port"], smime_smtp_port=smtp["port"])
    done = real.run()
    assert done.code == 0, done.trouble
    assert len(real.certificates()) == 1


def test_a_wrong_password_is_told_and_orders_nothing_more(rig, tmp_path):
    real = RigFleet(rig, tmp_path, [rig["mailboxes"][0]])
    next(iter(real.hosts.values()))["smime_imap_password"] = "no password of anyone"
    done = real.run()
    assert done.code == 2
    assert "login_refused" in done.output
    assert "no password of anyone" not in done.output
    assert real.certificates() == []
