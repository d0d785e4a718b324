# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""make demo: a lab on loopback, a fleet of mailboxes, the playbook twice, and openssl to check what came out."""

from __future__ import annotations

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import typing as t

from ansible_collections.mailcert.acme.tests.helpers import fleet
from ansible_collections.mailcert.acme.tests.lab.handle import Lab

from . import tree

# five people with five wishes; dave reads two mailboxes and wants one certificate for both
PEOPLE = [
    {"address": "alice@lab.test", "password": "alice's password"},
    {"address": "bob@lab.test", "password": "bob's password"},
    {"address": "carol@lab.test", "password": "carol's password"},
    {"address": "dave@lab.test", "password": "dave's password"},
    {"address": "dave.miller@lab.test", "password": "dave's other password"},
    {"address": "erin@lab2.test", "password": "erin's password"},
]


class DemoError(Exception):
    """Something did not come out as it must."""


def headline(text: str) -> None:
    """What comes next, so that it is found in the output."""
    print(f"\n=== {text}", flush=True)


def five_wishes(mailboxes: dict[str, dict[str, t.Any]]) -> dict[str, dict[str, t.Any]]:
    """The inventory of the five: what an administrator writes into host_vars."""
    alice, bob, carol, dave, erin = (
        fleet.mailbox_variables(mailboxes[address])
        for address in ("alice@lab.test", "bob@lab.test", "carol@lab.test", "dave@lab.test", "erin@lab2.test")
    )
    second = mailboxes["dave.miller@lab.test"]
    elliptic = {"smime_privatekey_type": "ECC"}
    return {
        "alice": {**alice, "smime_privatekey_type": "RSA"},
        "bob": {**bob, **elliptic},
        "carol": {**carol, **elliptic, "smime_usage": "sign"},
        "dave": {
            **dave,
            **elliptic,
            "smime_addresses": ["dave@lab.test", second["address"]],
            "smime_mailboxes": [
                {"address": second["address"], "imap_user": second["user"], "imap_password": second["password"]}
            ],
        },
        "erin": {**erin, **elliptic, "smime_privatekey_curve": "secp384r1"},
    }


def many_wishes(mailboxes: list[dict[str, t.Any]]) -> dict[str, dict[str, t.Any]]:
    """A larger fleet: every fourth mailbox with RSA, the others with elliptic curves."""
    return {
        fleet.host_name(mailbox["address"]): {
            **fleet.mailbox_variables(mailbox),
            "smime_privatekey_type": "ECC" if number % 4 else "RSA",
        }
        for number, mailbox in enumerate(mailboxes)
    }


