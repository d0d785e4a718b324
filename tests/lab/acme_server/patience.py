# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Retry-After (RFC 8555, 7.5.1 and 6.6; RFC 9110, 10.2.3): sent in both forms, and held against the client."""

from __future__ import annotations

import email.utils
import hashlib
import math
import time

from aiohttp import web

from .. import jws
from ..problems import Problem
from ..state import State

#: how much earlier than Retry-After a request may come, in seconds. A client counts from when it has read the
#: response, we from before we sent it, so an honest client is always later; this is for coarse clocks.
TOLERANCE = 0.05


def key(request: web.Request, body: bytes) -> str:
    """What Retry-After is about: another look at the object, or the same request again.

    Other clients may use the same URL at the same time; plain GETs of shared resources cannot be told apart, so they
    have no key. A client that gives an authorization up looks at nothing, and may do that whenever it wants.
    """
    try:
        payload = jws.parse(body).payload
    except Problem:
        payload = b""
    if payload:
        return f"{request.path} {hashlib.sha256(payload).hexdigest()}"
    return request.path if "argument" in request.match_info else ""


def check(state: State, patience_key: str) -> None:
    """Record a violation if the client comes too early. One waiting time is held against it once."""
    limit = state.retry_not_before.pop(patience_key, 0.0)
    early = limit - time.time()
    if limit and early > TOLERANCE:
        path = patience_key.partition(" ")[0]
        state.journal.violation("retry_after", f"{path} was asked for {early:.2f} s before Retry-After.", path=path)


def header(state: State, patience_key: str, seconds: float) -> str:
    """The value of Retry-After, remembered; whole seconds, at least one."""
    if state.behaviour.retry_after_form == "date":
        moment = math.ceil(time.time() + seconds)
        limit = float(moment)
        text = email.utils.formatdate(moment + state.behaviour.clock_offset, usegmt=True)
    else:
        whole = max(1, round(seconds))
        limit, text = time.time() + whole, str(whole)
    if patience_key:
        state.retry_not_before[patience_key] = limit
    return text
