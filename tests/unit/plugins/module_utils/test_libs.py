# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Libraries that are missing or too old: what is said of them, and what works without them."""

from __future__ import annotations

import importlib
import os
import pathlib
import subprocess
import sys
import typing as t

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils import _errors
from ansible_collections.mailcert.acme.plugins.module_utils._errors import MissingLibraryError
from ansible_collections.mailcert.acme.plugins.module_utils._libs import require as libs

UTILS = pathlib.Path(_errors.__file__ or "").parent
COLLECTIONS = UTILS.parents[4]
COLLECTION = UTILS.parents[1]
BASE = "ansible_collections.mailcert.acme.plugins.module_utils"
# the file in _libs of each library that has another name there
FILES = {"PyNaCl": "dkimpy", "google-auth": "google_auth"}
# the import name of each library that is called otherwise
MODULES = {"PyNaCl": "nacl", "dkimpy": "dkim", "dnspython": "dns", "google-auth": "google", "pyspf": "spf"}
MAIL_ALONE = {"authres", "dkim", "dns", "google", "imapclient", "msal", "nacl", "spf"}

# imports the whole layer with libraries gone or too old, then uses it
PROGRAM = """
import importlib, pathlib, sys, types
for name in sys.argv[1].split(","):
    sys.modules[name] = None
if sys.argv[2]:
    sys.modules["cryptography"] = types.ModuleType("cryptography")
    sys.modules["cryptography"].__version__ = sys.argv[2]
base = "ansible_collections.mailcert.acme.plugins.module_utils"
errors = importlib.import_module(base + "._errors")
folder = pathlib.Path(errors.__file__).parent / "_pki"
layer = {p.stem: importlib.import_module(f"{base}._pki.{p.stem}") for p in sorted(folder.glob("*.py"))}
libs = importlib.import_module(base + "._libs.require")
def report(call):
    try:
        print("no error", call())
    except errors.SmimeError as error:
        print(error.error_code, error)
report(lambda: libs.require(*libs.PKI))
report(lambda: libs.require("cryptography"))
report(lambda: layer["keys"].generate(layer["keys"].key_spec("RSA")))
report(lambda: layer["keys"].load_private_key(b"-----BEGIN", passphrase=None, source="x"))
report(lambda: layer["csr"].load_csr(b"x", source="x"))
report(lambda: layer["certificate"].load_certificate(b"x", source="x"))
report(lambda: layer["pkcs12"].read(b"x", passphrase=None, source="x"))
"""
# imports a task and prints what it needs, and which libraries came with it
IMPORTS = """
import importlib, sys
base = "ansible_collections.mailcert.acme.plugins.module_utils"
task = importlib.import_module(f"{base}._tasks.{sys.argv[1]}").TASK
print(*task.libraries)
print(*[name.rpartition(".")[2] for name in sys.modules if name.startswith(base + "._libs.")])
print(*sorted({name.partition(".")[0] for name, module in sys.modules.items() if module is not None}))
"""
# imports every file of the layers with no library at all
NOTHING = """
import importlib, pathlib, sys
for name in sys.argv[1:]:
    sys.modules[name] = None
base = "ansible_collections.mailcert.acme.plugins.module_utils"
folder = pathlib.Path(importlib.import_module(base + "._errors").__file__).parent
for path in sorted(folder.rglob("*.py")):
    folders = ("_acme", "_libs", "_mail", "_pki", "_store")
    if path.relative_to(folder).parts[0] in folders or path.stem in ("_https", "_address"):
        importlib.import_module(".".join((base, *path.relative_to(folder).with_suffix("").parts)))
print(*sorted(importlib.import_module(base + "._libs.require").MISSING))
"""


def run(program: str, *arguments: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(COLLECTIONS), *filter(None, sys.path)])},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def sentence(name: str) -> str:
    return (
        f"missing_library The Python library {name} is not installed for {sys.executable}. "
        f"Install it: {sys.executable} -m pip install '{libs.REQUIREMENTS[name]}'"
    )


