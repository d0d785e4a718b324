# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""authorization and challenge (RFC 8555, 7.5; RFC 8823, 3): when the mail goes out, and when the verdict falls."""

from __future__ import annotations

import asyncio
import secrets
import typing as t

from .. import jws
from ..problems import Problem
from ..state import Authorization, Challenge, State, timestamp
from .server import AcmeServer, Answer, Call, Resource


class Challenges:
    """``sender_domain`` and ``sender_local`` make the From of challenge mails; ``send`` sends one."""

    def __init__(self, state: State, server: AcmeServer, *, sender: tuple[str, str],
                 send: t.Callable[[Challenge], None]) -> None:
        self._state = state
        self._server = server
        self._sender = sender
        self.send = send
        server.register("authz", Resource("authorization", self.authorization))
        server.register("chall", Resource("challenge", self.challenge))

    def sender(self) -> str:
        local, domain = self._sender
        if self._state.behaviour.from_unique:
            return f"{local}+{secrets.token_hex(8)}@{domain}"
        return f"{local}@{domain}"

    def token(self) -> str:
        """token-part2, at least 128 bits."""
        return jws.encode(secrets.token_bytes(self._state.behaviour.part2_bytes))

    # -- authorization

    def authorization(self, call: Call) -> Answer:
        authorization = self._state.authorizations.get(call.argument)
        if authorization is None:
            raise Problem("malformed", "There is no such authorization.", status=404, violation="unknown_resource")
        self._check_owner(call, authorization)
        challenge = self._state.challenges[authorization.challenge]
        if call.is_get:
            first = not authorization.fetched
            authorization.fetched = True
            if first and self._state.behaviour.mail_moment == "authorization" and challenge.status == "pending":
                self.send(challenge)
        else:
            if call.payload().get("status") != "deactivated":
                raise Problem("malformed", "An authorization can only be fetched or deactivated.", violation="payload")
            if self._state.refresh_authorization(authorization) not in ("pending", "valid"):
                raise Problem("malformed", f"The authorization is {authorization.status}.")
            authorization.status = "deactivated"
            self._state.journal.event("authorization_deactivated", address=authorization.address)
        status = self._state.refresh_authorization(authorization)
        return Answer(
            {
                "status": status, "expires": timestamp(authorization.expires),
                "identifier": {"type": "email", "value": authorization.address},
                "challenges": [self._object(challenge)],
            },
            retry_after=self._state.behaviour.retry_after
            if status == "pending" and challenge.status == "processing" else 0.0,
        )

    def _check_owner(self, call: Call, authorization: Authorization) -> None:
        if authorization.account != call.owner.id:
            raise Problem("unauthorized", "This is another account's authorization.", violation="other_account")

    def _object(self, challenge: Challenge) -> dict[str, t.Any]:
        body: dict[str, t.Any] = {
            "type": "email-reply-00", "url": self._server.url("chall", challenge.id), "status": challenge.status,
            "from": challenge.from_address, "token": challenge.token,
        }
        if challenge.validated:
            body["validated"] = timestamp(challenge.validated)
        if challenge.error:
            body["error"] = challenge.error
        return body

    # -- challenge

    def challenge(self, call: Call) -> Answer:
        challenge = self._state.challenges.get(call.argument)
        if challenge is None:
            raise Problem("malformed", "There is no such challenge.", status=404, violation="unknown_resource")
        authorization = self._state.authorizations[challenge.authorization]
        self._check_owner(call, authorization)
        if not call.is_get:
            call.payload()
            self._post(challenge, authorization)
        answer = Answer(
            self._object(challenge),
            retry_after=self._state.behaviour.retry_after if challenge.status == "processing" else 0.0,
        )
        answer.links.append(("up", self._server.url("authz", authorization.id)))
        return answer

    def _post(self, challenge: Challenge, authorization: Authorization) -> None:
        behaviour = self._state.behaviour
        challenge.posts += 1
        self._state.journal.event("challenge_post", address=authorization.address, challenge=challenge.id,
                                  number=challenge.posts)
        if challenge.posts > 1 and not behaviour.repeat_post_allowed:
            self._state.journal.violation("challenge_posted_twice", "A challenge was POSTed again.",
                                          address=authorization.address)
        if challenge.status != "pending" or self._state.refresh_authorization(authorization) != "pending":
            return
        challenge.status = "processing"
        if behaviour.mail_moment == "post":
            self.send(challenge)
        if challenge.replies:
            self.decide(challenge)
        elif behaviour.invalid_on_early_post:
            self._invalid(challenge, "unauthorized", "The challenge was POSTed before the reply had arrived.")
        elif behaviour.validation_timeout:
            asyncio.get_running_loop().call_later(behaviour.validation_timeout, self._time_out, challenge)

    def _time_out(self, challenge: Challenge) -> None:
        if challenge.status == "processing" and not challenge.replies:
            self._invalid(challenge, "incorrectResponse", "No reply to the challenge mail arrived.")

    def decide(self, challenge: Challenge) -> None:
        """The reply is here: if the challenge was POSTed too, the verdict falls, at once or after a delay."""
        if challenge.status != "processing":
            return
        delay = self._state.behaviour.validation_delay
        if delay:
            asyncio.get_running_loop().call_later(delay, self._verdict, challenge)
        else:
            self._verdict(challenge)

    def _verdict(self, challenge: Challenge) -> None:
        if challenge.status != "processing":
            return
        if challenge.reply_good:
            challenge.status = "valid"
            challenge.validated = self._state.now()
        else:
            challenge.status = "invalid"
            challenge.error = challenge.reply_problem

    def _invalid(self, challenge: Challenge, kind: str, detail: str) -> None:
        challenge.status = "invalid"
        challenge.error = Problem(kind, detail).document()
