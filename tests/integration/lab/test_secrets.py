# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing secret appears anywhere, whatever was mistyped and whatever fails.

Marked secrets are in every option that is secret, as the modules themselves say which, rightly and wrongly typed;
each step fails, at servers that repeat what they were given. Then everything is searched that another user could read.
"""

from __future__ import annotations

import concurrent.futures
import json
import subprocess
import sys

from ansible_collections.mailcert.acme.tests.helpers import (
    fleet,
    misplaced_secrets,
    secret_inventories,
    secret_task_runner,
    secret_uses,
)
from ansible_collections.mailcert.acme.tests.helpers.echo_servers import EchoServers
from ansible_collections.mailcert.acme.tests.helpers.lab_fleet import fleet_of
from ansible_collections.mailcert.acme.tests.helpers.leak_search import WatchedRun
from ansible_collections.mailcert.acme.tests.helpers.paths import COLLECTIONS
from ansible_collections.mailcert.acme.tests.helpers.secret_markers import shown, shown_in, told
from ansible_collections.mailcert.acme.tests.helpers.secret_options import secret_options, secret_variables
from ansible_collections.mailcert.acme.tests.helpers.two_runners import SAME_PYTHON, SPELLED_OTHERWISE

ALL = ["PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER"]
ALONE = secret_task_runner.__name__


def at_once(work, parts):
    """Two at a time, in threads that wait for their processes; the results in the order of the parts."""
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        return list(pool.map(work, parts))


def alone(folder, cases):
    """For each case its result in process, and what it gave as a module."""
    folder.mkdir()
    (folder / "cases.json").write_text(json.dumps([case[1:] for case in cases]), encoding="utf-8")
    subprocess.run(
        [sys.executable, "-m", ALONE, str(folder / "cases.json"), str(folder / "results.json")],
        env={**fleet.clean_environment(COLLECTIONS), "PYTHONPATH": str(COLLECTIONS)}, check=True, timeout=300,
    )
    return json.loads((folder / "results.json").read_text("utf-8"))


def test_slips_of_the_hand_show_no_secret(tmp_path):
    """Each secret option alone, in every wrong form, through both shells."""
    cases = misplaced_secrets.cases()
    halves = [cases[0::2], cases[1::2]]
    results = at_once(lambda number: alone(tmp_path / str(number), halves[number]), range(2))
    found, wrong = {}, []
    for case, (here, sent) in zip(halves[0] + halves[1], results[0] + results[1], strict=True):
        if len(sent["results"]) != 1:
            wrong.append(f"{case.name}: {sent['printed']}")
        for shell, result in (("in process", json.dumps(here)), ("as module", sent["printed"])):
            places = shown(result)
            if places:
                found[f"{case.name}, {shell}"] = places
    assert not wrong, "\n".join(wrong[:5])
    assert not found, f"{len(found)} of {2 * len(cases)}\n{told(found)}"


def test_each_step_fails_without_showing_a_secret(lab, tmp_path):
    """Each secret option where it belongs, in a task that fails where it is used, through both shells."""
    work = tmp_path / "work"
    work.mkdir(mode=0o700)
    lab.behaviour(imap_auth=ALL, smtp_auth=ALL)
    with EchoServers(lab.ca_file) as echo:
        world = secret_uses.World(lab, echo, work)
        uses = secret_uses.uses(world)
        forgotten = set(secret_options()) - {use.option for use in uses}
        assert not forgotten, f"Without a use in secret_uses.py: {', '.join(map(str, forgotten))}"
        # sending modules takes most of the time, so each option goes that way once; logins have two modules in common
        common = ("smime_email_challenge", "smime_mail_check")
        sent = list({(use.option.module in common or use.option.module, use.option.path): use for use in uses}.values())
        parts = [("in_process", uses), ("as_module", sent[0::2]), ("as_module", sent[1::2])]

        def run(part):
            shell, some = part
            folder = tmp_path / f"{shell}{parts.index(part)}"
            python = SAME_PYTHON if shell == "in_process" else SPELLED_OTHERWISE
            tasks = [
                {"name": use.name, f"mailcert.acme.{use.option.module}": use.args, "ignore_errors": True}
                for use in some
            ]
            play = {"name": "Uses", "hosts": "mailbox", "gather_facts": False, "tasks": tasks}
            folder.mkdir()
            (folder / "play.yml").write_text(json.dumps([play]), encoding="utf-8")
            host = {"ansible_connection": "local", "ansible_python_interpreter": python}
            return WatchedRun(folder, str(folder / "play.yml"), fleet.write_inventory(folder, {}, {"mailbox": host}))

        runs = at_once(run, parts)
    for (shell, some), watched in zip(parts, runs):
        assert watched.run.code == 0, watched.run.output
        results = watched.results()
        codes = {use.name: (results[use.name].get("error_code"), results[use.name].get("msg")) for use in some}
        wrong = [
            f"{shell}, {use.name}: {codes[use.name]}, not {use.code}" for use in some if codes[use.name][0] != use.code
        ]
        assert not wrong, "\n".join(wrong)
    places = {}
    for (shell, _some), watched in zip(parts, runs):
        places.update({f"{kind}, {shell}": found for kind, found in watched.found(*world.keys).items()})
    assert not places, told(places)
    assert not shown_in(work)


def test_no_playbook_shows_a_secret(lab, tmp_path):
    """Fleets with a wrong secret in each mailbox: the playbooks and the role show none, nor do they keep one."""
    forgotten = secret_variables() - set(secret_inventories.COMPANIONS)
    assert not forgotten, f"Without an entry in secret_fleets.py: {', '.join(sorted(forgotten))}"
    role = [{"name": "Role", "hosts": "all", "gather_facts": False, "roles": ["mailcert.acme.smime"]}]
    (tmp_path / "role.yml").write_text(json.dumps(role), encoding="utf-8")
    lab.behaviour(imap_auth=ALL, smtp_auth=ALL)
    plays = [
        ("mailcert.acme.issue_smime", 38, ()),
        (str(tmp_path / "role.yml"), 20, ("--diff",)),
        ("mailcert.acme.check_smime", 20, ()),
        ("mailcert.acme.roll_account_key", 20, ()),
    ]
    with EchoServers(lab.ca_file) as echo:

        def run(number):
            playbook, count, args = plays[number]
            fleet_ = fleet_of(lab, tmp_path / str(number), count)
            fleet_.group["smime_deadline"] = 20
            passwords = [own["smime_imap_password"] for own in fleet_.hosts.values()]
            # in front of a role Ansible templates its variables by itself, and shows the lines around what fails
            templates = not playbook.endswith("role.yml")
            url = f"https://localhost:{echo.https}/token"
            files = secret_inventories.files(fleet_.hosts, url, templates=templates)
            fleet_.hosts = {name: {} for name in files}
            inventory = fleet_.inventory()
            # as users write them: of such a file Ansible shows the lines around a mistake
            (inventory.parent / "host_vars").mkdir()
            for name, text in files.items():
                (inventory.parent / "host_vars" / f"{name}.yml").write_text(text, encoding="utf-8")
            watched = WatchedRun(tmp_path / str(number), playbook, inventory, "--forks", "4", *args)
            return watched, [watched.found(*passwords), {"the store": shown_in(fleet_.store, *passwords)}]

        runs = at_once(run, range(len(plays)))
    places = {
        f"{kind} of {playbook}": where
        for (playbook, _count, _args), (_watched, found) in zip(plays, runs)
        for kinds in found
        for kind, where in kinds.items()
        if where
    }
    assert not places, told(places)
    assert all(watched.run.code != 0 for watched, _found in runs)
