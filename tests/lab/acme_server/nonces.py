# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nonces (RFC 8555, 6.5): given once, good once."""

from __future__ import annotations

import secrets
import typing as t

from .. import jws
from ..problems import Problem

_LIMIT = 200000


class Nonces:
    def __init__(self) -> None:
        self._used: dict[str, bool] = {}  # in the order they were given

    def new(self) -> str:
        value = secrets.token_urlsafe(16)
        self._used[value] = False
        if len(self._used) > _LIMIT:
            del self._used[next(iter(self._used))]
        return value

    def spend(self, value: t.Any) -> None:
        """Raises a Problem of type badNonce unless the nonce is ours and fresh."""
        if not isinstance(value, str):
            raise Problem("badNonce", "The protected header has no nonce.", violation="jws")
        used = self._used.get(value)
        if used is None:
            jws.decode(value, "nonce")
            raise Problem("badNonce", "The nonce is not one of ours.", violation="nonce_unknown")
        self._used[value] = True
        if used:
            raise Problem("badNonce", "The nonce was used before.", violation="nonce_reused")

    def mark(self, value: t.Any) -> None:
        """The nonce was shown in a request that is not processed: it must not come again all the same."""
        if value in self._used:
            self._used[value] = True
