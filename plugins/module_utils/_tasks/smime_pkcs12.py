# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""smime_pkcs12: key, certificate, chain and old decryption keys in one file for mail clients (RFC 7292)."""

from __future__ import annotations

import contextlib
import os
import secrets
import typing as t
from dataclasses import dataclass

from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError, KeyMismatchError, SmimeError
from ansible_collections.mailcert.acme.plugins.module_utils._pki import certificate as pki_certificate
from ansible_collections.mailcert.acme.plugins.module_utils._pki import keys, pkcs12, pkcs12_cipher
from ansible_collections.mailcert.acme.plugins.module_utils._pki import libs as pki_libs
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs import atomic
from ansible_collections.mailcert.acme.plugins.module_utils._store.tree import record
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context, Outcome, Task
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.common import options

WEAK_PASSPHRASE = 12
RECORD_KEY_OCTETS = 32


@dataclass(frozen=True)
class HistoryEntry:
    """An old key of the mailbox and its certificate; absolute paths."""

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

        :raises InputError: a path that is relative.
        """
        options.check_paths(entry, "privatekey_path", "certificate_path")
        return cls(entry["privatekey_path"], entry["certificate_path"])


@dataclass(frozen=True)
class Pkcs12Options:
    """The options of the module; all paths are absolute.

    :ivar passphrase: ``None`` only where the user said so in so many words.
    :ivar generation: another number asks for the file to be written again.
    :ivar record_path: what the file was made of; compared instead of the file itself.
    :ivar record_key_path: a random secret under which the record tells one passphrase from another.
    :ivar would_exist: in check mode: an earlier step of the run would make the certificate.
    """

    path: str
    privatekey_path: str
    privatekey_passphrase: str | None
    certificate_path: str
    other_certificates_path: str | None
    history: tuple[HistoryEntry, ...]
    friendly_name: str | None
    passphrase: str | None
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

        :raises InputError: an option that cannot be used, or no passphrase.
        """
        options.check_paths(
            params, "path", "privatekey_path", "certificate_path", "other_certificates_path", "record_path",
            "record_key_path",
        )
        if not params["passphrase"] and not params["allow_no_passphrase"]:
            raise InputError(
                "passphrase is not set. Set it, or set allow_no_passphrase: true for a file that anyone who gets it"
                " can open."
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
        """Whether the encoding protects little and the passphrase is short."""
        return self.passphrase is not None and self.encoding == "compatible" and len(self.passphrase) < WEAK_PASSPHRASE


@dataclass(frozen=True)
class Pkcs12Result:
    """The return keys of the module."""

    # not "path": AnsibleModule would add the file's mode and owner to a result with that key
    filename: str
    friendly_names: tuple[str, ...] = ()
    fingerprints: tuple[str, ...] = ()
    backup_files: tuple[str, ...] = ()
    would_exist: bool = False


class _Source(t.NamedTuple):
    """One key and its certificate, and where they come from."""

    key_path: str
    certificate: pki_certificate.Certificate
    friendly_name: str


def run(params: options.Params, context: Context) -> Outcome:
    """Write the file where its contents, its encoding or its passphrase are not as the options say."""
    given = Pkcs12Options.parse(params)
    if given.is_weak:
        context.warn(
            f"encoding: compatible protects weakly (3DES, SHA-1), and the passphrase is shorter than {WEAK_PASSPHRASE}"
            " characters."
        )
    if context.check_mode and given.would_exist and not os.path.lexists(given.certificate_path):
        return _outcome(given, [], changed=True, would_exist=True)
    sources = _sources(given)
    # in check mode smime_order has not put the chain right that somebody changed; what it would be is on record
    recorded = _recorded_chain(given) if context.check_mode and given.would_exist else None
    chain = _chain(given) if recorded is None else []
    inputs = {
        "certificates": [source.certificate.fingerprint for source in sources],
        "chain": [issuer.fingerprint for issuer in chain] if recorded is None else recorded,
        "friendly_names": [source.friendly_name for source in sources],
        "encoding": given.encoding,
        "generation": given.generation,
    }
    if _up_to_date(given, inputs, sources):
        return _outcome(given, sources, changed=False)
    backups: list[str] = []
    if not context.check_mode:
        pairs = [_pair(given, source, chain if number == 0 else []) for number, source in enumerate(sources)]
        data = pkcs12.build(pairs, passphrase=given.passphrase, encoding=given.encoding)
        atomic.ensure_folder(os.path.dirname(given.path))
        only_here = _only_here(given, sources)
        kept = atomic.write_atomic(
            given.path, data, mode=given.files.secret_mode(), owner=given.files.owner, group=given.files.group,
            backup=given.files.backup or only_here,
        )
        backups = [kept] if kept else []
        if kept and only_here:
            context.warn(f"{given.path} held a private key that the new file has not; the old file is kept as {kept}.")
        if given.record_path:
            record.Pkcs12Record.make(
                inputs, passphrase=given.passphrase, key=_record_key(given), path=given.path,
                keys=[source.certificate.public_fingerprint for source in sources],
            ).save(given.record_path)
    return _outcome(given, sources, changed=True, backups=backups)


def _only_here(given: Pkcs12Options, sources: list[_Source]) -> bool:
    """Whether the file that is there holds a key that would not be in the new one: its own file may have been lost."""
    if not given.record_path:
        return False
    made = record.Pkcs12Record.load(given.record_path)
    return made is not None and not set(made.keys) <= {source.certificate.public_fingerprint for source in sources}


def _sources(given: Pkcs12Options) -> list[_Source]:
    """The current pair first, then the history, newest first; each certificate once, each with its own name."""
    current = _certificate(given.certificate_path, "certificate_path")
    default = given.friendly_name or (current.addresses[0] if current.addresses else current.subject)
    found = [_Source(given.privatekey_path, current, default)]
    for entry in given.history:
        certificate = _certificate(entry.certificate_path, "history.certificate_path")
        # the same key under two certificates opens the same mail
        if all(certificate.public_fingerprint != other.certificate.public_fingerprint for other in found):
            # equal names are folded into one by some importers (keytool)
            name = f"{default} until {certificate.not_after:%Y-%m-%d} {certificate.serial[-6:]}"
            found.append(_Source(entry.privatekey_path, certificate, name))
    return found


def _certificate(path: str, option: str) -> pki_certificate.Certificate:
    return pki_certificate.load_certificate(atomic.read_file(path, what=option), source=f"{option} {path}")


def _chain(given: Pkcs12Options) -> list[pki_certificate.Certificate]:
    path = given.other_certificates_path
    if path is None:
        return []
    data = atomic.read_file(path, what="other_certificates_path")
    return pki_certificate.load_chain(data, source=f"other_certificates_path {path}") if data.strip() else []


def _recorded_chain(given: Pkcs12Options) -> list[str] | None:
    """The fingerprints of the chain that the file was made with; None where there is no record."""
    made = record.Pkcs12Record.load(given.record_path) if given.record_path else None
    return list(made.inputs.get("chain", [])) if made else None


def _pair(
    given: Pkcs12Options, source: _Source, chain: list[pki_certificate.Certificate]
) -> pkcs12.KeyPair:
    key = keys.load_private_key(
        atomic.read_file(source.key_path, what="privatekey_path"),
        passphrase=given.privatekey_passphrase,
        source=f"privatekey_path {source.key_path}",
    )
    if keys.public_fingerprint(key) != source.certificate.public_fingerprint:
        raise KeyMismatchError(
            f"The key at {source.key_path} does not belong to the certificate that goes with it.", stage="pkcs12"
        )
    return pkcs12.KeyPair(key, source.certificate, tuple(chain), source.friendly_name)


def _record_key(given: Pkcs12Options) -> bytes:
    """The random secret under which the record tells one passphrase from another (RULES 21)."""
    if given.record_key_path is None:
        raise InputError("record_path needs record_key_path, a file for a random secret.")
    path = given.record_key_path
    if not os.path.lexists(path):
        with contextlib.suppress(FileExistsError):
            atomic.create_exclusive(path, secrets.token_bytes(RECORD_KEY_OCTETS), what="record_key_path")
    return atomic.read_file(path, what="record_key_path")


def _up_to_date(given: Pkcs12Options, inputs: dict[str, t.Any], sources: list[_Source]) -> bool:
    """Compared by the record where there is one, so that nothing is decrypted; else by opening the file."""
    if given.record_path:
        if given.record_key_path is None:
            raise InputError("record_path needs record_key_path, a file for a random secret.")
        if not os.path.lexists(given.record_key_path):
            return False
        made = record.Pkcs12Record.load(given.record_path)
        return made is not None and made.matches(
            inputs, passphrase=given.passphrase, key=_record_key(given), path=given.path
        )
    data = atomic.read_optional(given.path, what="path")
    if data is None:
        return False
    try:
        pairs = pkcs12.read(data, passphrase=given.passphrase, source=f"path {given.path}")
    except SmimeError:
        return False  # made with another passphrase, or no PKCS#12: write it again
    has = sorted((pair.certificate.fingerprint, pair.friendly_name) for pair in pairs)
    wants = sorted((source.certificate.fingerprint, source.friendly_name) for source in sources)
    return has == wants and pkcs12.encoding_of(data) == given.encoding


def _outcome(
    given: Pkcs12Options,
    sources: list[_Source],
    *,
    changed: bool,
    backups: t.Sequence[str] = (),
    would_exist: bool = False,
) -> Outcome:
    names = tuple(source.friendly_name for source in sources)
    text = f"pkcs12: {given.encoding}, {len(names)} keys\n" if names else f"pkcs12: {given.encoding}\n"
    return Outcome(
        changed=changed,
        result=Pkcs12Result(
            filename=given.path,
            friendly_names=names,
            fingerprints=tuple(source.certificate.fingerprint for source in sources),
            backup_files=tuple(backups),
            would_exist=would_exist,
        ),
        before="" if changed else text,
        after=text,
    )


TASK = Task(run=run, argument_spec=Pkcs12Options.spec(), result=Pkcs12Result, libraries=(pki_libs.require,))
