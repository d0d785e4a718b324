# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""smime_order: the order of one certificate (RFC 8555, section 7.4), from request to files on disk."""

from __future__ import annotations

import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._acme import libs as acme_libs
from ansible_collections.mailcert.acme.plugins.module_utils._errors import CertificateError
from ansible_collections.mailcert.acme.plugins.module_utils._pki import certificates, chain_choice, csr_check, lint
from ansible_collections.mailcert.acme.plugins.module_utils._pki import csr as requests
from ansible_collections.mailcert.acme.plugins.module_utils._pki import libs as pki_libs
from ansible_collections.mailcert.acme.plugins.module_utils._store import files
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context, Outcome, Task
from ansible_collections.mailcert.acme.plugins.module_utils._tasks import (
    _account_use,
    _asked,
    _attempts,
    _chain,
    _due,
    _heeded,
    _install,
    _issuing,
    _leaving,
    _key_owners,
    _moved,
    _options,
    _order_account,
    _renewal_looks,
    _requesting,
    _skew,
)

ARGUMENT_SPEC: dict[str, t.Any] = {
    **_options.acme_options(),
    "account_record_path": {"type": "path"},
    **_options.certificate_wish_options(),
    **_options.renewal_options(),
    **_options.file_options(),
    "state": {"type": "str", "choices": ["requested", "issued"], "required": True},
    "csr_path": {"type": "path"},
    "csr_content": {"type": "str"},
    "privatekey_path": {"type": "path"},
    "privatekey_passphrase": {"type": "str", "no_log": True},
    "certificate_path": {"type": "path", "required": True},
    "chain_path": {"type": "path"},
    "fullchain_path": {"type": "path"},
    "record_path": {"type": "path"},
    "current_path": {"type": "path"},
    "journal_path": {"type": "path", "required": True},
    "replies_path": {"type": "path"},
    "renewal_path": {"type": "path"},
    "replaces_cert_id": {"type": "str"},
    "keys_path": {"type": "path"},
    "profile": {"type": "str"},
    "not_before": {"type": "str"},
    "not_after": {"type": "str"},
    "select_chain": _chain.SELECT_CHAIN,
    "attempts_path": {"type": "path"},
    "order_rate": {"type": "str"},
    "run_id": {"type": "str"},
    "lease_duration": {"type": "int", "default": 3600},
    "would_exist": {"type": "bool", "default": False},
}

PATHS = (
    "csr_path",
    "privatekey_path",
    "certificate_path",
    "chain_path",
    "fullchain_path",
    "record_path",
    "current_path",
    "journal_path",
    "replies_path",
    "keys_path",
    "account_record_path",
    "renewal_path",
    "attempts_path",
)


def run(params: dict[str, t.Any], context: Context) -> Outcome:
    """Request: create or resume the order. Issue: finalize, download, check, install."""
    _options.check_paths(params, *PATHS)
    addresses = _options.checked_addresses(params["addresses"])
    # a slip in these is told before anything is asked of the CA, and in check mode too
    criteria = chain_choice.read_criteria(params["select_chain"] or [])
    _asked.Asked.of(params, context.now())
    request = _request(params, context, addresses)
    if request is None:
        return _outcome(params, changed=True, would_exist=True)
    present = _present_certificate(params, context, request, addresses)
    if present is not None:
        return _keep(params, context, request, addresses, present)
    _key_owners.claim_for_mailbox(params["keys_path"], request, addresses, write=not context.check_mode)
    if context.check_mode:
        return _outcome(params, changed=True, would_exist=True)
    with _attempts.recorded(params, context), _account_use.ordering(params):
        return _order(params, context, request, addresses, criteria)


def _order(
    params: dict[str, t.Any],
    context: Context,
    request: requests.Csr,
    addresses: list[str],
    criteria: t.Sequence[chain_choice.Criterion],
) -> Outcome:
    if params["state"] == "requested":
        requesting = _requesting.Requesting(params, context, request, addresses)
        order, created, opened = requesting.request()
        challenges = _order_account.marked(opened, requesting.client)
        _skew.tell(context, requesting.client.transport)
        _moved.tell(context, requesting.client)
        return _outcome(params, changed=created, order=order, challenges=challenges, given_up=requesting.given_up)
    issuing = _issuing.Issuing(params, context, request, addresses)
    with issuing.leased():
        order, chosen = issuing.issue(criteria)
        try:
            certificate, warnings = _install.install(
                params, context, request, addresses, chosen.pem, until=issuing.deadline
            )
        except CertificateError as error:
            if error.details.get("errors") and not error.details.get("usable_later"):
                issuing.give_up()
            raise
        heeded = _heeded.heeded(issuing.asked, order, certificate, chosen, context)
        issuing.close()
        _attempts.succeeded(params)
    _renewal_looks.after_issue(params, issuing.client, certificate, context)
    _skew.tell(context, issuing.client.transport)
    _moved.tell(context, issuing.client)
    return _outcome(
        params, changed=True, order=order, certificate=certificate, warnings=warnings, chosen=chosen, heeded=heeded
    )


