# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a downloaded chain to the files that are current: check, write, record, switch."""

from __future__ import annotations

import dataclasses
import os
import time
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._deadline import Deadline
from ansible_collections.mailcert.acme.plugins.module_utils._errors import CertificateError, KeyMismatchError
from ansible_collections.mailcert.acme.plugins.module_utils._pki import (
    certificate as pki_certificate,
)
from ansible_collections.mailcert.acme.plugins.module_utils._pki import (
    chain as pki_chain,
)
from ansible_collections.mailcert.acme.plugins.module_utils._pki import csr as requests
from ansible_collections.mailcert.acme.plugins.module_utils._pki import (
    keys,
    lint,
)
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs import atomic
from ansible_collections.mailcert.acme.plugins.module_utils._store.state.order_journal import Journal
from ansible_collections.mailcert.acme.plugins.module_utils._store.tree import chain_record, record
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.common import options

# seconds that a certificate is waited for which is not valid yet
LONGEST_WAIT = 60.0


def install(
    params: dict[str, t.Any],
    context: Context,
    request: requests.Csr,
    addresses: list[str],
    chain_pem: bytes,
    *,
    until: Deadline,
) -> tuple[pki_certificate.Certificate, tuple[str, ...]]:
    """Check what the CA issued, write it, and switch to it in one atomic step.

    :arg until: how long a certificate that is not valid yet is waited for.
    :returns: the certificate, and what lint has to say of it that is no reason to refuse it.

    :raises CertificateError: where it is not what the request asked for; nothing is written then.
    :raises KeyMismatchError: where ``privatekey_path`` holds another key; nothing is written then.
    """
    sent = pki_certificate.load_chain(chain_pem, source="what the CA issued")
    leaf, *chain = pki_chain.order_chain(sent)
    _wait_until_valid(leaf, context, until)
    report = lint.lint(
        leaf,
        chain + _broken_link([leaf, *chain], sent),
        public_fingerprint=request.public_fingerprint,
        addresses=addresses,
        usage=params["usage"],
        now=context.now(),
    )
    if report.errors:
        early = context.now() < leaf.not_before
        raise CertificateError(
            "What the CA issued cannot be used: " + " ".join(report.errors),
            # it may be valid later; anything else stays wrong, however often it is downloaded
            retryable=early and len(report.errors) == 1,
            details={"usable_later": early, "errors": list(report.errors)},
        )
    _check_private_key(params, request)
    above = b"".join(issuer.pem for issuer in chain)
    _write(params, leaf, above)
    _record(params, addresses, request, leaf, above)
    _switch(params)
    return leaf, report.warnings


def _wait_until_valid(leaf: pki_certificate.Certificate, context: Context, until: Deadline) -> None:
    """A CA whose clock is a little ahead of ours issues for a moment to come: the switch waits for it (rule 26)."""
    early = (leaf.not_before - context.now()).total_seconds()
    if 0 < early < min(LONGEST_WAIT, until.remaining()):
        time.sleep(early + 0.01)


def _broken_link(
    ordered: list[pki_certificate.Certificate], sent: list[pki_certificate.Certificate]
) -> list[pki_certificate.Certificate]:
    """What the CA sent as the next issuer and did not sign what is below it; the lint finds it in the chain then.

    Certificates that belong to no chain, such as another root, are left out in peace.
    """
    others = [certificate for certificate in sent if certificate not in ordered]
    if len(ordered) == 1:
        return others[:1]
    return [certificate for certificate in others if certificate.subject == ordered[-1].issuer][:1]


def complete(
    params: dict[str, t.Any], addresses: list[str], request: requests.Csr, leaf: pki_certificate.Certificate
) -> bool:
    """Finish what a run that was stopped began: the certificate is on disk, the record or the switch may be missing.

    :returns: whether something was missing.
    """
    wanted = params["record_path"]
    missing = bool(wanted) and not os.path.lexists(wanted)
    if missing:
        _record(params, addresses, request, leaf, _above_on_disk(params, leaf))
    return _switch(params) or missing


def pending(params: dict[str, t.Any]) -> bool:
    """Whether :func:`complete` has something to do."""
    wanted = params["record_path"]
    return bool(wanted) and not os.path.lexists(wanted) or _needs_switch(params)


def _needs_switch(params: dict[str, t.Any]) -> bool:
    link = params["current_path"]
    return bool(link) and not (os.path.islink(link) and os.readlink(link) == _version_name(params))


def _switch(params: dict[str, t.Any]) -> bool:
    """The one atomic step; what was current stays beside it."""
    if not _needs_switch(params):
        return False
    atomic.sync_folder(os.path.dirname(params["certificate_path"]))
    atomic.replace_link(params["current_path"], _version_name(params))
    return True


