# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""smime_order: the order of one certificate (RFC 8555, section 7.4), from request to files on disk."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ansible_collections.mailcert.acme.plugins.module_utils._acme.client import AcmeClient
from ansible_collections.mailcert.acme.plugins.module_utils._acme.order import Order
from ansible_collections.mailcert.acme.plugins.module_utils._errors import CertificateError
from ansible_collections.mailcert.acme.plugins.module_utils._libs.require import ACME, PKI
from ansible_collections.mailcert.acme.plugins.module_utils._pki import certificate as pki_certificate
from ansible_collections.mailcert.acme.plugins.module_utils._pki import csr, csr_check, lint
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs import atomic
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context, Outcome, Task
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.account import connection, lock
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.common import (
    clock_skew,
    failed_attempts,
    key_owners,
    moved_directory,
)
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.common.options import Params
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.order import (
    account_check,
    create,
    finalize,
    honored,
    install,
    new_order,
    restore,
    session,
    version_files,
)
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.order.chain import NO_CHAIN, Chosen
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.order.honored import Honored
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.order.options import OrderOptions
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.renewal import policy, renewal_info

Fields = dict[str, t.Any]


@dataclass(frozen=True)
class OrderResult:
    """The return keys of the module. Without an order or a certificate, its keys are empty."""

    certificate_path: str
    order_uri: str = ""
    order_status: str = ""
    challenges: tuple[Fields, ...] = ()
    fingerprint: str = ""
    serial_number: str = ""
    not_before: str = ""
    not_after: str = ""
    chain: Fields = field(default_factory=NO_CHAIN.to_result)
    honored: tuple[Fields, ...] = ()
    abandoned: tuple[Fields, ...] = ()
    lint_warnings: tuple[str, ...] = ()
    would_exist: bool = False

    @classmethod
    def of_order(cls, given: OrderOptions, requested: create.Requested, done: session.OrderSession) -> OrderResult:
        """The result of ``state: requested``."""
        challenges = account_check.marked(requested.challenges, done.client)
        return cls(
            certificate_path=given.paths.certificate,
            order_uri=requested.order.url,
            order_status=requested.order.status,
            challenges=tuple(challenge.to_result() for challenge in challenges),
            abandoned=tuple(entry.to_result() for entry in done.abandoned),
        )

    @classmethod
    def of_certificate(
        cls,
        given: OrderOptions,
        certificate: pki_certificate.Certificate,
        *,
        order: Order | None = None,
        chosen: Chosen = NO_CHAIN,
        compared: t.Sequence[Honored] = (),
        warnings: tuple[str, ...] = (),
    ) -> OrderResult:
        """The result with a certificate.

        :arg order: the order of the certificate; ``None`` if the certificate was there before. The arguments below are
            for an order only.
        """
        return cls(
            certificate_path=given.paths.certificate,
            order_uri=order.url if order else "",
            order_status=order.status if order else "valid",
            fingerprint=certificate.fingerprint,
            serial_number=certificate.serial,
            not_before=certificate.not_before.isoformat(),
            not_after=certificate.not_after.isoformat(),
            chain=chosen.to_result(),
            honored=tuple(entry.to_result() for entry in compared),
            lint_warnings=warnings,
        )


def run(params: Params, context: Context) -> Outcome:
    """Request: create or resume the order. Issue: finalize, download, check, install."""
    given = OrderOptions.parse(params, context.now())
    later = OrderResult(given.paths.certificate, would_exist=True)
    request = _request(given, context)
    if request is None:
        return _outcome(given, later, changed=True)
    present = _present_certificate(given, context, request)
    if present is not None:
        return _keep(given, context, request, present)
    key_owners.claim_for_mailbox(
        given.paths.keys, request, given.certificate.addresses, write=not context.check_mode
    )
    if context.check_mode:
        return _outcome(given, later, changed=True)
    with failed_attempts.recorded(given.paths.attempts, given.acme.directory, context), lock.ordering(given.acme):
        return _order(given, session.OrderSession(given, context, request))


