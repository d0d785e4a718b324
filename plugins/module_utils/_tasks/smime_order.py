# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""smime_order: the order of one certificate (RFC 8555, section 7.4), from request to files on disk."""

from __future__ import annotations

import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._acme import libs as acme_libs
from ansible_collections.mailcert.acme.plugins.module_utils._errors import CertificateError
from ansible_collections.mailcert.acme.plugins.module_utils._pki import (
    certificate as pki_certificate,
)
from ansible_collections.mailcert.acme.plugins.module_utils._pki import csr as requests
from ansible_collections.mailcert.acme.plugins.module_utils._pki import (
    csr_check,
    lint,
    select_chain,
)
from ansible_collections.mailcert.acme.plugins.module_utils._pki import libs as pki_libs
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs import atomic
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context, Outcome, Task
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.account import connection, lock
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.challenge.model import Challenge
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.common import (
    clock_skew,
    failed_attempts,
    key_owners,
    moved_directory,
    options,
)
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.order import (
    abandon,
    account_check,
    chain,
    create,
    finalize,
    honored,
    install,
    new_order,
)
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.renewal import policy, renewal_info

ARGUMENT_SPEC: dict[str, t.Any] = {
    **connection.AcmeOptions.spec(),
    **options.CertificateOptions.spec(),
    **policy.RenewalOptions.spec(),
    **options.FileOptions.spec(),
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
    "select_chain": chain.SELECT_CHAIN,
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
    options.check_paths(params, *PATHS)
    addresses = options.checked_addresses(params["addresses"])
    # a slip in these is told before anything is asked of the CA, and in check mode too
    criteria = select_chain.read_criteria(params["select_chain"] or [])
    new_order.Asked.of(params, context.now())
    request = _request(params, context, addresses)
    if request is None:
        return _outcome(params, changed=True, would_exist=True)
    present = _present_certificate(params, context, request, addresses)
    if present is not None:
        return _keep(params, context, request, addresses, present)
    key_owners.claim_for_mailbox(params["keys_path"], request, addresses, write=not context.check_mode)
    if context.check_mode:
        return _outcome(params, changed=True, would_exist=True)
    acme = connection.AcmeOptions.parse(params)
    options.check_paths(params, "attempts_path")
    with failed_attempts.recorded(params["attempts_path"], acme.directory, context), lock.ordering(acme):
        return _order(params, context, request, addresses, criteria)


def _order(
    params: dict[str, t.Any],
    context: Context,
    request: requests.Csr,
    addresses: list[str],
    criteria: t.Sequence[select_chain.Criterion],
) -> Outcome:
    if params["state"] == "requested":
        requesting = create.Requesting(params, context, request, addresses)
        order, created, opened = requesting.request()
        challenges = account_check.marked(opened, requesting.client)
        clock_skew.warn(context, requesting.client.transport)
        moved_directory.warn(context, requesting.client)
        return _outcome(params, changed=created, order=order, challenges=challenges, given_up=requesting.given_up)
    issuing = finalize.Issuing(params, context, request, addresses)
    with issuing.leased():
        order, chosen = issuing.issue(criteria)
        try:
            certificate, warnings = install.install(
                params, context, request, addresses, chosen.pem, until=issuing.deadline
            )
        except CertificateError as error:
            if error.details.get("errors") and not error.details.get("usable_later"):
                issuing.give_up()
            raise
        heeded = honored.heeded(issuing.asked, order, certificate, chosen, context)
        issuing.close()
        failed_attempts.succeeded(params["attempts_path"])
    renewal_info.after_issue(params["renewal_path"], issuing.client, certificate, context)
    clock_skew.warn(context, issuing.client.transport)
    moved_directory.warn(context, issuing.client)
    return _outcome(
        params, changed=True, order=order, certificate=certificate, warnings=warnings, chosen=chosen, heeded=heeded
    )


def _request(params: dict[str, t.Any], context: Context, addresses: list[str]) -> requests.Csr | None:
    """The request, checked as what it is: hostile input (RULES: a CSR from a key host). None where it would exist."""
    csr = options.Content.parse(params, "csr")
    data = csr.read(exists_later=context.check_mode and params["would_exist"])
    if data is None:
        return None
    request = requests.load_csr(data, source=csr.source)
    account_key = connection.AcmeOptions.parse(params).expected_account_key(check_mode=context.check_mode)
    csr_check.check_csr(
        request,
        addresses=addresses,
        usage=params["usage"],
        forbidden_fingerprints=(account_key.public_fingerprint,) if account_key else (),
    )
    return request


def _present_certificate(
    params: dict[str, t.Any], context: Context, request: requests.Csr, addresses: list[str]
) -> pki_certificate.Certificate | None:
    """The certificate that stands already, where it fits the request and is not due; else None."""
    data = atomic.read_optional(params["certificate_path"], what="certificate_path")
    if data is None:
        return None
    certificate = pki_certificate.load_certificate(data, source=f"certificate_path {params['certificate_path']}")
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
    decision = policy.decide(certificate, policy.RenewalOptions.parse(params), context.now(), address=addresses[0])
    if report.errors or decision.due:
        return None
    return certificate


def _keep(
    params: dict[str, t.Any],
    context: Context,
    request: requests.Csr,
    addresses: list[str],
    certificate: pki_certificate.Certificate,
) -> Outcome:
    """Nothing to order; in state ``issued`` a run that was stopped before the switch is brought to its end.

    Files of the chain that somebody changed or removed since are written as they were.
    """
    if params["state"] != "issued":
        return _outcome(params, changed=False, certificate=certificate)
    changed, damages = install.pending(params), install.chain_damages(params, certificate)
    for sentence in damages.values():
        context.warn(f"{sentence}. It is made anew from the record of its certificate, without an order.")
    if not context.check_mode:
        if changed:
            install.complete(params, addresses, request, certificate)
        if damages:
            install.restore_chain(params, certificate, damages)
    return _outcome(params, changed=changed or bool(damages), certificate=certificate, damages=damages)


def _outcome(
    params: dict[str, t.Any],
    *,
    changed: bool,
    order: t.Any = None,
    challenges: t.Sequence[Challenge] = (),
    certificate: pki_certificate.Certificate | None = None,
    warnings: tuple[str, ...] = (),
    chosen: chain.Chosen = chain.NONE,
    heeded: t.Sequence[dict[str, t.Any]] = (),
    given_up: t.Sequence[abandon.Left] = (),
    damages: t.Mapping[str, str] | None = None,
    would_exist: bool = False,
) -> Outcome:
    values = {
        "order_uri": order.url if order else "",
        "order_status": order.status if order else "valid" if certificate else "",
        "challenges": [challenge.to_result() for challenge in challenges],
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
    mutually_exclusive=(connection.ACCOUNT_KEY_EXCLUSIVE, ("csr_path", "csr_content")),
    required_one_of=(connection.ACCOUNT_KEY_EXCLUSIVE, ("csr_path", "csr_content")),
)
