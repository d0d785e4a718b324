# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The test CAs, keys made once, and the openssl command."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import typing as t

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._pki import keys
from ansible_collections.mailcert.acme.tests.helpers.pki_objects import Ca


@pytest.fixture(scope="session")
def root() -> Ca:
    return Ca("Test root")


@pytest.fixture(scope="session")
def intermediate(root: Ca) -> Ca:
    return Ca("Test intermediate", root)


@pytest.fixture(scope="session")
def key_of() -> t.Callable[[keys.KeySpec], t.Any]:
    """One key of each kind, made when first asked for."""
    made: dict[keys.KeySpec, t.Any] = {}

    def give(spec: keys.KeySpec) -> t.Any:
        if spec not in made:
            made[spec] = keys.generate(spec)
        return made[spec]

    return give


@pytest.fixture(scope="session")
def rsa_key(key_of: t.Any) -> t.Any:
    return key_of(keys.key_spec("RSA", 2048))


@pytest.fixture(scope="session")
def ec_key(key_of: t.Any) -> t.Any:
    return key_of(keys.key_spec("ECC", None, "secp256r1"))


@pytest.fixture(scope="session")
def openssl() -> t.Callable[..., subprocess.CompletedProcess[str]]:
    """Run the openssl command; fails the test where it fails, unless ``check=False``."""
    command = shutil.which("openssl")
    if command is None:
        pytest.fail("The openssl command is missing; install it: apt-get install openssl")

    def run(*arguments: t.Any, check: bool = True, data: bytes = b"") -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "LC_ALL": "C.UTF-8"}
        done = subprocess.run(
            [command, *map(str, arguments)], input=data, capture_output=True, env=environment, timeout=60, check=False
        )
        result = subprocess.CompletedProcess(
            done.args, done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
        )
        assert not check or result.returncode == 0, f"openssl {arguments}: {result.stdout}{result.stderr}"
        return result

    return run


@pytest.fixture
def write(tmp_path: pathlib.Path) -> t.Callable[[str, bytes | str], pathlib.Path]:
    """Write a file into the test's own folder."""

    def give(name: str, data: bytes | str) -> pathlib.Path:
        path = tmp_path / name
        path.write_bytes(data.encode("utf-8") if isinstance(data, str) else data)
        return path

    return give
