# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every module gives the same result whether it runs in the controller's process or is sent as a module.

The groups of tasks are in two_runner_cases.py and two_runner_refusals.py; each runs through both runners with the same
arguments, on the same files.
"""

from __future__ import annotations

import concurrent.futures
import json
import pathlib
import socket
import typing as t

import pytest
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible_collections.mailcert.acme.tests.helpers import fleet, two_runner_cases, two_runner_refusals
from ansible_collections.mailcert.acme.tests.helpers.paths import COLLECTIONS
from ansible_collections.mailcert.acme.tests.helpers.two_runners import (
    SECRET,
    SHELLS,
    SPELLED_OTHERWISE,
    Group,
    Results,
    Shells,
    differences,
)
from ansible_collections.mailcert.acme.tests.lab.handle import Lab
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

GROUPS = ("chain", "files", "refused", "libraries", "defect", "quiet")
# at least one library of each layer
HIDDEN = ("asn1crypto", "imapclient", "josepy")
VAULT_PASSWORD = "the password of the vault"

# a sudo that is the user already; what it is asked to run begins with the shell
SUDO = '#!/bin/sh\nwhile [ "$1" != /bin/sh ]; do shift; done\nexec "$@"\n'


def _private_key(key: t.Any) -> bytes:
    formats = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, *formats)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return tmp_path_factory.mktemp("shells")


@pytest.fixture(scope="module")
def files(folder: pathlib.Path) -> pathlib.Path:
    """Prepared keys: what is made from them is the same each time."""
    prepared = folder / "prepared"
    prepared.mkdir()
    (prepared / "account.key").write_bytes(_private_key(ec.generate_private_key(ec.SECP256R1())))
    (prepared / "user.key").write_bytes(_private_key(rsa.generate_private_key(65537, 2048)))
    (prepared / "sudo").write_text(SUDO, encoding="utf-8")
    (prepared / "sudo").chmod(0o755)
    return prepared


@pytest.fixture(scope="module")
def store(lab_process: Lab, folder: pathlib.Path, files: pathlib.Path) -> pathlib.Path:
    """A store with the certificate of one mailbox; a copy of it is among the prepared files."""
    made = folder / "store"
    variables = {**fleet.shared_variables(lab_process.endpoints, made), "smime_privatekey_type": "ECC"}
    host = fleet.mailbox_variables(lab_process.mailboxes[0])
    inventory = fleet.write_inventory(folder / "inventory", variables, {"mailbox": host})
    run = fleet.run_playbook("mailcert.acme.issue_smime", inventory, collections=COLLECTIONS)
    assert run.code == 0, run.output
    (current,) = made.glob("mailboxes/*/dual/current")
    for name in ("cert.pem", "chain.pem", "privkey.pem"):
        (files / name).write_bytes((current / name).read_bytes())
    return made


def _shadows(folder: pathlib.Path, **sources: str) -> dict[str, str]:
    """The environment in which libraries are what these sources say."""
    folder.mkdir()
    for name, source in sources.items():
        (folder / f"{name}.py").write_text(source, encoding="utf-8")
    return {"PYTHONPATH": str(folder)}


def _vaulted(text: str) -> dict[str, str]:
    vault = VaultLib([("default", VaultSecret(VAULT_PASSWORD.encode()))])
    return {"__ansible_vault": vault.encrypt(text).decode()}


def _groups(lab: Lab, folder: pathlib.Path, files: pathlib.Path, store: pathlib.Path, silent_port: int) -> list[Group]:
    work, address = folder / "work", lab.mailboxes[0]["address"]
    password = folder / "vault-password"
    password.write_text(VAULT_PASSWORD, encoding="utf-8")
    wish = {"smime_address": address, "smime_acme_directory": lab.directory, "smime_privatekey_type": "ECC"}
    remote = {"ansible_connection": "local", "ansible_python_interpreter": SPELLED_OTHERWISE}
    gone = _shadows(folder / "hidden", **{name: "raise ImportError\n" for name in HIDDEN})
    broken = _shadows(folder / "broken", idna="def encode(*args, **kwargs):\n    raise RuntimeError('broken')\n")
    defect = two_runner_cases.Case(
        "a defect",
        "smime_csr",
        {**two_runner_refusals.MINIMAL["smime_csr"], "addresses": ["a@ü.test"]},
        None,
        "defect of mailcert.acme: RuntimeError: broken",
        fresh=("exception",),
    )
    quiet = {"ANSIBLE_INJECT_INVOCATION": "0"}
    return [
        Group("chain", work / "chain", two_runner_cases.chain(lab, work / "chain"), files),
        Group(
            "files",
            work / "files",
            two_runner_cases.on_files(work / "files", store, address, silent_port),
            files,
            {**wish, "vaulted": _vaulted(f"{SECRET} from the vault")},
            {"ANSIBLE_VAULT_PASSWORD_FILE": str(password)},
            {"remote": remote},
        ),
        Group("refused", work / "refused", two_runner_refusals.refused()),
        Group("libraries", work / "libraries", two_runner_refusals.without_libraries(), environment=gone),
        Group("defect", work / "defect", (defect,), environment={**broken, "ANSIBLE_DISPLAY_TRACEBACK": "error"}),
        Group("quiet", work / "quiet", two_runner_refusals.refused()[:2], environment=quiet, discover=True),
    ]


class Both(t.NamedTuple):
    """One group, run through both shells."""

    group: Group
    in_process: Results
    as_module: Results
    violations: list[t.Any]


@pytest.fixture(scope="module")
def runs(lab_process: Lab, folder: pathlib.Path, files: pathlib.Path, store: pathlib.Path) -> dict[str, Both]:
    """All groups, run through both shells; two at a time, and each with its own folder."""
    shells = Shells(folder, COLLECTIONS)
    (folder / "work").mkdir(mode=0o700)

    def run(group: Group) -> Both:
        results, violations = [], []
        for shell in SHELLS:
            if group.name == "chain":
                lab_process.reset()
                lab_process.reset("acme")
            results.append(shells.run(group, shell))
            if group.name == "chain":
                violations += lab_process.violations()
        return Both(group, *results, violations)

    with socket.create_server(("127.0.0.1", 0)) as silent, concurrent.futures.ThreadPoolExecutor(2) as pool:
        groups = _groups(lab_process, folder, files, store, silent.getsockname()[1])
        return {group.name: both for group, both in zip(groups, pool.map(run, groups))}


@pytest.mark.parametrize("name", GROUPS)
def test_results_are_equal(runs: dict[str, Both], name: str) -> None:
    group, in_process, as_module, _violations = runs[name]
    found = []
    for case in group.cases:
        for view in ("registered", "shown"):
            one, other = (getattr(results, view)[case.name] for results in (in_process, as_module))
            lines = differences(case.comparable(one), case.comparable(other), view)
            found += [f"{case.name}: {line}" for line in lines]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("name", GROUPS)
def test_results_are_what_the_case_says(runs: dict[str, Both], name: str) -> None:
    found = []
    for case in runs[name].group.cases:
        result = runs[name].in_process.registered[case.name]
        told = " ".join([str(result.get("msg", "")), *result.get("warnings", [])])
        outcome = None if result.get("failed") else result.get("changed")
        if outcome is not case.changed or case.says not in told:
            found.append(f"{case.name}: {json.dumps(result, indent=1)}")
    assert not found, "\n".join(found)


@pytest.mark.parametrize("name", GROUPS)
def test_each_run_used_the_shell_that_it_should(runs: dict[str, Both], name: str) -> None:
    group, in_process, as_module, _violations = runs[name]
    assert group.counted(in_process.sent) == group.sent("in_process")
    assert group.counted(as_module.sent) == group.sent("as_module")


@pytest.mark.parametrize("name", GROUPS)
def test_no_secret_is_shown(runs: dict[str, Both], lab_process: Lab, name: str) -> None:
    secrets = (SECRET, lab_process.mailboxes[0]["password"])
    for results in (runs[name].in_process, runs[name].as_module):
        texts = (results.output, json.dumps(results.shown, indent=1), json.dumps(results.registered, indent=1))
        found = [line for text in texts for line in text.splitlines() if any(map(line.__contains__, secrets))]
        assert not found, "\n".join(found)


def test_invocation_is_compared(runs: dict[str, Both]) -> None:
    (entry,) = runs["chain"].in_process.shown["account made"]
    assert entry["result"]["invocation"]["module_args"]["deadline"] == 60


def test_the_lab_saw_no_violation(runs: dict[str, Both]) -> None:
    assert runs["chain"].violations == []