def _version_name(params: dict[str, t.Any]) -> str:
    """The link is relative, so that a store can be moved as a whole."""
    return os.path.relpath(os.path.dirname(params["certificate_path"]), os.path.dirname(params["current_path"]))


def key_facts(params: dict[str, t.Any]) -> dict[str, t.Any]:
    """How the private key's file looks when its order is finalized, for the journal; nothing where it is elsewhere."""
    path = params.get("privatekey_path")
    found = record.FileStat.of(path, digest=True) if path else None
    return {"privatekey": found.fields()} if found else {}


def _check_private_key(params: dict[str, t.Any], request: requests.Csr) -> None:
    path = params["privatekey_path"]
    if path is None:
        return  # the key lives on another host, which checks it there
    key = keys.load_private_key(
        atomic.read_file(path, what="privatekey_path"),
        passphrase=params["privatekey_passphrase"],
        source=f"privatekey_path {path}",
    )
    if keys.public_fingerprint(key) != request.public_fingerprint:
        raise KeyMismatchError(f"The key at privatekey_path {path} is not the one that signed the request.")


def _write(
    params: dict[str, t.Any],
    leaf: pki_certificate.Certificate,
    above: bytes,
    *,
    only: t.Collection[str] | None = None,
    default_mode: int = 0o600,
) -> None:
    """The certificate last: what finds it finds the rest.

    :arg above: the certificates above it, in PEM.
    :arg only: the paths to write; None for all.
    """
    how = {
        "mode": options.FileOptions.parse(params).mode_or(default_mode),
        "owner": params["owner"],
        "group": params["group"],
        "backup": params["backup"],
    }
    for option, data in (
        ("chain_path", above),
        ("fullchain_path", leaf.pem + above),
        ("certificate_path", leaf.pem),
    ):
        path = params[option]
        if path and (only is None or path in only):
            atomic.ensure_folder(os.path.dirname(path))
            atomic.write_atomic(path, data, **how)


def _above_on_disk(params: dict[str, t.Any], leaf: pki_certificate.Certificate) -> bytes | None:
    """The certificates above the one on disk, whose files were written before it; None where no file holds them."""
    if params["chain_path"]:
        return atomic.read_optional(params["chain_path"], what="chain_path")
    whole = atomic.read_optional(params["fullchain_path"], what="fullchain_path") if params["fullchain_path"] else None
    return whole[len(leaf.pem) :] if whole is not None and whole.startswith(leaf.pem) else None


def chain_damages(params: dict[str, t.Any], leaf: pki_certificate.Certificate) -> dict[str, str]:
    """The files of the chain that somebody changed or removed since, each with a sentence; by the record."""
    found = _recorded_issuers(params, leaf)
    return found.damages(params["chain_path"], params["fullchain_path"]) if found else {}


def restore_chain(params: dict[str, t.Any], leaf: pki_certificate.Certificate, damages: t.Collection[str]) -> None:
    """Write those files as they were; their permissions stay where ``mode`` does not say otherwise."""
    found = _recorded_issuers(params, leaf)
    for path in damages if found else ():
        there = record.FileStat.of(path)
        _write(params, leaf, found.pem.encode("ascii"), only=(path,), default_mode=there.mode if there else 0o600)


def _recorded_issuers(params: dict[str, t.Any], leaf: pki_certificate.Certificate) -> chain_record.Issuers | None:
    path = params["record_path"]
    recorded = record.VersionRecord.load(path) if path else None
    if recorded is None or recorded.certificate_fingerprint != leaf.fingerprint:
        return None
    return chain_record.Issuers.of(recorded, path)


def _record(
    params: dict[str, t.Any],
    addresses: list[str],
    request: requests.Csr,
    leaf: pki_certificate.Certificate,
    above: bytes | None,
) -> None:
    if not params["record_path"]:
        return
    extra = {}
    if above is not None:
        made = chain_record.Issuers.written(above, params["chain_path"], params["fullchain_path"])
        extra[chain_record.FIELD] = made.fields()
    journal = Journal.open(params["journal_path"]).read()
    record.VersionRecord(
        public_fingerprint=request.public_fingerprint,
        certificate_fingerprint=leaf.fingerprint,
        addresses=tuple(addresses),
        usage=params["usage"],
        key_spec=dataclasses.asdict(request.key_spec),
        directory=params["acme_directory"],
        not_before=leaf.not_before,
        not_after=leaf.not_after,
        profile=params["profile"] or "",
        privatekey=record.FileStat.of(params["privatekey_path"], digest=True) if params["privatekey_path"] else None,
        common_name=request.common_names[0] if request.common_names else "",
        serial=leaf.serial,
        issuer=leaf.issuer,
        ari_id=leaf.ari_id,
        account_uri=journal.account_uri if journal else "",
        extra=extra,
    ).save(params["record_path"])
