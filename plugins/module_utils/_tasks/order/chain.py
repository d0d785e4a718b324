# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The choice by select_chain among the chains that a CA offers for a certificate (RFC 8555, section 7.4.2)."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.mailcert.acme.plugins.module_utils._acme import certificate as acme_certificate
from ansible_collections.mailcert.acme.plugins.module_utils._acme.client import AcmeClient
from ansible_collections.mailcert.acme.plugins.module_utils._acme.order import Order
from ansible_collections.mailcert.acme.plugins.module_utils._errors import (
    AcmeProblemError,
    CertificateError,
    NotAcmeError,
)
from ansible_collections.mailcert.acme.plugins.module_utils._pki import certificate, select_chain
from ansible_collections.mailcert.acme.plugins.module_utils._pki import chain as pki_chain
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context

SELECT_CHAIN: dict[str, t.Any] = {
    "type": "list",
    "elements": "dict",
    "options": {
        "test_certificates": {"type": "str", "choices": ["first", "last", "all"], "default": "all"},
        "issuer": {"type": "dict"},
        "subject": {"type": "dict"},
        "subject_key_identifier": {"type": "str"},
        "authority_key_identifier": {"type": "str"},
    },
}


@dataclass(frozen=True)
class Chosen:
    """The chain that is used.

    :ivar pem: the certificate and its issuers.
    :ivar alternate: whether it is another than the CA's default.
    :ivar criterion: the number of the criterion that it meets, from 1 on; 0 where there is none.
    :ivar wanted: how many criteria there are.
    :ivar issuer: who signed the last certificate of the chain, by RFC 4514; empty where the chain cannot be read.
    """

    pem: bytes
    alternate: bool = False
    criterion: int = 0
    wanted: int = 0
    issuer: str = ""

    def to_result(self) -> dict[str, t.Any]:
        """The value of ``chain`` in the result of smime_order."""
        return {"alternate": self.alternate, "criterion": self.criterion, "issuer": self.issuer}


#: the result without a download
NO_CHAIN = Chosen(b"")


class Chains:
    """The chains of one certificate; each alternate is fetched once, when it is needed."""

    def __init__(self, client: AcmeClient, order: Order, context: Context) -> None:
        self._client = client
        self._context = context
        found = acme_certificate.download(client, order)
        self.default = found.pem
        self._alternates = list(found.alternates)
        self._read: list[tuple[bytes, list[certificate.Certificate]]] = []
        self._leaf: certificate.Certificate | None = None

    def choose(self, criteria: t.Sequence[select_chain.Criterion]) -> Chosen:
        """The first chain that meets the first criterion that any chain meets, else the default."""
        try:
            found = certificate.load_chain(self.default, source="what the CA issued")
            leaf, *issuers = pki_chain.order_chain(found)
        except CertificateError:
            # the installation reports the errors of the chain
            return Chosen(self.default, wanted=len(criteria))
        self._leaf = leaf
        self._read = [(self.default, issuers)]
        for number, criterion in enumerate(criteria, start=1):
            for position, (pem, chain) in enumerate(self._all()):
                if criterion.matches(chain):
                    return Chosen(pem, position > 0, number, len(criteria), _top(leaf, chain))
        return Chosen(self.default, wanted=len(criteria), issuer=_top(leaf, issuers))

    def _all(self) -> t.Iterator[tuple[bytes, list[certificate.Certificate]]]:
        yield from list(self._read)
        while self._alternates:
            found = self._fetch(self._alternates.pop(0))
            if found is not None:
                self._read.append(found)
                yield found

    def _fetch(self, url: str) -> tuple[bytes, list[certificate.Certificate]] | None:
        """An alternate chain; ``None``, with a warning, if it cannot be used: the default chain is there."""
        try:
            pem = acme_certificate.alternate(self._client, url)
            leaf, *issuers = pki_chain.order_chain(certificate.load_chain(pem, source="an alternate chain"))
            if leaf != self._leaf:
                raise CertificateError("An alternate chain is for another certificate.")
        except (AcmeProblemError, NotAcmeError, CertificateError) as error:
            if error.retryable:
                raise
            self._context.warn(f"One of the CA's alternate chains is ignored. {error.message}")
            return None
        return pem, issuers


def _top(leaf: certificate.Certificate, issuers: t.Sequence[certificate.Certificate]) -> str:
    return (issuers[-1] if issuers else leaf).issuer
