# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""smime_pkcs12: key, certificate, chain and old decryption keys in one file for mail clients (RFC 7292)."""

from __future__ import annotations

import contextlib
import os
import secrets
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError, KeyMismatchError, SmimeError
from ansible_collections.mailcert.acme.plugins.module_utils._libs.require import PKI
from ansible_collections.mailcert.acme.plugins.module_utils._pki import certificate as pki_certificate
from ansible_collections.mailcert.acme.plugins.module_utils._pki import keys, pkcs12
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs import atomic
from ansible_collections.mailcert.acme.plugins.module_utils._store.tree import record
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context, Outcome, Task
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.common import options

WEAK_PASSPHRASE = 12
RECORD_KEY_OCTETS = 32

ARGUMENT_SPEC: dict[str, t.Any] = {
    "path": {"type": "path", "required": True},
    "privatekey_path": {"type": "path", "required": True},
    "privatekey_passphrase": {"type": "str", "no_log": True},
    "certificate_path": {"type": "path", "required": True},
    "other_certificates_path": {"type": "path"},
    "history": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "privatekey_path": {"type": "path", "required": True},
            "certificate_path": {"type": "path", "required": True},
        },
    },
    "friendly_name": {"type": "str"},
    "passphrase": {"type": "str", "no_log": True},
    "allow_no_passphrase": {"type": "bool", "default": False, "no_log": False},
    "encoding": {"type": "str", "choices": ["modern", "compatible"], "default": "modern"},
    "generation": {"type": "int", "default": 0},
    "record_path": {"type": "path"},
    "record_key_path": {"type": "path"},
    "would_exist": {"type": "bool", "default": False},
    **options.file_options(),
}


class _Source(t.NamedTuple):
    """One key and its certificate, and where they come from."""

    key_path: str
    certificate: pki_certificate.Certificate
    friendly_name: str


def run(params: dict[str, t.Any], context: Context) -> Outcome:
    """Write the file where its contents, its encoding or its passphrase are not the wish."""
    options.check_paths(
        params, "path", "privatekey_path", "certificate_path", "other_certificates_path", "record_path",
        "record_key_path",
    )
    passphrase = _passphrase(params, context)
    mode = options.secret_mode(params)
    if context.check_mode and params["would_exist"] and not os.path.lexists(params["certificate_path"]):
        return _outcome(params, [], changed=True, would_exist=True)
    sources = _sources(params)
    # in check mode smime_order has not put the chain right that somebody changed; what it would be is on record
    recorded = _recorded_chain(params) if context.check_mode and params["would_exist"] else None
    chain = _chain(params) if recorded is None else []
    wish = {
        "certificates": [source.certificate.fingerprint for source in sources],
        "chain": [issuer.fingerprint for issuer in chain] if recorded is None else recorded,
        "friendly_names": [source.friendly_name for source in sources],
        "encoding": params["encoding"],
        "generation": params["generation"],
    }
    if _up_to_date(params, wish, passphrase, sources):
        return _outcome(params, sources, changed=False)
    backups: list[str] = []
    if not context.check_mode:
        pairs = [_pair(params, source, chain if number == 0 else []) for number, source in enumerate(sources)]
        data = pkcs12.build(pairs, passphrase=passphrase, encoding=params["encoding"])
        atomic.ensure_folder(os.path.dirname(params["path"]))
        only_here = _only_here(params, sources)
        kept = atomic.write_atomic(
            params["path"], data, mode=mode, owner=params["owner"], group=params["group"],
            backup=params["backup"] or only_here,
        )
        backups = [kept] if kept else []
        if kept and only_here:
            context.warn(f"{params['path']} held a private key that the new file has not; the old file is kept as {kept}.")
        if params["record_path"]:
            record.Pkcs12Record.make(
                wish, passphrase=passphrase, key=_record_key(params), path=params["path"],
                keys=[source.certificate.public_fingerprint for source in sources],
            ).save(params["record_path"])
    return _outcome(params, sources, changed=True, backups=backups)


def _only_here(params: dict[str, t.Any], sources: list[_Source]) -> bool:
    """Whether the file that is there holds a key that would not be in the new one: its own file may have been lost."""
    if not params["record_path"]:
        return False
    made = record.Pkcs12Record.load(params["record_path"])
    return made is not None and not set(made.keys) <= {source.certificate.public_fingerprint for source in sources}


def _passphrase(params: dict[str, t.Any], context: Context) -> str | None:
    """The passphrase; none only where the user says so in so many words."""
    passphrase = params["passphrase"]
    if not passphrase:
        if not params["allow_no_passphrase"]:
            raise InputError(
                "passphrase is not set. Set it, or set allow_no_passphrase: true for a file that anyone who gets it"
                " can open."
            )
        return None
    if params["encoding"] == "compatible" and len(passphrase) < WEAK_PASSPHRASE:
        context.warn(
            f"encoding: compatible protects weakly (3DES, SHA-1), and the passphrase is shorter than {WEAK_PASSPHRASE}"
            " characters."
        )
    return passphrase


