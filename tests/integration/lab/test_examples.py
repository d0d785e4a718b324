# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples of the documentation run as they stand: every one, against the lab, through both shells.

Only the folder /etc/smime is another one, and what is the lab's own (ports, roots, resolver) comes as module_defaults.
"""

from __future__ import annotations

import ast
import json
import pathlib
import sys
import typing as t

import pytest
import yaml
from ansible_collections.mailcert.acme.tests.helpers import fleet
from ansible_collections.mailcert.acme.tests.helpers import openssl_tool as tool
from ansible_collections.mailcert.acme.tests.helpers.paths import COLLECTION, COLLECTIONS

PREFIX = "mailcert.acme."
# what one leaves behind the next ones use; a certificate can be revoked only once
ORDER = (
    "modules/smime_account",
    "modules/smime_csr",
    "modules/smime_order",
    "modules/smime_email_challenge",
    "modules/smime_pkcs12",
    "modules/smime_certificate_info",
    "modules/smime_select",
    "filter/smime_ready",
    "filter/smime_by_hand",
    "filter/smime_summary",
    "modules/smime_revoke",
)
# these ask the mail servers each time, also in check mode
LOOKING = ("modules/smime_mail_check", "filter/smime_mail_table")
# those that need no file which others have made before
BEGINNINGS = tuple(name for name in ORDER if not name.endswith(("pkcs12", "certificate_info", "revoke")))
SECRETS = {
    "privatekey_passphrase": "pass phrase of the key",
    "pkcs12_passphrase": "pass phrase of the file",
    "account_key_passphrase": "pass phrase of the account",
}
# what accounts, orders and mails leave in the lab's log
DEEDS = {
    "account", "account_deactivated", "order", "mail", "imap_connect", "smtp_connect", "challenge_post", "finalize",
}


def examples(name: str) -> str:
    """The text of a plugin's EXAMPLES."""
    for node in ast.parse((COLLECTION / "plugins" / f"{name}.py").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "EXAMPLES":
            return ast.literal_eval(node.value)
    raise AssertionError(f"{name} has no EXAMPLES")


class Stage:
    """A folder in the place of /etc/smime, an inventory, and the variables that the examples leave to the user."""

    def __init__(self, lab: t.Any, folder: pathlib.Path, shell: str) -> None:
        self.lab = lab
        self.files = folder / "smime"
        self._folder = folder
        self._in_process = shell == "in_process"
        # another spelling of the same Python
        self._wrapper = folder / "python"
        self._wrapper.write_text(f"#!/bin/sh\nexec '{sys.executable}' \"$@\"\n", encoding="utf-8")
        self._wrapper.chmod(0o755)
        self._runs = 0

    def variables(self) -> dict[str, t.Any]:
        """For all hosts; the passwords are those of the lab's first two mailboxes."""
        first, second = self.lab.mailboxes[:2]
        eab_keys = self.lab.behaviour()["eab_keys"]
        return {
            "ansible_connection": "local",
            "ansible_python_interpreter": "{{ ansible_playbook_python }}" if self._in_process else str(self._wrapper),
            "acme_directory": self.lab.directory,
            "mail_address": first["address"],
            "mail_password": first["password"],
            "terms_url": self.lab.behaviour()["terms"],
            "second_mail_address": second["address"],
            "second_mail_password": second["password"],
            "imap_host": self.lab.imaps["host"],
            "smtp_host": self.lab.submission["host"],
            "eab_kid": next(iter(eab_keys)),
            "eab_key": next(iter(eab_keys.values())),
            **SECRETS,
        }

    def module_defaults(self) -> dict[str, t.Any]:
        """What is different in the lab from servers in the world."""
        acme = {"ca_path": self.lab.ca_file}
        mail = {
            "imap_port": self.lab.imaps["port"],
            "smtp_port": self.lab.submission["port"],
            "mail_ca_path": self.lab.ca_file,
            "dns_servers": ["{host}:{port}".format(**self.lab.dns)],
        }
        defaults = {"account": acme, "order": acme, "revoke": acme, "email_challenge": {**acme, **mail}}
        defaults["mail_check"] = mail
        return {f"{PREFIX}smime_{module}": options for module, options in defaults.items()}

    def run(self, *names: str, check: bool = False) -> fleet.Run:
        """Run the examples of some plugins, one play each; all of their tasks must be run and succeed."""
        plays = []
        for name in names:
            text = examples(name).replace("/etc/smime", str(self.files))
            assert "/etc/" not in text
            plays.append(self._play(name, yaml.safe_load(text)))
        return self._run(plays, *(["--check"] if check else []))

    def prepare(self) -> None:
        """What some examples need and do not make: accounts to deactivate or to roll over, a key that is too short."""
        accounts = [
            {
                "acme_directory": self.lab.directory,
                "account_key_src": f"{self.files}/{name}/account.key",
                "contact": ["postmaster@example.com"],
                "terms_agreed": True,
            }
            for name in ("old-account", "rolled-account")
        ]
        request = {
            "privatekey_path": f"{self.files}/replaced/privkey.pem",
            "privatekey_size": 2048,
            "csr_path": f"{self.files}/replaced/request.csr",
            "addresses": [self.lab.mailboxes[0]["address"]],
        }
        tasks = [*({f"{PREFIX}smime_account": account} for account in accounts), {f"{PREFIX}smime_csr": request}]
        assert self._run([self._play("preparation", tasks)]).recap("changed") == 3

    def _play(self, name: str, tasks: list[dict[str, t.Any]]) -> dict[str, t.Any]:
        defaults = self.module_defaults()
        return {"name": name, "hosts": "anna", "gather_facts": False, "module_defaults": defaults, "tasks": tasks}

    def _run(self, plays: list[dict[str, t.Any]], *options: str) -> fleet.Run:
        self._runs += 1
        here = self._folder / f"run{self._runs}"
        here.mkdir()
        playbook = here / "play.json"
        playbook.write_text(json.dumps(plays, indent=1), encoding="utf-8")
        done = fleet.run_playbook(
            str(playbook),
            fleet.write_inventory(here, self.variables(), {"anna": {}, "bert": {}}),
            "--diff",
            *options,
            collections=COLLECTIONS,
            timeout=300,
            # every module that is sent leaves its file behind
            ANSIBLE_REMOTE_TMP=str(here / "remote"),
            ANSIBLE_KEEP_REMOTE_FILES="1",
        )
        tasks = [task for play in plays for task in play["tasks"]]
        assert done.code == 0, done.output
        assert (done.recap("ok"), done.recap("skipped")) == (len(tasks), 0), done.output
        assert "[WARNING]" not in done.output and "[DEPRECATION" not in done.output, done.output
        sent = len(list((here / "remote").glob("*/AnsiballZ_smime_*.py")))
        ours = sum(any(word.startswith(f"{PREFIX}smime_") for word in task) for task in tasks)
        assert sent == (0 if self._in_process else ours)
        for secret in (*SECRETS.values(), *(mailbox["password"] for mailbox in self.lab.mailboxes[:2])):
            assert secret not in done.output
        return done


def test_every_plugin_is_among_them() -> None:
    plugins = {f"modules/{path.stem}" for path in (COLLECTION / "plugins" / "modules").glob("*.py")}
    plugins |= {f"filter/{path.stem}" for path in (COLLECTION / "plugins" / "filter").glob("*.py")}
    assert plugins == {*ORDER, *LOOKING}


@pytest.mark.parametrize("shell", ["in_process", "as_module"])
def test_examples_run_and_change_nothing_when_run_again(lab: t.Any, tmp_path: pathlib.Path, shell: str) -> None:
    stage = Stage(lab, tmp_path, shell)
    *keeping, revoking = ORDER
    stage.prepare()
    assert stage.run(*keeping).recap("changed") > 0
    files, (one, two) = stage.files, [mailbox["address"] for mailbox in lab.mailboxes[:2]]
    assert tool.emails(files / "dual" / "cert.pem") == [one]
    assert tool.emails(files / "two" / "cert.pem") == [one, two]
    assert len(tool.pkcs12(files / "dual" / "identity.p12", SECRETS["pkcs12_passphrase"], tmp_path / "keys")) == 1
    assert len(tool.pkcs12(files / "dual" / "identity-all.p12", SECRETS["pkcs12_passphrase"], tmp_path / "keys")) == 2
    assert len(list((files / "replaced").glob("privkey.pem*.bak"))) == 1

    seen = len(lab.log())
    again = stage.run(*ORDER)
    assert again.recap("changed") == len(lab.log("revoked")) == 2, again.output
    assert not {event["kind"] for event in lab.log()[seen:]} & DEEDS
    again = stage.run(revoking)
    assert again.recap("changed") == 0, again.output


@pytest.mark.parametrize("shell", ["in_process", "as_module"])
def test_examples_that_only_look(lab: t.Any, tmp_path: pathlib.Path, shell: str) -> None:
    stage = Stage(lab, tmp_path, shell)
    for check in (False, True):
        assert stage.run(*LOOKING, check=check).recap("changed") == 0
    assert not lab.log("submission", "order")
    assert not stage.files.exists()


def test_examples_in_check_mode(lab: t.Any, tmp_path: pathlib.Path) -> None:
    """Through the module shell test_two_runners.py runs check mode."""
    stage = Stage(lab, tmp_path, "in_process")
    *keeping, revoking = ORDER
    checked = stage.run(*BEGINNINGS, check=True)
    assert checked.recap("changed") > 0
    assert lab.log() == [], "where there is nothing there is nobody to ask"
    assert not stage.files.exists()

    stage.prepare()
    stage.run(*keeping)
    seen = len(lab.log())
    checked = stage.run(*ORDER, check=True)
    # whether a certificate is revoked already only the CA knows, and it cannot be asked without revoking
    assert checked.recap("changed") == len(yaml.safe_load(examples(revoking))), checked.output
    assert not {event["kind"] for event in lab.log()[seen:]} & {*DEEDS, "revoked"}
