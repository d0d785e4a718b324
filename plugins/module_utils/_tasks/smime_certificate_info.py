# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""smime_certificate_info: report certificates, whether they are due, and their errors."""

from __future__ import annotations

import dataclasses
import datetime
import os
import typing as t
from dataclasses import dataclass, field

from ansible_collections.mailcert.acme.plugins.module_utils._errors import SmimeError, StoreError
from ansible_collections.mailcert.acme.plugins.module_utils._libs.require import PKI
from ansible_collections.mailcert.acme.plugins.module_utils._pki import certificate, keys, lint, renewal
from ansible_collections.mailcert.acme.plugins.module_utils._pki import key_usage as usages
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs import atomic
from ansible_collections.mailcert.acme.plugins.module_utils._store.state.renewal_info import Renewal
from ansible_collections.mailcert.acme.plugins.module_utils._store.tree import layout, lineage, record
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context, Outcome, Task
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.common import options
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.renewal import policy


@dataclass(frozen=True)
class InfoOptions:
    """The options of the module; all paths are absolute.

    :ivar certificate: the certificate to report, unless ``store_path`` names a store.
    :ivar chain_path: its issuers, if they are not in the same file.
    :ivar addresses: the required addresses of the certificate, or the mailboxes of the store to report; empty for all.
    :ivar usage: the required usage of the certificate; ``None`` for its own.
    """

    certificate: options.Content
    chain_path: str | None
    privatekey_path: str | None
    privatekey_passphrase: str | None = field(repr=False)
    store_path: str | None
    addresses: tuple[str, ...]
    usage: str | None
    renewal: renewal.RenewalPolicy

    @staticmethod
    def spec() -> options.Params:
        """The argument spec."""
        return {
            "certificate_path": {"type": "path"},
            "certificate_content": {"type": "str"},
            "chain_path": {"type": "path"},
            "privatekey_path": {"type": "path"},
            "privatekey_passphrase": {"type": "str", "no_log": True},
            "store_path": {"type": "path"},
            "addresses": {"type": "list", "elements": "str", "default": []},
            "usage": {"type": "str", "choices": list(usages.USAGES)},
            **policy.RenewalOptions.spec(),
        }

    @classmethod
    def parse(cls, params: options.Params) -> InfoOptions:
        """The options.

        :raises InputError, AddressError: an invalid option; names it.
        """
        options.check_paths(params, "certificate_path", "chain_path", "privatekey_path", "store_path")
        return cls(
            certificate=options.Content.parse(params, "certificate"),
            chain_path=params["chain_path"],
            privatekey_path=params["privatekey_path"],
            privatekey_passphrase=params["privatekey_passphrase"],
            store_path=params["store_path"],
            addresses=tuple(options.checked_addresses(params["addresses"])) if params["addresses"] else (),
            usage=params["usage"],
            renewal=policy.RenewalOptions.parse(params),
        )


