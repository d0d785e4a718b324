# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Dovecot that takes client certificates, for IMAP and for submission, in front of a Postfix that signs nothing.

OpenDKIM at the CA's MX judges the signature that we make. Postfix itself cannot tell Dovecot of a certificate, so that
its own submission service offers no EXTERNAL.
"""

from __future__ import annotations

import pathlib
import re
import typing as t

import pytest
from ansible_collections.mailcert.acme.tests.helpers.rig_fleet import RigFleet, make_maildir, replies_of, started


@pytest.fixture(scope="module")
def rig() -> t.Iterator[dict[str, t.Any]]:
    with started(3, "--clients", "--no-sign") as endpoints:
        yield endpoints


def by_certificate(rig: dict[str, t.Any], user: str) -> dict[str, t.Any]:
    clients = pathlib.Path(rig["state"]) / "tls" / "clients"
    return {
        "smime_imap_auth": "external",
        "smime_imap_password": None,
        "smime_mail_client_cert_path": str(clients / f"{user}.pem"),
        "smime_mail_client_key_path": str(clients / f"{user}.key"),
        "smime_smtp_port": rig["clients"]["port"],
    }


def test_certificate_for_the_login_signature_of_ours_and_a_copy(rig, tmp_path):
    boxes = rig["mailboxes"][:2]
    real = RigFleet(rig, tmp_path, boxes)
    real.group.update(
        smime_deadline=90,
        smime_dkim_selector="rig",
        smime_dkim_privatekey_path=str(pathlib.Path(rig["state"]) / "dkim" / "rig.test.key"),
        smime_sent_copy=True,
    )
    external = boxes[0]
    next(iter(real.hosts.values())).update(by_certificate(rig, external["user"]))
    sent = {box["address"]: make_maildir(rig, box["address"], ".Sent") / "cur" for box in boxes}
    done = real.run()
    assert done.code == 0, done.trouble
    assert len(real.certificates()) == 2
    log = (pathlib.Path(rig["logs"]) / "dovecot.log").read_text(encoding="utf-8")
    user = re.escape(external["user"])
    assert set(re.findall(rf"(imap|submission)-login: (?:Info: )?Login: user=<{user}>, method=EXTERNAL", log)) == {
        "imap", "submission",
    }
    for box in boxes:
        ((raw, reply),) = replies_of(rig, box["address"])
        # made by us alone, and verified by OpenDKIM
        assert len(reply.get_all("DKIM-Signature")) == 1
        results = " ".join(" ".join(reply.get_all("Authentication-Results")).split())
        assert re.search(r"dkim=pass .*header\.d=rig\.test", results), results
        (copy,) = sent[box["address"]].iterdir()
        assert copy.name.endswith(":2,S")
        assert raw.endswith(copy.read_bytes())


def test_certificate_of_another_user_opens_no_mailbox(rig, tmp_path):
    first, other = rig["mailboxes"][0], rig["mailboxes"][2]
    real = RigFleet(rig, tmp_path, [other])
    real.group["smime_imap_authzid"] = other["user"]
    next(iter(real.hosts.values())).update(by_certificate(rig, first["user"]))
    done = real.run()
    assert done.code == 2
    assert "login_refused" in done.output and "mail_client_cert_path" in done.output, done.output
    assert real.certificates() == []