def test_all_there() -> None:
    for name in libs.REQUIREMENTS:
        importlib.import_module(f"{BASE}._libs.{FILES.get(name, name)}")
    assert libs.MISSING == {}
    libs.require(*libs.REQUIREMENTS)


def test_the_requirements_are_those_of_requirements_txt() -> None:
    lines = (COLLECTION / "requirements.txt").read_text(encoding="utf-8").splitlines()
    # those that only one option needs are comments there
    found = {line.lstrip("# ") for line in lines if " " not in line.lstrip("# ")}
    assert found == set(libs.REQUIREMENTS.values())


def test_without_both() -> None:
    said = run(PROGRAM, "cryptography,asn1crypto", "")
    assert said[0] == (
        f"missing_library The Python libraries cryptography, asn1crypto are not installed for {sys.executable}. "
        f"Install them: {sys.executable} -m pip install 'cryptography>=45' 'asn1crypto>=1.5'"
    )
    assert said[1:6] == [sentence("cryptography")] * 5
    assert said[6] == sentence("asn1crypto")


def test_without_asn1crypto_only_pkcs12_is_lost() -> None:
    said = run(PROGRAM, "asn1crypto", "")
    assert said[0] == sentence("asn1crypto") and said[1] == "no error None" and said[2].startswith("no error")
    assert said[6] == sentence("asn1crypto")


def test_too_old() -> None:
    said = run(PROGRAM, "nothing", "38.0.4")
    assert "The Python library cryptography is not installed in a version that fits (38.0.4 is there)" in said[0]


def test_every_layer_can_be_imported_without_any_library() -> None:
    modules = [MODULES.get(name, name) for name in libs.REQUIREMENTS]
    assert run(NOTHING, *modules, "urllib3") == [" ".join(sorted(libs.REQUIREMENTS))]


@pytest.mark.parametrize("task", sorted(path.stem for path in (UTILS / "_tasks").glob("smime_*.py")))
def test_a_task_imports_what_it_needs_and_nothing_of_other_layers(task: str) -> None:
    needed, files, modules = (line.split() for line in run(IMPORTS, task))
    # what is not imported cannot be found missing
    assert {FILES.get(name, name) for name in needed} <= set(files)
    assert needed
    if task not in ("smime_email_challenge", "smime_mail_check"):
        assert not MAIL_ALONE & set(modules)
    if task in ("smime_csr", "smime_pkcs12", "smime_certificate_info"):
        assert not {"requests", "urllib3", "josepy"} & set(modules)


def test_all_that_are_missing_are_named_once_with_the_versions_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libs, "MISSING", {"josepy": "", "requests": "2.1", "msal": "0.9"})
    with pytest.raises(MissingLibraryError) as caught:
        libs.require("josepy", "requests", "josepy", "idna", purpose="this test")
    assert caught.value.message == (
        f"The Python libraries josepy, requests are not installed in versions that fit (requests 2.1 is there) for "
        f"{sys.executable}, and this test needs them. "
        f"Install them: {sys.executable} -m pip install 'josepy>=1.14,<3' 'requests>=2.28'"
    )
    libs.require("idna")
    assert libs.is_missing("josepy") and not libs.is_missing("idna")


def test_the_version_of_a_library_of_which_a_part_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libs, "MISSING", {})
    libs.missing("msal", "no_such_module")
    libs.missing("idna", "pytest")
    libs.missing("josepy", "os")
    assert dict(libs.MISSING) == {"msal": "", "idna": pytest.__version__, "josepy": "another version"}


@pytest.mark.parametrize("attribute", ["__path__", "__wrapped__"])
def test_a_stand_in_can_be_inspected(monkeypatch: pytest.MonkeyPatch, attribute: str) -> None:
    monkeypatch.setattr(libs, "MISSING", {"idna": ""})
    absent: t.Any = libs.Absent("idna")
    assert not hasattr(absent, attribute)
    with pytest.raises(MissingLibraryError, match="idna"):
        absent()
    with pytest.raises(MissingLibraryError, match="idna"):
        absent.encode.__call__()