@dataclass(frozen=True)
class CertificateInfo:
    """The report on one certificate. The defaults are for a certificate that cannot be read.

    :ivar path: of the file; empty for text. :ivar line: :ivar version: its place in a store; empty and 0 without one.
    :ivar not_before: :ivar not_after: :ivar renew_at: ISO 8601, UTC.
    :ivar remaining_days: whole days until it expires; negative afterwards.
    :ivar reason: why it is due or not, a token; ``detail``: the same for people.
    :ivar key_match: whether the private key belongs to it; ``None`` without a private key.
    :ivar error: why it cannot be read; empty if it can.
    """

    addresses: tuple[str, ...]
    usage: str = ""
    path: str = ""
    line: str = ""
    version: int = 0
    subject: str = ""
    issuer: str = ""
    serial_number: str = ""
    fingerprint: str = ""
    public_key_fingerprint: str = ""
    not_before: str = ""
    not_after: str = ""
    remaining_days: int = 0
    renew_at: str = ""
    due: bool = True
    reason: str = "unreadable"
    detail: str = ""
    key_match: bool | None = None
    lint_errors: tuple[str, ...] = ()
    lint_warnings: tuple[str, ...] = ()
    error: str = ""

    @classmethod
    def unreadable(cls, address: str, line: str, error: SmimeError) -> CertificateInfo:
        """The report on a certificate that cannot be read.

        :arg address: of the mailbox; empty if it is not known.
        """
        return cls(addresses=(address,) if address else (), line=line, error=error.message)

    def to_result(self) -> dict[str, t.Any]:
        """The report as a part of a task's result."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in vars(self).items()}


@dataclass(frozen=True)
class InfoResult:
    """The return keys of the module. ``due``: the primary addresses of the due certificates."""

    certificates: tuple[dict[str, t.Any], ...]
    due: tuple[str, ...]


@dataclass(frozen=True)
class Subject:
    """A certificate, and further facts about it.

    :ivar chain: its issuers; empty if none are known.
    :ivar addresses: the required addresses. :ivar usage: the required usage; ``None`` for its own.
    :ivar known: its renewal information.
    """

    leaf: certificate.Certificate
    chain: t.Sequence[certificate.Certificate]
    addresses: tuple[str, ...]
    usage: str | None
    path: str
    key_match: bool | None = None
    line: str = ""
    version: int = 0
    known: Renewal | None = None

    def describe(self, rules: renewal.RenewalPolicy, now: datetime.datetime) -> CertificateInfo:
        """The report at this moment."""
        leaf = self.leaf
        primary = (self.addresses or leaf.addresses or ("",))[0]
        decision = policy.decide(leaf, rules, now, address=primary, known=self.known)
        usage = self.usage or usages.usage_of(leaf.key_usage)
        report = lint.lint(
            leaf,
            self.chain,
            public_fingerprint=leaf.public_fingerprint,
            addresses=self.addresses,
            usage=usage or "dual",
            now=now,
        )
        mismatch = ("the private key does not belong to the certificate",) if self.key_match is False else ()
        return CertificateInfo(
            addresses=tuple(leaf.addresses) or self.addresses,
            usage=usage or "",
            path=self.path,
            line=self.line,
            version=self.version,
            subject=leaf.subject,
            issuer=leaf.issuer,
            serial_number=leaf.serial,
            fingerprint=leaf.fingerprint,
            public_key_fingerprint=leaf.public_fingerprint,
            not_before=leaf.not_before.isoformat(),
            not_after=leaf.not_after.isoformat(),
            remaining_days=(leaf.not_after - now).days,
            renew_at=decision.renew_at.isoformat(),
            due=decision.due,
            reason=decision.reason,
            detail=policy.detail(decision, leaf, self.known),
            key_match=self.key_match,
            lint_errors=(*mismatch, *report.errors),
            lint_warnings=tuple(report.warnings),
        )


def run(params: options.Params, context: Context) -> Outcome:
    """Report one certificate, or the current ones of a store. This changes nothing and asks no server."""
    given = InfoOptions.parse(params)
    if given.store_path is not None:
        store = layout.Store(given.store_path, option="store_path")
        found = list(_of_store(given, store, context))
    else:
        found = [_single(given).describe(given.renewal, context.now())]
    due = sorted({entry.addresses[0] for entry in found if entry.due and entry.addresses})
    result = InfoResult(certificates=tuple(entry.to_result() for entry in found), due=tuple(due))
    return Outcome(changed=False, result=result)


def _single(given: InfoOptions) -> Subject:
    path = given.certificate.path
    chain = certificate.load_chain(given.certificate.read() or b"", source=path or "certificate_content")
    leaf, rest = chain[0], chain[1:]
    if given.chain_path is not None:
        more = atomic.read_file(given.chain_path, what="chain_path")
        rest = certificate.load_chain(more, source=f"chain_path {given.chain_path}")
    key_match: bool | None = None
    if given.privatekey_path is not None:
        key = keys.load_private_key(
            atomic.read_file(given.privatekey_path, what="privatekey_path"),
            passphrase=given.privatekey_passphrase,
            source=f"privatekey_path {given.privatekey_path}",
        )
        key_match = keys.public_fingerprint(key) == leaf.public_fingerprint
    return Subject(
        leaf, rest, given.addresses or tuple(leaf.addresses), given.usage, path=path or "", key_match=key_match
    )


def _of_store(given: InfoOptions, store: layout.Store, context: Context) -> t.Iterator[CertificateInfo]:
    wanted: t.Sequence[str] = given.addresses
    if not wanted:
        unreadable: list[StoreError] = []
        wanted = store.list_addresses(unreadable)
        for error in unreadable:
            yield CertificateInfo.unreadable("", "", error)
    for address in wanted:
        yield from _of_mailbox(given, store, address, context)


def _of_mailbox(
    given: InfoOptions, store: layout.Store, address: str, context: Context
) -> t.Iterator[CertificateInfo]:
    try:
        folder = store.mailbox(address)
        lines = {
            name: folder.line(name)
            for name in folder.lines()
            if given.usage is None or name.rpartition("-")[2] == given.usage
        }
    except SmimeError as error:
        yield CertificateInfo.unreadable(address, "", error)
        return
    for name, line in lines.items():
        try:
            subject = _of_line(address, name, line)
            if subject is not None:
                yield subject.describe(given.renewal, context.now())
        except SmimeError as error:
            yield CertificateInfo.unreadable(address, name, error)


def _of_line(address: str, name: str, line: lineage.Line) -> Subject | None:
    """The current certificate of a line; ``None`` without one."""
    current = line.current()
    if current is None:
        return None
    recorded = record.VersionRecord.load(current.record)
    leaf = certificate.load_certificate(
        atomic.read_file(current.certificate, what="certificate"), source=current.certificate
    )
    issuers = atomic.read_optional(current.chain, what="chain") or b""
    chain = certificate.load_chain(issuers, source=current.chain) if issuers.strip() else []
    known = Renewal.load(line.renewal)
    found = Subject(
        leaf,
        chain,
        (address,),
        None,
        path=current.certificate,
        line=name,
        version=current.number,
        known=known if known is not None and known.ari_id == leaf.ari_id else None,
    )
    if recorded is None:
        return found
    match = recorded.public_fingerprint == leaf.public_fingerprint and os.path.lexists(current.privatekey)
    return dataclasses.replace(found, addresses=recorded.addresses, usage=recorded.usage, key_match=match)


TASK = Task(
    run=run,
    argument_spec=InfoOptions.spec(),
    result=InfoResult,
    libraries=PKI,
    mutually_exclusive=(("certificate_path", "certificate_content", "store_path"),),
    required_one_of=(("certificate_path", "certificate_content", "store_path"),),
)
