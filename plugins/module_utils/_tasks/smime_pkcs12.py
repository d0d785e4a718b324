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
from ansible_collections.mailcert.acme.plugins.module_utils._libs.require import PKI
from ansible_collections.mailcert.acme.plugins.module_utils._pki import certificate as pki_certificate
from ansible_collections.mailcert.acme.plugins.module_utils._pki import keys, pkcs12
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs import atomic
from ansible_collections.mailcert.acme.plugins.module_utils._store.tree import record
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context, Outcome, Task
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.common import options
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.pkcs12.options import WEAK_PASSPHRASE, Pkcs12Options

RECORD_KEY_OCTETS = 32


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
    """One key and its certificate, with the path of the key."""

    key_path: str
    certificate: pki_certificate.Certificate
    friendly_name: str


def run(params: options.Params, context: Context) -> Outcome:
    """Write the file if its contents, its encoding or its passphrase differ from the options."""
    given = Pkcs12Options.parse(params)
    if given.is_weak:
        context.warn(
            f"encoding: compatible is weak (3DES, SHA-1), and the passphrase is shorter than {WEAK_PASSPHRASE}"
            " characters. Use a longer passphrase."
        )
    if context.check_mode and given.would_exist and not os.path.lexists(given.certificate_path):
        return _outcome(given, [], changed=True, would_exist=True)
    sources = _sources(given)
    # in check mode smime_order does not repair a changed chain; the record has the chain as it should be
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
            context.warn(
                f"The old {given.path} had a private key that the new file does not have; a copy is kept as {kept}."
            )
        if given.record_path:
            record.Pkcs12Record.make(
                inputs, passphrase=given.passphrase, key=_record_key(given), path=given.path,
                keys=[source.certificate.public_fingerprint for source in sources],
            ).save(given.record_path)
    return _outcome(given, sources, changed=True, backups=backups)


def _only_here(given: Pkcs12Options, sources: list[_Source]) -> bool:
    """Whether the present file has a key that the new one would not have: it may be the only copy of the key."""
    if not given.record_path:
        return False
    made = record.Pkcs12Record.load(given.record_path)
    return made is not None and not set(made.keys) <= {source.certificate.public_fingerprint for source in sources}


def _sources(given: Pkcs12Options) -> list[_Source]:
    """The current pair, then the history, newest first. Each certificate is there once, with its own name."""
    current = _certificate(given.certificate_path, "certificate_path")
    default = given.friendly_name or (current.addresses[0] if current.addresses else current.subject)
    found = [_Source(given.privatekey_path, current, default)]
    for entry in given.history:
        certificate = _certificate(entry.certificate_path, "history.certificate_path")
        # two certificates with the same key decrypt the same mail
        if all(certificate.public_fingerprint != other.certificate.public_fingerprint for other in found):
            # some importers (keytool) merge equal names
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
    """The fingerprints of the chain in the record of the file; None without a record."""
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
            f"The key at {source.key_path} does not belong to its certificate in {source.certificate.source}.",
            stage="pkcs12",
        )
    return pkcs12.KeyPair(key, source.certificate, tuple(chain), source.friendly_name)


def _record_key(given: Pkcs12Options) -> bytes:
    """The random secret, the key of the HMAC of the passphrase in the record (docs/rules.md, rule 21)."""
    if given.record_key_path is None:
        raise InputError("record_path needs record_key_path, a file for a random secret.")
    path = given.record_key_path
    if not os.path.lexists(path):
        with contextlib.suppress(FileExistsError):
            atomic.create_exclusive(path, secrets.token_bytes(RECORD_KEY_OCTETS), what="record_key_path")
    return atomic.read_file(path, what="record_key_path")


def _up_to_date(given: Pkcs12Options, inputs: dict[str, t.Any], sources: list[_Source]) -> bool:
    """Whether the file is up to date: by its record, without decryption; without a record by its contents."""
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
        return False  # another passphrase, or no PKCS#12: the file is written again
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


TASK = Task(run=run, argument_spec=Pkcs12Options.spec(), result=Pkcs12Result, libraries=PKI)
