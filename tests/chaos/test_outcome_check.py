# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The check tells whatever is not as it must be: else no kill could ever be found to do harm."""

from __future__ import annotations

import base64
import json
import shutil
import smtplib
import ssl

import pytest
from ansible_collections.mailcert.acme.tests.helpers import fleet
from ansible_collections.mailcert.acme.tests.helpers.chaos_lab import started_lab
from ansible_collections.mailcert.acme.tests.helpers.outcome_check import OutcomeCheck, complaints_of_files
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from . import sweep

CURVE = "secp384r1"


@pytest.fixture(scope="module")
def checked(fork_server, tmp_path_factory):
    """A mailbox with two certificates, and the check of its lab."""
    with started_lab() as lab:
        mailbox = sweep.Mailbox(lab, fork_server, tmp_path_factory.mktemp("checked"), "checked")
        for chain in sweep.CHAINS[:3]:
            mailbox.begin(chain)
            mailbox.run_to_the_end(chain)
        yield lab, mailbox, OutcomeCheck(lab)


def complaints(check, mailbox, store, **wish):
    """All that the check says of a store of the mailbox."""
    wish = {"passphrase": fleet.PASSPHRASE, "most_orders": 2, "curve": CURVE, **wish}
    return check.complaints(store, mailbox.address, **wish) + complaints_of_files(store)


def line_of(store):
    (line,) = store.glob("mailboxes/*/dual")
    return line


def another_key(store):
    path = line_of(store) / "0002" / "privkey.pem"
    form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    path.write_bytes(ec.generate_private_key(ec.SECP384R1()).private_bytes(serialization.Encoding.PEM, form, plain))


def set_state(store, state):
    path = line_of(store) / "0002" / "journal.json"
    path.write_text(json.dumps({**json.loads(path.read_bytes()), "state": state}), encoding="utf-8")


def older_in_use(store):
    (line_of(store) / "current").unlink()
    (line_of(store) / "current").symlink_to("0001")


def made(path):
    path.touch(0o600)


def copied(store, source, target):
    shutil.copyfile(line_of(store) / source, line_of(store) / target)


DAMAGES = {
    "temporary file": (lambda store: made(line_of(store) / "0002" / ".smime-tmp-1-00"), ["is left"]),
    "temporary file of an account": (
        lambda store: made(next(store.glob("accounts/*")) / ".smime-tmp-1-00"),
        ["is left"],
    ),
    "file of another name": (lambda store: made(line_of(store) / "0002" / "cert.pem.part"), ["is left"]),
    "key that others may read": (lambda store: (line_of(store) / "0001/privkey.pem").chmod(0o640), ["others may use"]),
    "another key": (another_key, ["do not match", "is lost"]),
    "former key is gone": (lambda store: (line_of(store) / "0001" / "privkey.pem").unlink(), ["is lost"]),
    "renewal that was not switched": (
        older_in_use,
        ["not of secp384r1", "0002 never came to be in use", "identity.p12 holds another certificate"],
    ),
    "version in the making": (lambda store: (line_of(store) / "0003").mkdir(0o700), ["0003 never came to be in use"]),
    "open journal": (lambda store: set_state(store, "finalizing"), ["journal of 0002 is finalizing"]),
    "no record": (lambda store: (line_of(store) / "0002" / "record.json").unlink(), ["record.json is missing"]),
    "another chain": (lambda store: copied(store, "0001/cert.pem", "0002/chain.pem"), ["chain.pem", "fullchain.pem"]),
    "no PKCS#12": (lambda store: (line_of(store) / "identity.p12").unlink(), ["cannot be opened"]),
}


def test_what_is_well_is_well(checked):
    lab, mailbox, check = checked
    assert complaints(check, mailbox, mailbox.store) == [] == check.complaints_of_replies()
    lab.assert_clean()


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_told(checked, tmp_path, damage):
    _lab, mailbox, check = checked
    store = tmp_path / "store"
    shutil.copytree(mailbox.store, store, symlinks=True)
    harm, expected = DAMAGES[damage]
    harm(store)
    told = complaints(check, mailbox, store)
    for words in expected:
        assert any(words in sentence for sentence in told), told


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        ({"most_orders": 1}, "2 orders, 1 are the most"),
        ({"revoked": True}, "the certificate is not revoked"),
        ({"passphrase": "another"}, "identity.p12 cannot be opened"),
    ],
)
def test_what_is_not_as_wished_is_told(checked, wish, told):
    _lab, mailbox, check = checked
    (sentence,) = complaints(check, mailbox, mailbox.store, **wish)
    assert told in sentence


def test_second_reply_is_told(checked):
    """Last, since the lab remembers it: the same octets once more, as a run would send them that honors no claim."""
    lab, mailbox, _check = checked
    reply = json.loads(next(mailbox.store.glob("replies/*/*.json")).read_bytes())
    server = lab.endpoints["submission"]
    with smtplib.SMTP(server["host"], server["port"], timeout=30) as connection:
        connection.starttls(context=ssl.create_default_context(cafile=lab.endpoints["ca_file"]))
        connection.login(mailbox.variables["smime_imap_user"], mailbox.variables["smime_imap_password"])
        connection.sendmail(reply["sender"], [reply["recipient"]], base64.b64decode(reply["data"]))
    (told,) = OutcomeCheck(lab).complaints_of_replies()
    assert told.endswith("was answered 2 times")
    with pytest.raises(AssertionError, match="violations"):
        lab.assert_clean()
