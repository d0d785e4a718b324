# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""smime_certificate_info: what certificates there are, whether they are due and why, and what is wrong with them."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._errors import SmimeError, StoreError
from ansible_collections.mailcert.acme.plugins.module_utils._libs.require import PKI
from ansible_collections.mailcert.acme.plugins.module_utils._pki import certificate, keys, lint
from ansible_collections.mailcert.acme.plugins.module_utils._pki import key_usage as usages
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs import atomic
from ansible_collections.mailcert.acme.plugins.module_utils._store.state.renewal_info import Renewal
from ansible_collections.mailcert.acme.plugins.module_utils._store.tree import layout, lineage, record
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context, Outcome, Task
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.common import options
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.renewal import policy

ARGUMENT_SPEC: dict[str, t.Any] = {
    "certificate_path": {"type": "path"},
    "certificate_content": {"type": "str"},
    "chain_path": {"type": "path"},
    "privatekey_path": {"type": "path"},
    "privatekey_passphrase": {"type": "str", "no_log": True},
    "store_path": {"type": "path"},
    "addresses": {"type": "list", "elements": "str", "default": []},
    "usage": {"type": "str", "choices": ["dual", "sign", "encrypt"]},
    **policy.RenewalOptions.spec(),
}


def run(params: dict[str, t.Any], context: Context) -> Outcome:
    """Look at one certificate, or at the current ones of a store. Nothing is changed, no server is asked."""
    options.check_paths(params, "certificate_path", "chain_path", "privatekey_path", "store_path")
    if params["store_path"] is not None:
        found = _of_store(params, context)
    else:
        found = [_single(params, context)]
    due = sorted({address for entry in found if entry["due"] for address in entry["addresses"][:1]})
    return Outcome(changed=False, values={"certificates": found, "due": due})


def _single(params: dict[str, t.Any], context: Context) -> dict[str, t.Any]:
    data = options.Content.parse(params, "certificate").read() or b""
    source = params["certificate_path"] or "certificate_content"
    chain = certificate.load_chain(data, source=source)
    leaf, rest = chain[0], chain[1:]
    if params["chain_path"] is not None:
        more = atomic.read_file(params["chain_path"], what="chain_path")
        rest = certificate.load_chain(more, source=f"chain_path {params['chain_path']}")
    key_match: bool | None = None
    if params["privatekey_path"] is not None:
        key = keys.load_private_key(
            atomic.read_file(params["privatekey_path"], what="privatekey_path"),
            passphrase=params["privatekey_passphrase"],
            source=f"privatekey_path {params['privatekey_path']}",
        )
        key_match = keys.public_fingerprint(key) == leaf.public_fingerprint
    addresses = options.checked_addresses(params["addresses"]) if params["addresses"] else list(leaf.addresses)
    return _describe(
        params, context, leaf, rest or None, addresses=addresses, usage=params["usage"], key_match=key_match,
        path=params["certificate_path"] or "",
    )


def _of_store(params: dict[str, t.Any], context: Context) -> list[dict[str, t.Any]]:
    store = layout.Store(params["store_path"], option="store_path")
    if params["addresses"]:
        wanted = options.checked_addresses(params["addresses"])
        unreadable: list[StoreError] = []
    else:
        unreadable = []
        wanted = store.list_addresses(unreadable)
    found = [_broken("", "", error) for error in unreadable]
    for address in wanted:
        try:
            folder = store.mailbox(address)
            for name in folder.lines():
                if params["usage"] is None or name.rpartition("-")[2] == params["usage"]:
                    found += _of_line(params, context, address, name, folder.line(name))
        except SmimeError as error:
            found.append(_broken(address, "", error))
    return found


def _of_line(
    params: dict[str, t.Any], context: Context, address: str, name: str, line: lineage.Line
) -> list[dict[str, t.Any]]:
    try:
        current = line.current()
        if current is None:
            return []
        recorded = record.VersionRecord.load(current.record)
        leaf = certificate.load_certificate(
            atomic.read_file(current.certificate, what="certificate"), source=current.certificate
        )
        issuers = atomic.read_optional(current.chain, what="chain") or b""
        chain = certificate.load_chain(issuers, source=current.chain) if issuers.strip() else []
        match = None
        known = Renewal.load(line.renewal)
        if recorded is not None:
            match = recorded.public_fingerprint == leaf.public_fingerprint and os.path.lexists(current.privatekey)
        return [
            _describe(
                params, context, leaf, chain,
                addresses=list(recorded.addresses) if recorded else [address],
                usage=recorded.usage if recorded else None, key_match=match,
                path=current.certificate, line=name, version=current.number,
                known=known if known is not None and known.ari_id == leaf.ari_id else None,
            )
        ]
    except SmimeError as error:
        return [_broken(address, name, error)]


def _describe(
    params: dict[str, t.Any],
    context: Context,
    leaf: certificate.Certificate,
    chain: list[certificate.Certificate] | None,
    *,
    addresses: list[str],
    usage: str | None,
    key_match: bool | None,
    path: str,
    line: str = "",
    version: int = 0,
    known: Renewal | None = None,
) -> dict[str, t.Any]:
    now = context.now()
    place = (addresses or list(leaf.addresses) or [""])[0]
    decision = policy.decide(leaf, policy.RenewalOptions.parse(params), now, address=place, known=known)
    usage = usage or usages.usage_of(leaf.key_usage)
    report = lint.lint(
        leaf, chain or (), public_fingerprint=leaf.public_fingerprint, addresses=addresses, usage=usage or "dual", now=now
    )
    errors = list(report.errors)
    if key_match is False:
        errors.insert(0, "the private key does not belong to the certificate")
    return {
        "addresses": list(leaf.addresses) or addresses,
        "usage": usage or "",
        "path": path,
        "line": line,
        "version": version,
        "subject": leaf.subject,
        "issuer": leaf.issuer,
        "serial_number": leaf.serial,
        "fingerprint": leaf.fingerprint,
        "public_key_fingerprint": leaf.public_fingerprint,
        "not_before": leaf.not_before.isoformat(),
        "not_after": leaf.not_after.isoformat(),
        "remaining_days": (leaf.not_after - now).days,
        "renew_at": decision.renew_at.isoformat(),
        "due": decision.due,
        "reason": decision.reason,
        "detail": policy.detail(decision, leaf, known),
        "key_match": key_match,
        "lint_errors": errors,
        "lint_warnings": list(report.warnings),
        "error": "",
    }


def _broken(address: str, line: str, error: SmimeError) -> dict[str, t.Any]:
    """The same keys for a certificate that cannot be read."""
    empty = dict.fromkeys(
        ("usage", "path", "subject", "issuer", "serial_number", "fingerprint", "public_key_fingerprint", "not_before",
         "not_after", "renew_at", "detail"),
        "",
    )
    return {
        **empty,
        "addresses": [address] if address else [],
        "line": line,
        "version": 0,
        "remaining_days": 0,
        "due": True,
        "reason": "unreadable",
        "key_match": None,
        "lint_errors": [],
        "lint_warnings": [],
        "error": error.message,
    }


TASK = Task(
    run=run,
    argument_spec=ARGUMENT_SPEC,
    libraries=PKI,
    mutually_exclusive=(("certificate_path", "certificate_content", "store_path"),),
    required_one_of=(("certificate_path", "certificate_content", "store_path"),),
)
