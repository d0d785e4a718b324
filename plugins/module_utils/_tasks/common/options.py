# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that several modules share: one builder for each documentation fragment, and what is read out of them."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils import _address
from ansible_collections.mailcert.acme.plugins.module_utils._deadline import Deadline
from ansible_collections.mailcert.acme.plugins.module_utils._errors import AddressError, InputError
from ansible_collections.mailcert.acme.plugins.module_utils._pki import key_usage as usages
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs import atomic

Params = t.Dict[str, t.Any]

# a year: nobody waits longer, and clocks take it
MOST_SECONDS = 365 * 86400



def file_options() -> Params:
    """Documentation fragment ``files``: how files are written."""
    return {
        "mode": {"type": "str"},
        "owner": {"type": "str"},
        "group": {"type": "str"},
        "allow_wide_mode": {"type": "bool", "default": False},
        "backup": {"type": "bool", "default": False},
    }


def certificate_wish_options() -> Params:
    """Documentation fragment ``wish``: what the certificate is for."""
    return {
        "addresses": {"type": "list", "elements": "str", "required": True},
        "usage": {"type": "str", "choices": list(usages.USAGES), "default": "dual"},
    }


def renewal_options() -> Params:
    """Documentation fragment ``renewal``: when a certificate is due."""
    return {
        "remaining_days": {"type": "int"},
        "remaining_percentage": {"type": "float"},
        "force": {"type": "bool", "default": False},
        "spread_days": {"type": "int"},
        "run_interval": {"type": "int"},
    }


def checked_addresses(values: t.Sequence[str], *, option: str = "addresses") -> list[str]:
    """The addresses in one spelling (domain in lower case, A-labels), each once.

    :raises AddressError: for what is none, a wildcard, or one given twice.
    """
    if not values:
        raise AddressError(f"{option} is empty; give at least one mail address.")
    result: list[str] = []
    for value in values:
        try:
            address = str(_address.parse(value))
        except AddressError as error:
            raise AddressError(f"{option}: {error.message}") from error
        if any(_address.same(address, other) for other in result):
            raise AddressError(f"{option} names {address} twice; give each address once.")
        result.append(address)
    return result


def check_number(params: Params, name: str, *, least: float) -> None:
    """Refuse a number that would make a wait end before it begins, or never: too small, or none that is finite.

    :raises InputError: naming the option.
    """
    value = params[name]
    if value is not None and not least <= value <= MOST_SECONDS:
        raise InputError(f"{name} is {value}; it must be from {least:g} to {MOST_SECONDS}.")


def check_paths(params: Params, *names: str) -> None:
    """Refuse relative paths: they mean another folder in each shell.

    :raises InputError: naming the option.
    """
    for name in names:
        value = params.get(name)
        if value is not None and not os.path.isabs(value):
            raise InputError(f"{name} must be an absolute path, not {value!r}.")


def secret_mode(params: Params) -> int:
    """The mode for a file that holds a secret: 0600, or what the user asked for.

    :raises InputError: for no octal mode, and for one wider than 0600 without ``allow_wide_mode``.
    """
    mode = file_mode(params, 0o600)
    if mode & ~0o600 and not params["allow_wide_mode"]:
        raise InputError(
            f"mode {mode:04o} would let others read a private key; leave mode out, or set allow_wide_mode: true."
        )
    return mode


def file_mode(params: Params, default: int) -> int:
    """The mode as a number, from octal text such as '0600'.

    :raises InputError: for anything else.
    """
    text = params.get("mode")
    if text is None:
        return default
    try:
        mode = int(text, 8)
    except ValueError:
        mode = -1
    if not 0 < mode <= 0o777:
        raise InputError("mode must be octal digits in quotes, for example '0600'.")
    return mode


def deadline(params: Params) -> Deadline:
    """The deadline of the whole task.

    :raises InputError: for one that is none.
    """
    check_number(params, "deadline", least=1)
    return Deadline(params["deadline"])


def input_bytes(params: Params, base: str, *, exists_later: bool = False) -> bytes | None:
    """The bytes of ``<base>_content`` or of the file ``<base>_path``.

    :arg exists_later: check mode, where an earlier step of the run would make the file: None then, instead of an error.
    :raises StoreError: for a file that cannot be read.
    """
    content = params.get(f"{base}_content")
    if content is not None:
        return content.encode()
    path = params.get(f"{base}_path")
    if path is None:
        return None
    check_paths(params, f"{base}_path")
    if exists_later and not os.path.lexists(path):
        return None
    return atomic.read_file(path, what=f"{base}_path")
