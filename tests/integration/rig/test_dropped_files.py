# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mail that Postfix drops as files, by the very lines of docs/local-mail.md, and addresses outside ASCII.

Dovecot 2.3 takes no mail for such an address over LMTP; Postfix's pipe does, to files and to dovecot-lda.
"""

from __future__ import annotations

import pathlib
import re
import shutil
import tempfile
import typing as t

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._mail.login import credentials
from ansible_collections.mailcert.acme.plugins.module_utils._mail.smtp import submit
from ansible_collections.mailcert.acme.tests.helpers.rig_fleet import RigFleet, checked, kept_mail, started
from ansible_collections.mailcert.acme.tests.rig.process import wait

GUIDE = pathlib.Path(__file__).resolve().parents[3] / "docs" / "local-mail.md"
ABROAD = "jürgen.müller@rig.test"
# in the domain whose mail goes into the mail store
ABROAD_BY_IMAP = "jürgen@rig2.test"
# who delivers, as pipe wants one that is neither root nor Postfix's own
DELIVERS = "mail"


def printed(about: str) -> str:
    """The block of the guide that is about something."""
    blocks = re.findall(r"^```\w*\n(.*?)^```$", GUIDE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    (found,) = [block for block in blocks if f"# {about}\n" in block]
    return found


@pytest.fixture(scope="module")
def spool() -> t.Iterator[pathlib.Path]:
    """A folder that others may enter, as pytest's own may not be, with the guide's script and lines of master.cf."""
    with tempfile.TemporaryDirectory(prefix="mailcert-drop-") as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        dropped, script = folder / "dropped", folder / "drop-mail"
        dropped.mkdir(mode=0o700)
        shutil.chown(dropped, DELIVERS, DELIVERS)
        script.write_text(printed("/usr/local/bin/drop-mail"), encoding="utf-8")
        script.chmod(0o755)
        lines = printed("/etc/postfix/master.cf")
        own = {"user=smime": f"user={DELIVERS}", "/usr/local/bin/drop-mail": script, "/var/spool/challenges": dropped}
        for old, new in own.items():
            assert old in lines
            lines = lines.replace(old, str(new))
        (folder / "master.cf").write_text(lines, encoding="utf-8")
        yield folder


@pytest.fixture(scope="module")
def rig(spool: pathlib.Path) -> t.Iterator[dict[str, t.Any]]:
    abroad = {"address": ABROAD, "user": "juergen", "password": "pw-juergen"}
    stored = {"address": ABROAD_BY_IMAP, "user": "juergen2", "password": "pw-juergen2"}
    plain = {"address": "plain@rig.test", "user": "plain", "password": "pw-plain"}
    # signed as a strict CA wants it
    with started([abroad, stored, plain], "--oversign", "--transport", str(spool / "master.cf")) as endpoints:
        yield endpoints


@pytest.fixture
def real(rig, spool, tmp_path) -> RigFleet:
    """The mailboxes, their mail read from the files."""
    made = RigFleet(rig, tmp_path, rig["mailboxes"])
    made.group.update(
        smime_mail_access="files",
        smime_mail_path=str(spool / "dropped"),
        smime_answered_mail="delete",
        smime_imap_host=None,
        smime_deadline=90,
    )
    for box in made.hosts.values():
        box.update(smime_smtp_user=box["smime_imap_user"], smime_smtp_password=box["smime_imap_password"])
    return made


def only(real: RigFleet, address: str) -> RigFleet:
    """The same with one mailbox."""
    real.hosts = {name: box for name, box in real.hosts.items() if box["smime_address"] == address}
    assert len(real.hosts) == 1
    return real


def test_certificate_by_a_file_that_pipe_drops(real, spool):
    done = only(real, "plain@rig.test").run()
    assert done.code == 0, done.trouble
    assert len(real.certificates()) == 1
    assert not list((spool / "dropped").iterdir())


def test_probe_to_an_address_outside_ascii_comes_back_signed(real, rig, spool):
    """By Postfix's submission and MX, signed by OpenDKIM, with SMTPUTF8 all the way."""
    only(real, ABROAD).group.update(smime_check_probe=True)
    row, words = checked(real)
    assert (row["address"], row["send_as"], row["dkim"]) == (ABROAD, "ok", "ok"), words
    (mail,) = (spool / "dropped").iterdir()
    assert f"\nTo: {ABROAD}\n" in mail.read_text(encoding="utf-8")
    mail.unlink()


def test_probe_to_an_address_outside_ascii_is_read_by_imap(rig, tmp_path):
    """The same into Dovecot, with a login in ASCII."""
    (box,) = [box for box in rig["mailboxes"] if box["address"] == ABROAD_BY_IMAP]
    real = RigFleet(rig, tmp_path, [box])
    real.group["smime_check_probe"] = True
    row, words = checked(real)
    states = (row["address"], row["imap_login"], row["send_as"], row["dkim"])
    assert states == (ABROAD_BY_IMAP, "ok", "ok", "ok"), words
    (mail,) = kept_mail(rig, ABROAD_BY_IMAP)
    assert f"\nTo: {ABROAD_BY_IMAP}\n".encode() in mail


def test_reply_of_an_address_outside_ascii_reaches_the_ca_signed(rig):
    """acme2certifier orders nothing for such an address, so what there is to see is the way of the reply."""
    (box,) = [box for box in rig["mailboxes"] if box["address"] == ABROAD]
    settings = submit.SmtpSettings(
        host=rig["submission"]["host"],
        port=rig["submission"]["port"],
        encryption="starttls",
        login=credentials.PasswordLogin(box["user"], box["password"]),
        ca_path=rig["ca_file"],
    )
    sender = f"\nFrom: {ABROAD}\n".encode()
    data = f"From: {ABROAD}\r\nTo: {rig['ca_from']}\r\nSubject: Re: ACME: x\r\n\r\nx\r\n".encode()
    outcome = submit.send(settings, sender=ABROAD, recipient=rig["ca_from"], data=data)
    assert outcome.state == "sent", outcome

    def arrived() -> list[bytes]:
        return [raw for raw in kept_mail(rig, rig["ca_from"]) if sender in raw]

    assert wait(lambda: bool(arrived()), 60)
    (reply,) = arrived()
    assert re.search(rb"Authentication-Results: mail\.rig\.test;\s+dkim=pass .*\sheader\.d=rig\.test", reply), reply