def _order(given: OrderOptions, work: session.OrderSession) -> Outcome:
    if given.state == "requested":
        requested = create.OrderCreator(work).request()
        result = OrderResult.of_order(given, requested, work)
        _warn_of_ca(work.context, work.client)
        return _outcome(given, result, changed=requested.created)
    with work.leased():
        order, chosen = finalize.Finalizer(work).issue()
        try:
            installed = install.Installer(given, work.csr).install(chosen.pem, work.context, until=work.deadline)
        except CertificateError as error:
            if error.details.get("errors") and not error.details.get("usable_later"):
                work.discard()
            raise
        # the journal of an earlier version does not have the requested values
        asked = work.asked or new_order.NewOrder()
        compared = honored.compare(asked, order, installed.certificate, chosen, work.context)
        work.close()
        failed_attempts.succeeded(given.paths.attempts)
    renewal_info.after_issue(given.paths.renewal, work.client, installed.certificate, work.context)
    _warn_of_ca(work.context, work.client)
    result = OrderResult.of_certificate(
        given,
        installed.certificate,
        order=order,
        chosen=chosen,
        compared=compared,
        warnings=installed.warnings,
    )
    return _outcome(given, result, changed=True)


def _warn_of_ca(context: Context, client: AcmeClient) -> None:
    clock_skew.warn(context, client.transport)
    moved_directory.warn(context, client)


def _request(given: OrderOptions, context: Context) -> csr.Csr | None:
    """The CSR, checked as hostile input: it may come from another host. ``None`` where it would exist."""
    data = given.csr.read(exists_later=context.check_mode and given.would_exist)
    if data is None:
        return None
    request = csr.load_csr(data, source=given.csr.source)
    account_key = given.acme.expected_account_key(check_mode=context.check_mode)
    csr_check.check_csr(
        request,
        addresses=given.certificate.addresses,
        usage=given.certificate.usage,
        forbidden_fingerprints=(account_key.public_fingerprint,) if account_key else (),
    )
    return request


def _present_certificate(
    given: OrderOptions, context: Context, request: csr.Csr
) -> pki_certificate.Certificate | None:
    """The present certificate, if it fits the request and is not due; otherwise ``None``."""
    path = given.paths.certificate
    data = atomic.read_optional(path, what="certificate_path")
    if data is None:
        return None
    certificate = pki_certificate.load_certificate(data, source=f"certificate_path {path}")
    if certificate.public_fingerprint != request.public_fingerprint:
        return None
    addresses = given.certificate.addresses
    report = lint.lint(
        certificate,
        (),
        public_fingerprint=request.public_fingerprint,
        addresses=addresses,
        usage=given.certificate.usage,
        now=context.now(),
    )
    decision = policy.decide(certificate, given.renewal, context.now(), address=addresses[0])
    if report.errors or decision.due:
        return None
    return certificate


def _keep(
    given: OrderOptions, context: Context, request: csr.Csr, certificate: pki_certificate.Certificate
) -> Outcome:
    """Keep the present certificate. In state ``issued``, finish a run that was stopped before the switch.

    Files of the chain that somebody changed or removed since are written again.
    """
    result = OrderResult.of_certificate(given, certificate)
    if given.state != "issued":
        return _outcome(given, result, changed=False)
    installer = install.Installer(given, request)
    incomplete, damages = installer.is_incomplete(), restore.damages(given.paths, certificate)
    for sentence in damages.values():
        context.warn(f"{sentence}. It is written again from the record of its certificate, without an order.")
    if not context.check_mode:
        if incomplete:
            installer.complete(certificate)
        if damages:
            restore.restore(version_files.VersionFiles(given.paths, given.files), certificate, damages)
    return _outcome(given, result, changed=incomplete or bool(damages), damages=damages)


def _outcome(
    given: OrderOptions, result: OrderResult, *, changed: bool, damages: t.Mapping[str, str] | None = None
) -> Outcome:
    after = f"certificate: {given.certificate.usage} for {', '.join(given.certificate.addresses)}\n"
    before = "" if changed else after
    if damages:
        before = after + "".join(f"{sentence}\n" for sentence in damages.values())
        after += "".join(f"{path} has the chain\n" for path in damages)
    return Outcome(changed=changed, result=result, before=before, after=after)


TASK = Task(
    run=run,
    argument_spec=OrderOptions.spec(),
    result=OrderResult,
    libraries=(*ACME, *PKI),
    mutually_exclusive=(connection.ACCOUNT_KEY_EXCLUSIVE, ("csr_path", "csr_content")),
    required_one_of=(connection.ACCOUNT_KEY_EXCLUSIVE, ("csr_path", "csr_content")),
)
