# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""directory, newAccount, account, orders list, keyChange (RFC 8555, 7.1.1 and 7.3)."""

from __future__ import annotations

import re
import typing as t

from .. import jws
from ..csr_check import spki_fingerprint
from ..problems import Problem
from ..state import Account, State, new_id
from .server import AcmeServer, Answer, Call, Resource

_MAILTO = re.compile(r"mailto:[^@,?\s]+@[^@,?\s]+")


class Accounts:
    def __init__(self, state: State, server: AcmeServer) -> None:
        self._state = state
        self._server = server
        server.register_get("directory", "directory", self.directory)
        # where a directory goes that moves: a resource that no fault of the old one hits
        server.register_get("moved-directory", "movedDirectory", self.directory)
        server.register("new-account", Resource("newAccount", self.new_account, "jwk"))
        server.register("account", Resource("account", self.account))
        server.register("orders", Resource("orders", self.orders))
        server.register("key-change", Resource("keyChange", self.key_change))

    def directory(self, argument: str) -> Answer:
        behaviour, url = self._state.behaviour, self._server.url
        meta: dict[str, t.Any] = {
            "website": "https://ca.test/", "caaIdentities": ["ca.test"],
            "externalAccountRequired": behaviour.eab_required,
        }
        if behaviour.terms:
            meta["termsOfService"] = behaviour.terms
        if behaviour.profiles:
            meta["profiles"] = {name: facts.get("description", name) for name, facts in behaviour.profiles.items()}
        directory: dict[str, t.Any] = {
            "newNonce": url("new-nonce"), "newAccount": url("new-account"), "newOrder": url("new-order"),
            "revokeCert": url("revoke-cert"), "keyChange": url("key-change"), "meta": meta,
        }
        if behaviour.ari:
            directory["renewalInfo"] = url("renewal-info")
        return Answer(directory)

    # -- newAccount

    def new_account(self, call: Call) -> Answer:
        payload = call.payload()
        known = self._state.accounts_by_key.get(call.key.thumbprint)
        if known is not None:
            if known.status != "valid":
                asked = payload.get("onlyReturnExisting") is True
                raise Problem("unauthorized", f"The account is {known.status}.", status=401,
                              violation="" if asked else "account_closed")
            return self._answer(known, status=200)
        if payload.get("onlyReturnExisting") is True:
            raise Problem("accountDoesNotExist", "There is no account with this key.")
        behaviour = self._state.behaviour
        self._check_key(call)
        contact = self._contact(payload.get("contact", []))
        if behaviour.contact_required and not contact:
            raise Problem("invalidContact", "This CA wants a contact.")
        if behaviour.terms and behaviour.terms_required and payload.get("termsOfServiceAgreed") is not True:
            raise Problem("userActionRequired", f"Agree to the terms of service: {behaviour.terms}", headers={
                "Link": f'<{behaviour.terms}>;rel="terms-of-service"'})
        binding = self._binding(call, payload.get("externalAccountBinding"))
        account = Account(
            id=new_id(), key=call.key, contact=contact, binding=binding,
            terms=behaviour.terms if payload.get("termsOfServiceAgreed") is True else "",
        )
        self._state.accounts[account.id] = account
        self._state.accounts_by_key[call.key.thumbprint] = account
        self._state.account_fingerprints.add(spki_fingerprint(call.key.key))
        self._state.journal.event("account", account=account.id, contact=contact, bound=binding is not None)
        return self._answer(account, status=201)

    def _check_key(self, call: Call) -> None:
        """RFC 8555, 11.1: an account key is nothing but that."""
        if spki_fingerprint(call.key.key) in self._state.key_addresses:
            raise Problem("badPublicKey", "The account key is the key of a certificate.",
                          violation="account_key_reused")
        if call.key.thumbprint in self._state.former_keys:
            raise Problem("badPublicKey", "The account key was rolled over before.", violation="account_key_reused")

    @staticmethod
    def _contact(value: t.Any) -> list[str]:
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise Problem("malformed", "contact is no list of strings.", violation="payload")
        for item in value:
            if not item.startswith("mailto:"):
                raise Problem("unsupportedContact", f"Contacts are mailto: URLs, not {item}.")
            if not _MAILTO.fullmatch(item):
                raise Problem("invalidContact", f"{item} is not one address without header fields.")
        return list(value)

    def _binding(self, call: Call, value: t.Any) -> dict[str, t.Any] | None:
        """RFC 8555, 7.3.4."""
        behaviour = self._state.behaviour
        if value is None:
            if behaviour.eab_required:
                raise Problem("externalAccountRequired", "This CA wants an external account binding.")
            return None
        if not isinstance(value, dict):
            raise Problem("malformed", "externalAccountBinding is no JWS object.", violation="binding")
        inner = jws.parse(value)
        if "nonce" in inner.protected:
            raise Problem("malformed", "The binding must not have a nonce.", violation="binding")
        if inner.protected.get("url") != call.url:
            raise Problem("malformed", "The url of the binding is not that of the request.", violation="binding")
        shown = inner.json_payload()
        if jws.public_key(shown).thumbprint != call.key.thumbprint:
            raise Problem("malformed", "The binding is for another account key.", violation="binding")
        key = behaviour.eab_keys.get(str(inner.protected.get("kid")))
        if key is None:
            raise Problem("unauthorized", "The binding's key identifier is not known.")
        jws.verify_mac(inner, jws.decode(key, "the lab's own EAB key"))
        return value

    # -- account and orders

    def account(self, call: Call) -> Answer:
        account = call.owner
        if call.argument != account.id:
            raise Problem("unauthorized", "This is not your account.", violation="other_account")
        if not call.is_get:
            payload = call.payload()
            if payload.get("status") == "deactivated":
                account.status = "deactivated"
                self._deactivate_open(account)
                self._state.journal.event("account_deactivated", account=account.id)
            if "contact" in payload:
                account.contact = self._contact(payload["contact"])
            if payload.get("termsOfServiceAgreed") is True:
                account.terms = self._state.behaviour.terms
                self._state.journal.event("terms", account=account.id, terms=account.terms)
        return self._answer(account, status=200)

    def _deactivate_open(self, account: Account) -> None:
        for authorization in self._state.authorizations.values():
            if authorization.account == account.id and authorization.status == "pending":
                authorization.status = "deactivated"

    def _answer(self, account: Account, *, status: int) -> Answer:
        body: dict[str, t.Any] = {
            "status": account.status, "contact": account.contact, "termsOfServiceAgreed": self._agreed(account),
            "orders": self._server.url("orders", account.id),
        }
        if account.binding is not None:
            body["externalAccountBinding"] = account.binding
        return Answer(body, status, {"Location": self._server.url("account", account.id)})

    def _agreed(self, account: Account) -> bool:
        behaviour = self._state.behaviour
        return account.terms == behaviour.terms if behaviour.terms_enforced else bool(account.terms)

    def orders(self, call: Call) -> Answer:
        """RFC 8555, 7.1.2.1; a page is asked for as /orders/<account>~<start>."""
        identity, dummy, start = call.argument.partition("~")
        if identity != call.owner.id:
            raise Problem("unauthorized", "These are not your orders.", violation="other_account")
        call.require_get()
        first, page = int(start) if start.isdigit() else 0, self._state.behaviour.orders_page
        listed = [item for item in call.owner.orders
                  if self._state.refresh_order(self._state.orders[item]) != "invalid"]
        answer = Answer({"orders": [self._server.url("order", item) for item in listed[first: first + page]]})
        if len(listed) > first + page:
            answer.links.append(("next", self._server.url("orders", f"{identity}~{first + page}")))
        return answer

    # -- keyChange (7.3.5)

    def key_change(self, call: Call) -> Answer:
        inner = jws.parse(call.payload())
        account = call.owner

        def wrong(detail: str) -> Problem:
            return Problem("malformed", detail, violation="key_change")

        if "jwk" not in inner.protected or "kid" in inner.protected:
            raise wrong("The inner JWS has a jwk and no kid.")
        if "nonce" in inner.protected:
            raise wrong("The inner JWS must not have a nonce.")
        if inner.protected.get("url") != call.url:
            raise wrong("The inner url is not the outer one.")
        jws.check_algorithm(inner.protected)
        key = jws.public_key(inner.protected["jwk"])
        key.verify(inner)
        payload = inner.json_payload()
        if payload.get("account") != self._server.url("account", account.id):
            raise wrong("account is not the account of the outer JWS.")
        if jws.public_key(payload.get("oldKey")).thumbprint != account.key.thumbprint:
            raise wrong("oldKey is not the key of the account.")
        other = self._state.accounts_by_key.get(key.thumbprint)
        if other is not None:
            raise Problem("malformed", "The new key belongs to an account.", status=409,
                          headers={"Location": self._server.url("account", other.id)})
        if key.thumbprint in self._state.former_keys or spki_fingerprint(key.key) in self._state.key_addresses:
            raise Problem("badPublicKey", "The new key was used before.", violation="account_key_reused")
        if self._has_open_challenge(account):
            self._state.journal.violation(
                "key_change_open", f"A challenge of the account {account.id} is open.", account=account.id
            )
        del self._state.accounts_by_key[account.key.thumbprint]
        self._state.former_keys.add(account.key.thumbprint)
        account.former_thumbprints.append(account.key.thumbprint)
        account.key = key
        self._state.accounts_by_key[key.thumbprint] = account
        self._state.account_fingerprints.add(spki_fingerprint(key.key))
        self._state.journal.event("key_change", account=account.id)
        return self._answer(account, status=200)

    def _has_open_challenge(self, account: Account) -> bool:
        state = self._state
        return any(
            state.refresh_authorization(item) == "pending" and state.challenges[item.challenge].mail_started
            for item in list(state.authorizations.values()) if item.account == account.id
        )
