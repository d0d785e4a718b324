# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of smime_pkcs12."""

from __future__ import annotations

from dataclasses import dataclass, field

from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError
from ansible_collections.mailcert.acme.plugins.module_utils._pki import pkcs12_cipher
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.common import options

#: a shorter passphrase, in characters, does not protect a file in a weak encoding
WEAK_PASSPHRASE = 12


@dataclass(frozen=True)
class HistoryEntry:
    """An old key of the mailbox and its certificate. The paths are absolute."""

    privatekey_path: str
    certificate_path: str

    @staticmethod
    def spec() -> options.Params:
        """The options of an entry of ``history``."""
        return {
            "privatekey_path": {"type": "path", "required": True},
            "certificate_path": {"type": "path", "required": True},
        }

    @classmethod
    def parse(cls, entry: options.Params) -> HistoryEntry:
        """The entry.

        :raises InputError: a relative path.
        """
        options.check_paths(entry, "privatekey_path", "certificate_path")
        return cls(entry["privatekey_path"], entry["certificate_path"])


@dataclass(frozen=True)
class Pkcs12Options:
    """The options of the module; all paths are absolute.

    :ivar passphrase: ``None`` only if the user has set ``allow_no_passphrase``.
    :ivar generation: a new number causes the file to be written again.
    :ivar record_path: the record of the file's inputs, which is compared instead of the file.
    :ivar record_key_path: a random secret, the key of the HMAC of the passphrase in the record.
    :ivar would_exist: in check mode: whether an earlier step of the run would make the certificate.
    """

    path: str
    privatekey_path: str
    privatekey_passphrase: str | None = field(repr=False)
    certificate_path: str
    other_certificates_path: str | None
    history: tuple[HistoryEntry, ...]
    friendly_name: str | None
    passphrase: str | None = field(repr=False)
    encoding: str
    generation: int
    record_path: str | None
    record_key_path: str | None
    would_exist: bool
    files: options.FileOptions

    @staticmethod
    def spec() -> options.Params:
        """The argument spec."""
        return {
            "path": {"type": "path", "required": True},
            "privatekey_path": {"type": "path", "required": True},
            "privatekey_passphrase": {"type": "str", "no_log": True},
            "certificate_path": {"type": "path", "required": True},
            "other_certificates_path": {"type": "path"},
            "history": {"type": "list", "elements": "dict", "default": [], "options": HistoryEntry.spec()},
            "friendly_name": {"type": "str"},
            "passphrase": {"type": "str", "no_log": True},
            "allow_no_passphrase": {"type": "bool", "default": False, "no_log": False},
            "encoding": {
                "type": "str",
                "choices": list(pkcs12_cipher.ENCODINGS),
                "default": pkcs12_cipher.DEFAULT_ENCODING,
            },
            "generation": {"type": "int", "default": 0},
            "record_path": {"type": "path"},
            "record_key_path": {"type": "path"},
            "would_exist": {"type": "bool", "default": False},
            **options.FileOptions.spec(),
        }

    @classmethod
    def parse(cls, params: options.Params) -> Pkcs12Options:
        """The options.

        :raises InputError: an invalid option, or no passphrase.
        """
        options.check_paths(
            params, "path", "privatekey_path", "certificate_path", "other_certificates_path", "record_path",
            "record_key_path",
        )
        if not params["passphrase"] and not params["allow_no_passphrase"]:
            raise InputError(
                "passphrase is not set. Set it. Or set allow_no_passphrase: true; then everyone who gets the file can"
                " open it."
            )
        files = options.FileOptions.parse(params)
        files.secret_mode()
        return cls(
            path=params["path"],
            privatekey_path=params["privatekey_path"],
            privatekey_passphrase=params["privatekey_passphrase"],
            certificate_path=params["certificate_path"],
            other_certificates_path=params["other_certificates_path"],
            history=tuple(HistoryEntry.parse(entry) for entry in params["history"]),
            friendly_name=params["friendly_name"],
            passphrase=params["passphrase"] or None,
            encoding=params["encoding"],
            generation=params["generation"],
            record_path=params["record_path"],
            record_key_path=params["record_key_path"],
            would_exist=params["would_exist"],
            files=files,
        )

    @property
    def is_weak(self) -> bool:
        """Whether both the encoding and the passphrase are weak."""
        return self.passphrase is not None and self.encoding == "compatible" and len(self.passphrase) < WEAK_PASSPHRASE
