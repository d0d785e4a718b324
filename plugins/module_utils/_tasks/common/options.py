# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Groups of options that several modules share, and the checks that every group needs.

A group is a frozen dataclass. ``spec()`` returns its part of the argument spec. ``parse(params)`` makes the group from
the validated parameters of a task, with all checks that need no server. Only ``parse`` uses the parameters.
"""

from __future__ import annotations

import os
import typing as t
from dataclasses import dataclass, field

from ansible_collections.mailcert.acme.plugins.module_utils import _address
from ansible_collections.mailcert.acme.plugins.module_utils._errors import AddressError, InputError
from ansible_collections.mailcert.acme.plugins.module_utils._pki import key_usage, keys
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs import atomic

#: The validated parameters of a task, or a part of an argument spec.
Params = dict[str, t.Any]

# seconds for each answer of a CA
REQUEST_TIMEOUT = 10
# one year in seconds, the longest wait
MOST_SECONDS = 365 * 86400


@dataclass(frozen=True)
class FileOptions:
    """The properties of written files: documentation fragment ``files``.

    :ivar mode: octal text such as ``0600``; ``None`` for the default of the file.
    :ivar allow_wide_mode: whether others may read a secret.
    :ivar backup: whether to keep a copy of a replaced file.
    """

    mode: str | None = None
    owner: str | None = None
    group: str | None = None
    allow_wide_mode: bool = False
    backup: bool = False

    @staticmethod
    def spec() -> Params:
        """The part of the argument spec."""
        return {
            "mode": {"type": "str"},
            "owner": {"type": "str"},
            "group": {"type": "str"},
            "allow_wide_mode": {"type": "bool", "default": False},
            "backup": {"type": "bool", "default": False},
        }

    @classmethod
    def parse(cls, params: Params) -> FileOptions:
        """The group.

        :raises InputError: ``mode`` is no octal number.
        """
        group = cls(
            mode=params["mode"],
            owner=params["owner"],
            group=params["group"],
            allow_wide_mode=params["allow_wide_mode"],
            backup=params["backup"],
        )
        group.mode_or(0o600)
        return group

    def mode_or(self, default: int) -> int:
        """The mode as a number.

        :raises InputError: it is not octal digits.
        """
        if self.mode is None:
            return default
        try:
            mode = int(self.mode, 8)
        except ValueError:
            mode = -1
        if not 0 < mode <= 0o777:
            raise InputError("mode must be octal digits in quotes, for example '0600'.")
        return mode

    def secret_mode(self) -> int:
        """The mode of a file with a secret: 0600, or the mode of the user.

        :raises InputError: a mode wider than 0600 without ``allow_wide_mode``.
        """
        mode = self.mode_or(0o600)
        if mode & ~0o600 and not self.allow_wide_mode:
            raise InputError(
                f"With mode {mode:04o} others could read a private key; remove mode, or set allow_wide_mode: true."
            )
        return mode


@dataclass(frozen=True)
class CertificateOptions:
    """The addresses and the usage of a certificate: documentation fragment ``certificate``.

    :ivar addresses: at least one, each once, in one spelling (domain in lower-case A-labels); the first is the primary.
    :ivar usage: ``dual``, ``sign`` or ``encrypt``.
    """

    addresses: tuple[str, ...]
    usage: str

    @staticmethod
    def spec() -> Params:
        """The part of the argument spec."""
        return {
            "addresses": {"type": "list", "elements": "str", "required": True},
            "usage": {"type": "str", "choices": list(key_usage.USAGES), "default": key_usage.DEFAULT_USAGE},
        }

    @classmethod
    def parse(cls, params: Params) -> CertificateOptions:
        """The group.

        :raises AddressError: an invalid address, a wildcard, or an address that is given twice.
        """
        return cls(tuple(checked_addresses(params["addresses"])), params["usage"])


class KeyOptions:
    """The options that make a :class:`keys.KeySpec`: the kind of the private key of a certificate."""

    @staticmethod
    def spec() -> Params:
        """The part of the argument spec. ``privatekey_size`` is in bits."""
        return {
            "privatekey_type": {"type": "str", "choices": list(keys.TYPES), "default": keys.DEFAULT_TYPE},
            "privatekey_size": {"type": "int", "default": keys.DEFAULT_RSA_SIZE},
            "privatekey_curve": {"type": "str", "choices": list(keys.CURVES), "default": keys.DEFAULT_CURVE},
        }

    @staticmethod
    def parse(params: t.Mapping[str, t.Any]) -> keys.KeySpec:
        """The kind of key.

        :raises KeyPolicyError: a size or curve that the profile does not allow; names the option.
        """
        return keys.key_spec(params["privatekey_type"], params["privatekey_size"], params["privatekey_curve"])


@dataclass(frozen=True)
class Content:
    """An input as text (``<base>_content``) or as a file (``<base>_path``), such as a CSR.

    :ivar base: the common part of the names of both options.
    """

    base: str
    content: str | None = field(repr=False)
    path: str | None

    @classmethod
    def parse(cls, params: Params, base: str) -> Content:
        """The group.

        :raises InputError: the path is not absolute.
        """
        check_paths(params, f"{base}_path")
        return cls(base, params[f"{base}_content"], params[f"{base}_path"])

    @property
    def given(self) -> bool:
        """Whether either option is set."""
        return self.content is not None or self.path is not None

    @property
    def source(self) -> str:
        """The option and its path, for messages."""
        return f"{self.base}_content" if self.path is None else f"{self.base}_path {self.path}"

    def read(self, *, exists_later: bool = False) -> bytes | None:
        """The octets; ``None`` where neither option is set.

        :arg exists_later: for check mode, where an earlier step would make the file: a missing file gives ``None``.
        :raises StoreError: the file cannot be read.
        """
        if self.content is not None:
            return self.content.encode()
        if self.path is None or (exists_later and not os.path.lexists(self.path)):
            return None
        return atomic.read_file(self.path, what=f"{self.base}_path")


def checked_addresses(values: t.Sequence[str], *, option: str = "addresses") -> list[str]:
    """The addresses in one spelling (domain in lower case, A-labels), each once.

    :raises AddressError: an invalid address, a wildcard, or an address that is given twice.
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
    """Refuse a number of seconds that is too small, too large or not finite.

    :raises InputError: naming the option.
    """
    value = params[name]
    if value is not None and not least <= value <= MOST_SECONDS:
        raise InputError(f"{name} is {value}; it must be from {least:g} to {MOST_SECONDS}.")


def check_paths(params: Params, *names: str) -> None:
    """Refuse relative paths: each runner has another working directory.

    :raises InputError: naming the option.
    """
    for name in names:
        check_path(params[name], name)


def check_path(path: str | None, option: str) -> str | None:
    """The path, if it is absolute or not set.

    :raises InputError: it is relative; naming the option.
    """
    if path is not None and not os.path.isabs(path):
        raise InputError(f"{option} must be an absolute path, not {path!r}.")
    return path
