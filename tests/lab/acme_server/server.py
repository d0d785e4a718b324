# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The HTTP side of the ACME server: routing, JWS checks, problem documents."""

from __future__ import annotations

import dataclasses
import email.utils
import json
import logging
import typing as t

from aiohttp import web

from .. import jws
from ..problems import Problem
from ..state import Account, State
from . import patience
from .accidents import Accidents, Subject
from .nonces import Nonces

_log = logging.getLogger(__name__)
_MAX_BODY = 256 * 1024


@dataclasses.dataclass
class Call:
    """A verified request: who asks, with what."""

    path: str
    url: str
    resource: str
    argument: str  # the last part of the path: an id, or empty
    request: jws.Jws
    key: jws.PublicKey
    account: Account | None
    state: State

    @property
    def is_get(self) -> bool:
        """POST-as-GET (RFC 8555, 6.3)."""
        return self.request.payload == b""

    def payload(self) -> dict[str, t.Any]:
        return self.request.json_payload()

    def require_get(self) -> None:
        if not self.is_get:
            raise Problem("malformed", "POST-as-GET has an empty payload, not {}.", violation="payload")

    @property
    def owner(self) -> Account:
        if self.account is None:
            raise AssertionError("the resource takes a jwk")
        return self.account


@dataclasses.dataclass
class Answer:
    """A response before it is HTTP. ``retry_after`` in seconds goes out by the behaviour's form."""

    body: t.Any = None
    status: int = 200
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    links: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    content_type: str = "application/json"
    retry_after: float = 0.0


Handler = t.Callable[[Call], t.Union[Answer, t.Awaitable[Answer]]]


@dataclasses.dataclass(frozen=True)
class Resource:
    """A kind of resource: which key reference it takes (``kid``, ``jwk``, ``either``) and who answers."""

    name: str
    handler: Handler
    reference: str = "kid"


