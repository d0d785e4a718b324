# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of the lab's state folder: keys are kept there so that a restart is the same CA."""

from __future__ import annotations

import os
import pathlib
import typing as t

from cryptography.hazmat.primitives import serialization


def write(path: pathlib.Path, data: bytes, *, secret: bool = False) -> None:
    """Write a file whole; ``secret`` makes it 0600 from the first moment."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600 if secret else 0o644)
    with open(handle, "wb") as stream:
        stream.write(data)
    os.replace(temporary, path)


def private_pem(key: t.Any) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def key_file(path: pathlib.Path, make: t.Callable[[], t.Any]) -> t.Any:
    """The private key in ``path``, made and written on first use."""
    if path.exists():
        # our own key: the slow check of RSA primes tells nothing
        return serialization.load_pem_private_key(
            path.read_bytes(), password=None, unsafe_skip_rsa_key_validation=True
        )
    key = make()
    write(path, private_pem(key), secret=True)
    return key