def _sources(params: dict[str, t.Any]) -> list[_Source]:
    """The current pair first, then the history, newest first; each certificate once, each with its own name."""
    current = _certificate(params["certificate_path"], "certificate_path")
    default = params["friendly_name"] or (current.addresses[0] if current.addresses else current.subject)
    found = [_Source(params["privatekey_path"], current, default)]
    for entry in params["history"]:
        options.check_paths(entry, "privatekey_path", "certificate_path")
        certificate = _certificate(entry["certificate_path"], "history.certificate_path")
        # the same key under two certificates opens the same mail
        if all(certificate.public_fingerprint != other.certificate.public_fingerprint for other in found):
            # equal names are folded into one by some importers (keytool)
            name = f"{default} until {certificate.not_after:%Y-%m-%d} {certificate.serial[-6:]}"
            found.append(_Source(entry["privatekey_path"], certificate, name))
    return found


def _certificate(path: str, option: str) -> pki_certificate.Certificate:
    return pki_certificate.load_certificate(atomic.read_file(path, what=option), source=f"{option} {path}")


def _chain(params: dict[str, t.Any]) -> list[pki_certificate.Certificate]:
    path = params["other_certificates_path"]
    if path is None:
        return []
    data = atomic.read_file(path, what="other_certificates_path")
    return pki_certificate.load_chain(data, source=f"other_certificates_path {path}") if data.strip() else []


def _recorded_chain(params: dict[str, t.Any]) -> list[str] | None:
    """The fingerprints of the chain that the file was made with; None where there is no record."""
    made = record.Pkcs12Record.load(params["record_path"]) if params["record_path"] else None
    return list(made.inputs.get("chain", [])) if made else None


def _pair(
    params: dict[str, t.Any], source: _Source, chain: list[pki_certificate.Certificate]
) -> pkcs12.KeyPair:
    key = keys.load_private_key(
        atomic.read_file(source.key_path, what="privatekey_path"),
        passphrase=params["privatekey_passphrase"],
        source=f"privatekey_path {source.key_path}",
    )
    if keys.public_fingerprint(key) != source.certificate.public_fingerprint:
        raise KeyMismatchError(
            f"The key at {source.key_path} does not belong to the certificate that goes with it.", stage="pkcs12"
        )
    return pkcs12.KeyPair(key, source.certificate, tuple(chain), source.friendly_name)


def _record_key(params: dict[str, t.Any]) -> bytes:
    """The random secret under which the record tells one passphrase from another (RULES 21)."""
    if params["record_key_path"] is None:
        raise InputError("record_path needs record_key_path, a file for a random secret.")
    path = params["record_key_path"]
    if not os.path.lexists(path):
        with contextlib.suppress(FileExistsError):
            atomic.create_exclusive(path, secrets.token_bytes(RECORD_KEY_OCTETS), what="record_key_path")
    return atomic.read_file(path, what="record_key_path")


def _up_to_date(
    params: dict[str, t.Any], wish: dict[str, t.Any], passphrase: str | None, sources: list[_Source]
) -> bool:
    """Compared by the record where there is one, so that nothing is decrypted; else by opening the file."""
    if params["record_path"]:
        if params["record_key_path"] is None:
            raise InputError("record_path needs record_key_path, a file for a random secret.")
        if not os.path.lexists(params["record_key_path"]):
            return False
        made = record.Pkcs12Record.load(params["record_path"])
        return made is not None and made.matches(
            wish, passphrase=passphrase, key=_record_key(params), path=params["path"]
        )
    data = atomic.read_optional(params["path"], what="path")
    if data is None:
        return False
    try:
        pairs = pkcs12.read(data, passphrase=passphrase, source=f"path {params['path']}")
    except SmimeError:
        return False  # made with another passphrase, or no PKCS#12: write it anew
    has = sorted((pair.certificate.fingerprint, pair.friendly_name) for pair in pairs)
    wants = sorted((source.certificate.fingerprint, source.friendly_name) for source in sources)
    return has == wants and pkcs12.encoding_of(data) == params["encoding"]


def _outcome(
    params: dict[str, t.Any],
    sources: list[_Source],
    *,
    changed: bool,
    backups: list[str] | None = None,
    would_exist: bool = False,
) -> Outcome:
    names = [source.friendly_name for source in sources]
    text = f"pkcs12: {params['encoding']}, {len(names)} keys\n" if names else f"pkcs12: {params['encoding']}\n"
    return Outcome(
        changed=changed,
        values={
            # not "path": AnsibleModule would add the file's mode and owner to a result with that key
            "filename": params["path"],
            "friendly_names": names,
            "fingerprints": [source.certificate.fingerprint for source in sources],
            "backup_files": backups or [],
            "would_exist": would_exist,
        },
        before="" if changed else text,
        after=text,
    )


TASK = Task(run=run, argument_spec=ARGUMENT_SPEC, libraries=PKI)