class AcmeServer:
    """Dispatches. Resources register themselves by the first part of their path."""

    def __init__(self, state: State, base: t.Callable[[], str]) -> None:
        self._state = state
        self._base = base
        self._resources: dict[str, Resource] = {}
        self._gets: dict[str, tuple[str, t.Callable[[str], Answer]]] = {}
        self._nonces = Nonces()
        self._accidents = Accidents(state, self._nonces, lambda: self.url("elsewhere"))

    def register(self, part: str, resource: Resource) -> None:
        self._resources[part] = resource

    def register_get(self, part: str, name: str, handler: t.Callable[[str], Answer]) -> None:
        """A resource that is fetched by plain GET: directory, renewalInfo."""
        self._gets[part] = (name, handler)

    def url(self, *parts: str) -> str:
        return "/".join((self._base(), *parts))

    def application(self) -> web.Application:
        application = web.Application(client_max_size=_MAX_BODY)
        application.router.add_route("*", "/{part}", self._handle)
        application.router.add_route("*", "/{part}/{argument}", self._handle)
        application.router.add_route("*", "/{tail:.*}", self._handle)
        return application

    # -- the way of a request

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        part = request.match_info.get("part", "")
        argument = request.match_info.get("argument", "")
        name = self._name(part)
        body = await request.read()
        self._check_manners(request, body)
        subject = Subject(self._state, request.path, argument, body)
        fault = self._state.faults.take(name, subject) if name else None
        note: dict[str, t.Any] = {"method": request.method, "path": request.path, "resource": name}
        if fault:
            note["fault"] = fault.kind
            early = await self._accidents.happen(request, fault, body)
            if early is not None:
                self._state.journal.event("http", status=early.status, **note)
                return early
        try:
            answer = await self._answer(request, part, argument, body, note)
        except Problem as problem:
            answer = self._problem(problem, note, request)
        except Exception as error:  # a bug of the lab: the client gets a problem document, the log gets the rest
            _log.exception("The lab failed at %s", request.path)
            self._state.journal.event("lab_error", path=request.path, error=repr(error))
            answer = self._problem(Problem("serverInternal", f"The lab has a bug: {error!r}"), note, request)
        late = self._state.faults.take(name, subject, "after") if name else None
        if late:
            note["fault"] = late.kind
        self._state.journal.event("http", status=answer.status, **note)
        if late:
            lost = await self._accidents.happen(request, late, body)
            if lost is not None:
                return lost
        return self._response(request, answer, body)

    def _check_manners(self, request: web.Request, body: bytes) -> None:
        """What is recorded but not refused."""
        journal = self._state.journal
        if not request.headers.get("User-Agent"):
            journal.violation("user_agent", "A request without User-Agent.", path=request.path)
        if "Authorization" in request.headers:
            journal.violation("authorization", "A request with HTTP authentication.", path=request.path)
        patience.check(self._state, patience.key(request, body))

    def _name(self, part: str) -> str:
        if part == "new-nonce":
            return "newNonce"
        if part in self._gets:
            return self._gets[part][0]
        return self._resources[part].name if part in self._resources else ""

    async def _answer(
        self, request: web.Request, part: str, argument: str, body: bytes, note: dict[str, t.Any]
    ) -> Answer:
        if part == "new-nonce":
            return Answer(status=200 if request.method == "HEAD" else 204)
        if part in self._gets:
            if request.method not in ("GET", "HEAD"):
                raise Problem("malformed", "This resource is fetched by plain GET.", status=405)
            return self._gets[part][1](argument)
        resource = self._resources.get(part)
        if resource is None:
            raise Problem("malformed", "There is no such resource.", status=404, violation="unknown_resource")
        if request.method != "POST":
            raise Problem(
                "malformed", f"{request.method} is not allowed here: use POST-as-GET.", status=405, violation="method"
            )
        call = self._verify(request, resource, argument, body)
        if call.account is not None:
            note["account"] = call.account.id
        answer = resource.handler(call)
        if not isinstance(answer, Answer):
            answer = await answer
        return answer

    def _verify(self, request: web.Request, resource: Resource, argument: str, body: bytes) -> Call:
        """RFC 8555, 6.2 to 6.5. The nonce is spent first: whatever else is wrong, it was shown."""
        content_type = request.headers.get("Content-Type", "")
        if content_type.partition(";")[0].strip().lower() != "application/jose+json":
            raise Problem(
                "malformed", f"Content-Type is {content_type or 'missing'}, not application/jose+json.", status=415,
                violation="content_type",
            )
        parsed = jws.parse(body)
        protected = parsed.protected
        self._nonces.spend(protected.get("nonce"))
        jws.check_algorithm(protected)
        url = self._base() + request.path_qs
        if protected.get("url") != url:
            raise Problem(
                "unauthorized", f"The url of the protected header is {protected.get('url')!r}, not {url}.",
                violation="url",
            )
        account: Account | None = None
        if ("jwk" in protected) == ("kid" in protected):
            raise Problem("malformed", "The protected header has either jwk or kid.", violation="key_reference")
        if "jwk" in protected:
            if resource.reference == "kid":
                raise Problem("malformed", "This resource wants kid, not jwk.", violation="key_reference")
            key = jws.public_key(protected["jwk"])
        else:
            if resource.reference == "jwk":
                raise Problem("malformed", "This resource wants jwk, not kid.", violation="key_reference")
            account = self.account_by_url(protected["kid"])
            key = account.key
        key.verify(parsed)
        if account is not None and account.status != "valid":
            raise Problem("unauthorized", f"The account is {account.status}.", status=401)
        if account is not None and resource.name != "account":
            self._check_terms(account)
        return Call(request.path, url, resource.name, argument, parsed, key, account, self._state)

    def _check_terms(self, account: Account) -> None:
        """RFC 8555, 7.3.3."""
        behaviour = self._state.behaviour
        if behaviour.terms_enforced and account.terms != behaviour.terms:
            raise Problem(
                "userActionRequired", "Terms of service have changed.",
                extra={"instance": f"{behaviour.terms}/how-to-agree"},
                headers={"Link": f'<{behaviour.terms}>;rel="terms-of-service"'},
            )

    def account_by_url(self, url: t.Any) -> Account:
        prefix = self.url("account", "")
        if isinstance(url, str) and url.startswith(prefix):
            account = self._state.accounts.get(url[len(prefix):])
            if account is not None:
                return account
        raise Problem("accountDoesNotExist", "There is no such account.")

    # -- responses

    def _problem(self, problem: Problem, note: dict[str, t.Any], request: web.Request) -> Answer:
        if problem.violation:
            self._state.journal.violation(
                problem.violation, problem.detail, path=request.path, account=note.get("account", "")
            )
        note["problem"] = problem.kind
        return Answer(
            body=problem.document(), status=problem.status, headers=problem.headers,
            content_type="application/problem+json",
        )

    def _response(self, request: web.Request, answer: Answer, sent: bytes) -> web.Response:
        headers = {"Cache-Control": "no-store", **answer.headers}
        # a CA's clock that is off shows in Date (docs/rules.md, rule 26)
        headers["Date"] = email.utils.formatdate(self._state.now(), usegmt=True)
        if request.method == "POST" or request.path == "/new-nonce":
            headers["Replay-Nonce"] = self._nonces.new()
        if answer.retry_after:
            headers["Retry-After"] = patience.header(
                self._state, patience.key(request, sent), answer.retry_after
            )
        body = answer.body
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        response = web.Response(body=body, status=answer.status, headers=headers)
        if body is not None:
            response.headers["Content-Type"] = answer.content_type
        if request.path != "/directory":
            response.headers.add("Link", f'<{self.url("directory")}>;rel="index"')
        for relation, url in answer.links:
            response.headers.add("Link", f'<{url}>;rel="{relation}"')
        return response
