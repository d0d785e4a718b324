# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""newOrder, order, finalize (RFC 8555, 7.4; RFC 8823; RFC 9773, 5)."""

from __future__ import annotations

import asyncio
import re
import typing as t

from ..mailboxes import canonical
from ..problems import Problem, subproblem
from ..state import Authorization, Challenge, Order, State, new_id, timestamp
from . import issuing
from .challenges import Challenges
from .server import AcmeServer, Answer, Call, Resource

# a local part may be any text (RFC 6531), a domain stands in A-labels: this CA compares octets
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'+/=?^_`{|}~\u0080-\U0010ffff-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")


class Orders:
    def __init__(self, state: State, server: AcmeServer, challenges: Challenges, issuer: issuing.Issuer) -> None:
        self._state = state
        self._server = server
        self._challenges = challenges
        self._issuer = issuer
        server.register("new-order", Resource("newOrder", self.new_order))
        server.register("order", Resource("order", self.order))
        server.register("finalize", Resource("finalize", self.finalize))

    # -- newOrder

    def new_order(self, call: Call) -> Answer:
        payload = call.payload()
        addresses = self._identifiers(payload.get("identifiers"))
        behaviour = self._state.behaviour
        profile = payload.get("profile", "")
        if not isinstance(profile, str):
            raise Problem("malformed", "profile is no string.", violation="payload")
        if profile and profile not in behaviour.profiles:
            if behaviour.unknown_profiles == "refuse":
                raise Problem("invalidProfile", f"There is no profile {profile!r}.")
            profile = ""
        start, end = self._validity(payload)
        replaces = self._replaces(call, payload.get("replaces"), addresses)
        old = self._reusable(call, addresses) if not replaces else None
        if old is not None:
            self._state.journal.event("order_reused", order=old.id, addresses=list(addresses), status=old.status)
            return self._answer(old, status=201)
        now = self._state.now()
        order = Order(
            id=new_id(), account=call.owner.id, addresses=addresses, authorizations=[], created=now,
            expires=now + behaviour.order_lifetime, profile=profile, replaces=replaces, not_before=start,
            not_after=end,
        )
        for address in addresses:
            order.authorizations.append(self._authorization(call.owner.id, address, now).id)
        self._state.orders[order.id] = order
        call.owner.orders.append(order.id)
        self._state.journal.event("order", order=order.id, account=call.owner.id, addresses=list(addresses),
                                  profile=profile, replaces=replaces)
        if behaviour.mail_moment == "order":
            for item in order.authorizations:
                self._challenges.send(self._state.challenges[self._state.authorizations[item].challenge])
        return self._answer(order, status=201)

    def _validity(self, payload: dict[str, t.Any]) -> tuple[float, float]:
        """notBefore and notAfter that the order is made with; 0 for what the CA chooses."""
        start, end = (issuing.moment(payload.get(name), name) for name in ("notBefore", "notAfter"))
        if start and end and end <= start:
            raise Problem("malformed", "notAfter is not after notBefore.", violation="payload")
        wishes = self._state.behaviour.validity_wishes
        for name, value in (("notBefore", start), ("notAfter", end)):
            if value and wishes == "refuse":
                raise Problem("malformed", f"{name} is not taken.")
        return (start, end) if wishes == "take" else (0.0, 0.0)

    def _identifiers(self, value: t.Any) -> tuple[str, ...]:
        if not isinstance(value, list) or not value or not all(isinstance(item, dict) for item in value):
            raise Problem("malformed", "identifiers is no list of objects.", violation="identifier")
        found: list[str] = []
        refused: list[dict[str, t.Any]] = []
        for item in value:
            if item.get("type") != "email":
                raise Problem("unsupportedIdentifier", f"Identifiers of type {item.get('type')!r} are not taken.",
                              violation="identifier")
            address = item.get("value")
            if not isinstance(address, str) or not _ADDRESS.fullmatch(address):
                # a wildcard must not even be asked for (RFC 8823, 3)
                raise Problem("rejectedIdentifier", f"{address!r} is no address.", violation="identifier")
            if canonical(address) in (canonical(other) for other in found):
                raise Problem("malformed", f"{address} is there twice.", violation="identifier")
            found.append(address)
            if address in self._state.behaviour.reject_identifiers:
                refused.append(subproblem("rejectedIdentifier", "The policy of the lab forbids it.", address))
        if refused:
            raise Problem(
                "rejectedIdentifier", f"The CA will not issue for {len(refused)} of the identifiers.",
                subproblems=refused,
            )
        return tuple(found)

    def _replaces(self, call: Call, value: t.Any, addresses: tuple[str, ...]) -> str:
        """RFC 9773, section 5."""
        if value is None:
            return ""
        if not isinstance(value, str):
            raise Problem("malformed", "replaces is no string.", violation="payload")
        behaviour, state = self._state.behaviour, self._state
        if not behaviour.ari:
            state.journal.violation("replaces_not_advertised", "replaces without renewalInfo in the directory.")
        if behaviour.replaces == "refuse":
            raise Problem("alreadyReplaced", "The lab refuses replaces.")
        old = state.certificates_by_ari.get(value)
        if behaviour.replaces == "malformed" or old is None:
            raise Problem("malformed", "replaces names no certificate of this CA.")
        if old.account != call.owner.id:
            raise Problem("unauthorized", "replaces names a certificate of another account.")
        if not set(old.addresses) & set(addresses):
            raise Problem("malformed", "replaces names a certificate without a common identifier.")
        for order in state.orders.values():
            if order.replaces == value and state.refresh_order(order) != "invalid":
                raise Problem("alreadyReplaced", "The certificate is being replaced by another order.")
        return value

    def _reusable(self, call: Call, addresses: tuple[str, ...]) -> Order | None:
        wish = self._state.behaviour.reuse_orders
        if not wish:
            return None
        for item in reversed(call.owner.orders):
            order = self._state.orders[item]
            if set(order.addresses) != set(addresses):
                continue
            status = self._state.refresh_order(order)
            if wish == "any" or status in ("pending", "ready", "processing"):
                return order
        return None

    def _authorization(self, account: str, address: str, now: float) -> Authorization:
        behaviour, state = self._state.behaviour, self._state
        if behaviour.reuse_authorizations:
            for known in state.authorizations.values():
                same = known.account == account and canonical(known.address) == canonical(address)
                if same and state.refresh_authorization(known) == "valid":
                    return known
        challenge = Challenge(
            id=new_id(), authorization=new_id(), from_address=self._challenges.sender(),
            token=self._challenges.token(), mail_to=address,
        )
        authorization = Authorization(
            id=challenge.authorization, account=account, address=address, challenge=challenge.id,
            expires=now + behaviour.authorization_lifetime,
        )
        state.challenges[challenge.id] = challenge
        state.authorizations[authorization.id] = authorization
        return authorization

    # -- order

    def _own(self, call: Call) -> Order:
        order = self._state.orders.get(call.argument)
        if order is None:
            raise Problem("malformed", "There is no such order.", status=404, violation="unknown_resource")
        if order.account != call.owner.id:
            raise Problem("unauthorized", "This is not your order.", violation="other_account")
        return order

    def order(self, call: Call) -> Answer:
        order = self._own(call)
        call.require_get()
        return self._answer(order, status=200)

    def _answer(self, order: Order, *, status: int) -> Answer:
        state, url = self._state, self._server.url
        current = state.refresh_order(order)
        body: dict[str, t.Any] = {
            "status": current, "expires": timestamp(order.expires),
            "identifiers": [{"type": "email", "value": address} for address in order.addresses],
            "authorizations": [url("authz", item) for item in order.authorizations],
            "finalize": url("finalize", order.id),
        }
        for name, value in (("notBefore", order.not_before), ("notAfter", order.not_after)):
            if value:
                body[name] = timestamp(value)
        for name, text in (("profile", order.profile), ("replaces", order.replaces)):
            if text:
                body[name] = text
        if order.error:
            body["error"] = order.error
        if current == "valid":
            body["certificate"] = url("cert", order.certificate)
        return Answer(
            body, status, {"Location": url("order", order.id)},
            retry_after=state.behaviour.retry_after if current == "processing" else 0.0,
        )

    # -- finalize

    def finalize(self, call: Call) -> Answer:
        order = self._own(call)
        status = self._state.refresh_order(order)
        if status != "ready":
            raise Problem("orderNotReady", f"The order is {status}, not ready.", violation="finalize_not_ready")
        request = self._issuer.check(call.payload().get("csr"), order)
        order.finalizations += 1
        self._state.journal.event("finalize", order=order.id, addresses=list(order.addresses),
                                  key=request.fingerprint)
        delay = self._state.behaviour.finalize_delay
        if delay:
            order.status = "processing"
            asyncio.get_running_loop().call_later(delay, self._issuer.issue, order, request)
        else:
            self._issuer.issue(order, request)
        return self._answer(order, status=200)
