# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import typing as t

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._pki import libs

COLLECTIONS = pathlib.Path(__file__).resolve().parents[8]

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
def tell(call):
    try:
        print("no error", call())
    except errors.SmimeError as error:
        print(error.error_code, error)
tell(layer["libs"].require)
tell(lambda: layer["libs"].require("cryptography"))
tell(lambda: layer["keys"].generate(layer["keys"].key_spec("RSA")))
tell(lambda: layer["keys"].load_private_key(b"-----BEGIN", passphrase=None, source="x"))
tell(lambda: layer["csr"].load_csr(b"x", source="x"))
tell(lambda: layer["certificate"].load_certificate(b"x", source="x"))
tell(lambda: layer["pkcs12"].read(b"x", passphrase=None, source="x"))
"""


def run(gone: str, version: str = "") -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, gone, version],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(COLLECTIONS), *filter(None, sys.path)])},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_all_there() -> None:
    assert libs.MISSING == []
    libs.require()


def test_without_both() -> None:
    told = run("cryptography,asn1crypto")
    sentence = (
        f"missing_library The Python library cryptography is not installed for {sys.executable}. "
        f"Install it: {sys.executable} -m pip install 'cryptography>=45'"
    )
    assert told[:6] == [sentence] * 6
    assert told[6] == sentence.replace("cryptography>=45", "asn1crypto>=1.5").replace("cryptography", "asn1crypto")


def test_without_asn1crypto_only_pkcs12_is_lost() -> None:
    told = run("asn1crypto")
    assert "asn1crypto" in told[0] and told[1] == "no error None" and told[2].startswith("no error")
    assert "asn1crypto" in told[6]


def test_too_old() -> None:
    told = run("nothing", "38.0.4")
    assert "The Python library cryptography is not installed in a version that fits (38.0.4 is there)" in told[0]


@pytest.mark.parametrize("attribute", ["__path__", "__wrapped__"])
def test_a_stand_in_can_be_inspected(attribute: str) -> None:
    absent: t.Any = libs._Absent("x", "x>=1")
    assert not hasattr(absent, attribute)
    with pytest.raises(libs.MissingLibraryError):
        absent()
