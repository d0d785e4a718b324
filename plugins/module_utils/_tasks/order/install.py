# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a downloaded chain to the version that is current: check, write, record, switch."""

from __future__ import annotations

import dataclasses
import os
import time
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._deadline import Deadline
from ansible_collections.mailcert.acme.plugins.module_utils._errors import CertificateError, KeyMismatchError
from ansible_collections.mailcert.acme.plugins.module_utils._pki import certificate as pki_certificate
from ansible_collections.mailcert.acme.plugins.module_utils._pki import chain as pki_chain
from ansible_collections.mailcert.acme.plugins.module_utils._pki import csr, keys, lint
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs import atomic
from ansible_collections.mailcert.acme.plugins.module_utils._store.state.order_journal import Journal
from ansible_collections.mailcert.acme.plugins.module_utils._store.tree import chain_record, record
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context

from .options import OrderOptions
from .version_files import VersionFiles

# the most seconds to wait for a certificate that is not valid yet
LONGEST_WAIT = 60.0


class Installed(t.NamedTuple):
    """A certificate that is current. ``warnings``: findings of lint that are no reason to refuse it."""

    certificate: pki_certificate.Certificate
    warnings: tuple[str, ...]


class Installer:
    """Makes the certificate of one CSR current."""

    def __init__(self, given: OrderOptions, request: csr.Csr) -> None:
        self._given = given
        self._paths = given.paths
        self._request = request
        self._files = VersionFiles(given.paths, given.files)

    def install(self, chain_pem: bytes, context: Context, *, until: Deadline) -> Installed:
        """Check the issued certificate, write it, and switch to it in one atomic step.

        :arg until: the limit of the wait for a certificate that is not valid yet.
        :raises CertificateError: the certificate does not fit the request; nothing is written then.
        :raises KeyMismatchError: ``privatekey_path`` has another key; nothing is written then.
        """
        sent = pki_certificate.load_chain(chain_pem, source="what the CA issued")
        leaf, *issuers = pki_chain.order_chain(sent)
        _wait_until_valid(leaf, context, until)
        report = lint.lint(
            leaf,
            issuers + _broken_link([leaf, *issuers], sent),
            public_fingerprint=self._request.public_fingerprint,
            addresses=self._given.certificate.addresses,
            usage=self._given.certificate.usage,
            now=context.now(),
        )
        if report.errors:
            early = context.now() < leaf.not_before
            raise CertificateError(
                "What the CA issued cannot be used: " + " ".join(report.errors),
                # it may be valid later; any other error stays after another download
                retryable=early and len(report.errors) == 1,
                details={"usable_later": early, "errors": list(report.errors)},
            )
        self._check_private_key()
        above = b"".join(issuer.pem for issuer in issuers)
        self._files.write(leaf, above)
        self._record(leaf, above)
        self._files.switch()
        return Installed(leaf, report.warnings)

    def is_incomplete(self) -> bool:
        """Whether a run was stopped after it wrote the certificate: the record or the switch is missing."""
        return self._lacks_record() or self._files.needs_switch()

    def complete(self, leaf: pki_certificate.Certificate) -> None:
        """Write the record, and switch."""
        if self._lacks_record():
            self._record(leaf, self._files.issuers(leaf))
        self._files.switch()

    def _lacks_record(self) -> bool:
        path = self._paths.record
        return path is not None and not os.path.lexists(path)

    def _check_private_key(self) -> None:
        path = self._paths.privatekey
        if path is None:
            return  # the key is on another host, which checks it there
        key = keys.load_private_key(
            atomic.read_file(path, what="privatekey_path"),
            passphrase=self._given.privatekey_passphrase,
            source=f"privatekey_path {path}",
        )
        if keys.public_fingerprint(key) != self._request.public_fingerprint:
            raise KeyMismatchError(f"The key at privatekey_path {path} is not the one that signed the request.")

    def _record(self, leaf: pki_certificate.Certificate, issuers: bytes | None) -> None:
        """Write the record: the options of the order, and the chain.

        :arg issuers: the certificates above it, in PEM; ``None`` where they are not known.
        """
        paths, request = self._paths, self._request
        if paths.record is None:
            return
        extra = {}
        if issuers is not None:
            made = chain_record.Issuers.written(issuers, paths.chain, paths.fullchain)
            extra[chain_record.FIELD] = made.fields()
        journal = Journal.open(paths.journal).read()
        record.VersionRecord(
            public_fingerprint=request.public_fingerprint,
            certificate_fingerprint=leaf.fingerprint,
            addresses=self._given.certificate.addresses,
            usage=self._given.certificate.usage,
            key_spec=dataclasses.asdict(request.key_spec),
            directory=self._given.acme.directory,
            not_before=leaf.not_before,
            not_after=leaf.not_after,
            profile=self._given.new_order.profile,
            privatekey=record.FileStat.of(paths.privatekey, digest=True) if paths.privatekey else None,
            common_name=request.common_names[0] if request.common_names else "",
            serial=leaf.serial,
            issuer=leaf.issuer,
            ari_id=leaf.ari_id,
            account_uri=journal.account_uri if journal else "",
            extra=extra,
        ).save(paths.record)


def _wait_until_valid(leaf: pki_certificate.Certificate, context: Context, until: Deadline) -> None:
    """Wait until the certificate is valid, if the clock of the CA is a little ahead of ours (rule 26)."""
    early = (leaf.not_before - context.now()).total_seconds()
    if 0 < early < min(LONGEST_WAIT, until.remaining()):
        time.sleep(early + 0.01)


def _broken_link(
    ordered: list[pki_certificate.Certificate], sent: list[pki_certificate.Certificate]
) -> list[pki_certificate.Certificate]:
    """The certificate that the CA sent as the next issuer, if it did not sign the one below it; lint then reports it.

    Certificates that belong to no chain, such as another root, are ignored.
    """
    others = [certificate for certificate in sent if certificate not in ordered]
    if len(ordered) == 1:
        return others[:1]
    return [certificate for certificate in others if certificate.subject == ordered[-1].issuer][:1]