def openssl(*arguments: str | pathlib.Path, data: bytes = b"") -> bytes:
    """Run openssl as a person would, and fail where it fails."""
    done = subprocess.run(["openssl", *map(str, arguments)], input=data, capture_output=True, check=False)
    if done.returncode:
        raise DemoError(f"openssl {arguments[0]} failed: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def check_mail(folder: pathlib.Path, name: str, root: str, work: pathlib.Path) -> None:
    """Sign a mail as one mailbox and verify it against the lab's root; encrypt one to it and read it back."""
    text = f"Hello from {name}\r\n".encode()
    signed = work / f"{name}-signed.eml"
    current = folder / "current"
    mine = ("-signer", current / "cert.pem", "-inkey", current / "privkey.pem", "-certfile", current / "chain.pem")
    openssl("cms", "-sign", *mine, "-out", signed, data=text)
    verified = openssl("cms", "-verify", "-in", signed, "-CAfile", root, "-purpose", "smimesign")
    if verified != text:
        raise DemoError(f"the signed mail of {name} came back changed")
    print(f"{name}: a signed mail verifies against the lab's root")
    if folder.name == "sign":
        return
    sealed = openssl("cms", "-encrypt", "-aes256", current / "cert.pem", data=text)
    read = openssl(
        "cms", "-decrypt", "-inkey", current / "privkey.pem", "-recip", current / "cert.pem", data=sealed
    )
    if read != text:
        raise DemoError(f"the encrypted mail to {name} cannot be read")
    print(f"{name}: an encrypted mail is readable with the key of the store")


def show_tree(top: pathlib.Path, limit: int) -> None:
    """The folders and files below a folder, as tree(1) shows them; the first of many."""
    shown = 0
    for folder, folders, files in os.walk(top):
        folders.sort()
        depth = len(pathlib.Path(folder).relative_to(top).parts)
        for name in sorted([*files, *(link for link in folders if os.path.islink(os.path.join(folder, link)))]):
            path = pathlib.Path(folder, name)
            target = f" -> {os.readlink(path)}" if path.is_symlink() else ""
            print(f"{path.relative_to(top)}{target}")
            shown += 1
        if shown > limit and depth:
            print("...")
            return


def play(inventory: pathlib.Path, collections: pathlib.Path, *, quiet: bool) -> fleet.Run:
    """One run of the playbook as README prints it."""
    print(f"$ ansible-playbook mailcert.acme.issue_smime -i {inventory}", flush=True)
    run = fleet.run_playbook("mailcert.acme.issue_smime", inventory, collections=collections)
    print(run.output[-4000:] if quiet else run.output)
    if run.code:
        raise DemoError(f"ansible-playbook ended with {run.code}")
    return run


def demo(count: int) -> None:
    """All of it; raises DemoError for what is not as it must be."""
    work = tree.ROOT / ".demo"
    shutil.rmtree(work, ignore_errors=True)
    # the keys in it are worthless, and a store refuses to live in a folder that others may write
    work.mkdir(mode=0o700)
    store = work / "store"
    collections = tree.ROOT / ".build"
    tree.make_tree(collections)
    headline("The lab: a CA, an IMAP, a submission and a DNS server on loopback")
    five = count == 5
    with Lab.start(mailboxes=0 if five else count, users=PEOPLE if five else [], state=work / "lab") as lab:
        print(f"directory {lab.directory}")
        group = fleet.shared_variables(lab.endpoints, store)
        if five:
            hosts = five_wishes({mailbox["address"]: mailbox for mailbox in lab.mailboxes})
        else:
            hosts = many_wishes(lab.mailboxes)
        inventory = fleet.write_inventory(work / "inventory", group, hosts)
        headline(f"First run: {len(hosts)} mailboxes get their certificates")
        first = play(inventory, collections, quiet=not five)
        headline("Second run: nothing to do")
        before = len(lab.log())
        second = play(inventory, collections, quiet=not five)
        if second.recap("changed") or len(lab.log()) != before:
            raise DemoError("the second run changed something or talked to a server")
        print(f"changed=0, and no connection to any server; {second.wall:.1f} s")
        headline("openssl checks what was issued")
        lines = sorted(path.parent for path in store.glob("mailboxes/*/*/current"))
        for line in lines[:5]:
            check_mail(line, line.parent.name.replace("%40", "@"), lab.endpoints["smime_root"], work)
        pkcs12 = sorted(store.glob("mailboxes/*/*/identity.p12"))[0]
        openssl("pkcs12", "-in", pkcs12, "-noout", "-passin", "stdin", data=fleet.PASSPHRASE.encode() + b"\n")
        print(f"{pkcs12.relative_to(store)} opens with its passphrase")
        headline(f"What was made, in {store.relative_to(tree.ROOT)}")
        show_tree(store, 60)
        headline("The lab's judgement")
        violations = lab.violations()
        print(
            f"{len(lab.certificates())} certificates issued, {len(lab.replies())} replies, {len(violations)} violations"
        )
        if violations:
            raise DemoError(f"the lab counted violations: {violations[:3]}")
    print(f"\nThe lab is stopped. {len(hosts)} of {len(hosts)} mailboxes issued in {first.wall:.0f} s,", end=" ")
    print(f"{first.cpu / len(hosts):.2f} s of CPU each. The store stays in .demo until `make clean`.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mailboxes", type=int, default=5)
    count = parser.parse_args().mailboxes
    if count < 1:
        parser.error("MAILBOXES must be at least 1")
    try:
        demo(count)
    except DemoError as error:
        sys.exit(f"\nThe demo failed: {error}.")


if __name__ == "__main__":
    main()