def _request(params: dict[str, t.Any], context: Context, addresses: list[str]) -> requests.Csr | None:
    """The request, checked as what it is: hostile input (RULES: a CSR from a key host). None where it would exist."""
    data = _options.input_bytes(params, "csr", exists_later=context.check_mode and params["would_exist"])
    if data is None:
        return None
    source = "csr_content" if params["csr_content"] is not None else f"csr_path {params['csr_path']}"
    request = requests.load_csr(data, source=source)
    account_key = _options.expected_account_key(params, context.check_mode)
    csr_check.check_csr(
        request,
        addresses=addresses,
        usage=params["usage"],
        forbidden_fingerprints=(account_key.public_fingerprint,) if account_key else (),
    )
    return request


def _present_certificate(
    params: dict[str, t.Any], context: Context, request: requests.Csr, addresses: list[str]
) -> certificates.Certificate | None:
    """The certificate that stands already, where it fits the request and is not due; else None."""
    data = files.read_optional(params["certificate_path"], what="certificate_path")
    if data is None:
        return None
    certificate = certificates.load_certificate(data, source=f"certificate_path {params['certificate_path']}")
    if certificate.public_fingerprint != request.public_fingerprint:
        return None
    report = lint.lint(
        certificate,
        (),
        public_fingerprint=request.public_fingerprint,
        addresses=addresses,
        usage=params["usage"],
        now=context.now(),
    )
    decision = _due.decide(certificate, _due.Rules.of(params), context.now(), address=addresses[0])
    if report.errors or decision.due:
        return None
    return certificate


def _keep(
    params: dict[str, t.Any],
    context: Context,
    request: requests.Csr,
    addresses: list[str],
    certificate: certificates.Certificate,
) -> Outcome:
    """Nothing to order; in state ``issued`` a run that was stopped before the switch is brought to its end.

    Files of the chain that somebody changed or removed since are written as they were.
    """
    if params["state"] != "issued":
        return _outcome(params, changed=False, certificate=certificate)
    changed, damages = _install.pending(params), _install.chain_damages(params, certificate)
    for sentence in damages.values():
        context.warn(f"{sentence}. It is made anew from the record of its certificate, without an order.")
    if not context.check_mode:
        if changed:
            _install.complete(params, addresses, request, certificate)
        if damages:
            _install.restore_chain(params, certificate, damages)
    return _outcome(params, changed=changed or bool(damages), certificate=certificate, damages=damages)


def _outcome(
    params: dict[str, t.Any],
    *,
    changed: bool,
    order: t.Any = None,
    challenges: list[dict[str, t.Any]] | None = None,
    certificate: certificates.Certificate | None = None,
    warnings: tuple[str, ...] = (),
    chosen: _chain.Chosen = _chain.NONE,
    heeded: t.Sequence[dict[str, t.Any]] = (),
    given_up: t.Sequence[_leaving.Left] = (),
    damages: t.Mapping[str, str] | None = None,
    would_exist: bool = False,
) -> Outcome:
    values = {
        "order_uri": order.url if order else "",
        "order_status": order.status if order else "valid" if certificate else "",
        "challenges": challenges or [],
        "certificate_path": params["certificate_path"],
        "fingerprint": certificate.fingerprint if certificate else "",
        "serial_number": certificate.serial if certificate else "",
        "not_before": certificate.not_before.isoformat() if certificate else "",
        "not_after": certificate.not_after.isoformat() if certificate else "",
        "chain": chosen.fields(),
        "heeded": list(heeded),
        "given_up": [left.fields() for left in given_up],
        "lint_warnings": list(warnings),
        "would_exist": would_exist,
    }
    after = f"certificate: {params['usage']} for {', '.join(params['addresses'])}\n"
    if damages:
        before = after + "".join(f"{sentence}\n" for sentence in damages.values())
        made = "".join(f"{path} holds the chain\n" for path in damages)
        return Outcome(changed=changed, values=values, before=before, after=after + made)
    return Outcome(changed=changed, values=values, before="" if changed else after, after=after)


TASK = Task(
    run=run,
    argument_spec=ARGUMENT_SPEC,
    libraries=(acme_libs.require, pki_libs.require),
    mutually_exclusive=(_options.ACCOUNT_KEY_EXCLUSIVE, ("csr_path", "csr_content")),
    required_one_of=(_options.ACCOUNT_KEY_EXCLUSIVE, ("csr_path", "csr_content")),
)
