# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a ready order and a request to a certificate, and what a broken CA makes of it."""

from __future__ import annotations

import datetime
import typing as t

from cryptography.hazmat.primitives.asymmetric import ec

from .. import jws
from ..ca import Authority, Wish
from ..csr_check import Request, check
from ..problems import Problem
from ..state import Issued, Order, State, new_id

_DAY = 86400.0


def moment(value: t.Any, name: str) -> float:
    """A time of newOrder (RFC 3339) in seconds, 0 if there is none."""
    if value is None:
        return 0.0
    try:
        parsed = datetime.datetime.fromisoformat(str(value).replace("Z", "+00:00"))
        if parsed.tzinfo is None:
            raise ValueError("no zone")
    except ValueError:
        raise Problem("malformed", f"{name} is no RFC 3339 time: {value!r}.", violation="payload") from None
    return parsed.timestamp()


def ari_id(key_identifier: bytes, serial: int) -> str:
    """RFC 9773, 4.1."""
    return f"{jws.encode(key_identifier)}.{jws.encode(serial.to_bytes(serial.bit_length() // 8 + 1, 'big'))}"


class Issuer:
    def __init__(self, state: State, authority: Authority, crl_url: t.Callable[[], str]) -> None:
        self._state = state
        self._authority = authority
        self._crl_url = crl_url

    def check(self, csr: t.Any, order: Order) -> Request:
        """The request of finalize. Raises a Problem of type badCSR; the order stays ready (RFC 8555, 7.4)."""
        state = self._state
        request = check(jws.decode(csr, "csr"), order.addresses)
        if request.fingerprint in state.account_fingerprints:
            raise Problem("badCSR", "The key of the CSR is an account key.", violation="csr_account_key")
        others = state.key_addresses.get(request.fingerprint, set())
        if others and not others & set(order.addresses):
            raise Problem("badCSR", "The key of the CSR was certified for another mailbox.", violation="csr_key_shared")
        return request

    def issue(self, order: Order, request: Request) -> None:
        """Make the certificate and close the order."""
        state, behaviour = self._state, self._state.behaviour
        now = state.now()
        days = float(behaviour.profiles.get(order.profile, {}).get("validity_days", behaviour.validity_days))
        start = order.not_before or now - behaviour.backdate
        end = order.not_after or now + days * _DAY
        wish = self._wish(order, request, start, end)
        leaf = self._authority.issue(wish, foreign_issuer=behaviour.wrong_certificate == "chain")
        issued = Issued(
            id=new_id(), order=order.id, account=order.account, addresses=order.addresses, certificate=leaf,
            pem=self._authority.chain_pem(leaf, number=0, with_root=behaviour.chain_includes_root),
            alternate_pem=self._authority.chain_pem(leaf, number=1, with_root=behaviour.chain_includes_root),
            ari_id=ari_id(self._authority.key_identifier.digest, leaf.serial_number),
            key_fingerprint=request.fingerprint,
        )
        state.certificates[issued.id] = issued
        state.certificates_by_ari[issued.ari_id] = issued
        state.certificates_by_serial[leaf.serial_number] = issued
        state.key_addresses.setdefault(request.fingerprint, set()).update(order.addresses)
        old = state.certificates_by_ari.get(order.replaces)
        if old is not None:
            old.replaced = True
        order.certificate = issued.id
        order.status = "valid"
        state.journal.event(
            "certificate", order=order.id, addresses=list(order.addresses), serial=f"{leaf.serial_number:x}",
            key=request.fingerprint,
        )

    def _wish(self, order: Order, request: Request, start: float, end: float) -> Wish:
        wrong = self._state.behaviour.wrong_certificate
        addresses, public_key, usage = order.addresses, request.public_key, request.key_usage
        common_name = request.common_name if self._state.behaviour.subject == "cn" else ""
        if wrong == "key":
            public_key = ec.generate_private_key(ec.SECP256R1()).public_key()
        elif wrong == "address":
            addresses, common_name = ("someone-else@lab.test",), ""
        elif wrong == "usage":
            usage = frozenset({"crl_sign"})
        elif wrong == "expired":
            start, end = start - 800 * _DAY, start - _DAY
        elif wrong == "future":
            start = start + 30 * _DAY

        def aware(seconds: float) -> datetime.datetime:
            return datetime.datetime.fromtimestamp(int(seconds), datetime.timezone.utc)

        return Wish(
            public_key=public_key, addresses=addresses, key_usage=usage, not_before=aware(start),
            not_after=aware(end), common_name=common_name, email_protection=wrong != "no_email_protection",
            crl_url=self._crl_url(),
        )
