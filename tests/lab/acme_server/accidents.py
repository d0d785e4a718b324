# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carries out the faults of the ACME server: responses that are lost, wrong, late or about something else."""

from __future__ import annotations

import asyncio
import json
import typing as t

from aiohttp import web

from .. import jws
from ..csr_check import key_fingerprint
from ..faults import Fault
from ..problems import Problem
from ..state import State
from . import patience
from .nonces import Nonces


class Subject:
    """What a fault's ``match`` is sought in, computed only when a fault asks."""

    def __init__(self, state: State, path: str, argument: str, body: bytes) -> None:
        self._state = state
        self._path = path
        self._argument = argument
        self._body = body

    def __call__(self) -> str:
        parts = [self._path]
        state, argument = self._state, self._argument
        if argument in state.orders:
            parts += state.orders[argument].addresses
        if argument in state.authorizations:
            parts.append(state.authorizations[argument].address)
        if argument in state.challenges:
            parts.append(state.challenges[argument].mail_to)
        if argument in state.certificates:
            parts += state.certificates[argument].addresses
        try:
            parsed = jws.parse(self._body)
            parts += [parsed.payload.decode("utf-8", "replace"), json.dumps(parsed.protected)]
        except Problem:
            pass
        return " ".join(parts)


class Accidents:
    """``elsewhere`` is a URL that no honest client asks for."""

    def __init__(self, state: State, nonces: Nonces, elsewhere: t.Callable[[], str]) -> None:
        self._state = state
        self._nonces = nonces
        self._elsewhere = elsewhere

    async def happen(self, request: web.Request, fault: Fault, body: bytes) -> web.StreamResponse | None:
        """The response that the client gets instead; None means go on as if nothing were."""
        self._state.journal.event("fault", resource=fault.resource, fault=fault.kind, when=fault.when)
        if fault.kind == "hang":
            await asyncio.sleep(fault.seconds)
            return None
        if fault.when == "before":
            self._note_lost(fault, body)
        if fault.kind == "drop":
            _cut(request)
            return web.Response(status=500)
        headers = {"Replay-Nonce": self._nonces.new()}
        if fault.retry_after:
            headers["Retry-After"] = patience.header(self._state, patience.key(request, body), fault.retry_after)
        if fault.kind == "truncate":
            return await _truncated(request)
        if fault.kind == "html":
            text = "<html><body>Service unavailable</body></html>"
            return web.Response(text=text, status=fault.status, content_type="text/html", headers=headers)
        if fault.kind == "redirect":
            return web.Response(status=307, headers={**headers, "Location": fault.location or self._elsewhere()})
        if fault.kind == "garbage":
            return web.Response(body=b"\x00{]", status=200, content_type="application/json", headers=headers)
        kind, status = {
            "status": ("serverInternal", fault.status), "rateLimited": ("rateLimited", 429),
            "badNonce": ("badNonce", 400), "problem": (fault.type, fault.status),
        }[fault.kind]
        problem = Problem(kind, fault.text or f"The lab plays {fault.kind}.", status=status)
        return web.Response(
            body=json.dumps(problem.document()).encode(), status=status, content_type="application/problem+json",
            headers=headers,
        )

    def _note_lost(self, fault: Fault, body: bytes) -> None:
        """A request that is not processed left the client all the same: its nonce must not come again, and a
        finalize counts for the oracle that every key which was ever sent is kept (docs/rules.md, rule 15)."""
        try:
            parsed = jws.parse(body)
            self._nonces.mark(parsed.protected.get("nonce"))
            if fault.resource == "finalize":
                fingerprint = key_fingerprint(jws.decode(parsed.json_payload().get("csr"), "csr"))
                self._state.journal.event("finalize_lost", key=fingerprint)
        except Problem:
            return


def _cut(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


async def _truncated(request: web.Request) -> web.StreamResponse:
    stream = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": "4096"})
    await stream.prepare(request)
    await stream.write(b'{"status": ')
    _cut(request)
    return stream
