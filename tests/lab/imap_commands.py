# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab's IMAP server has beyond pymap: special uses of folders, and switches that take extensions away.

Special uses are told as by RFC 6154 or by XLIST before it. What is switched off is refused too, as an old server would.
"""

from __future__ import annotations

import contextlib
import typing as t

from pymap.context import connection_exit
from pymap.exceptions import MailboxError, NotSupportedError
from pymap.imap.state import ConnectionState
from pymap.parsing import Params
from pymap.parsing.command.auth import ListCommand
from pymap.parsing.commands import Commands
from pymap.parsing.response import ResponseCode
from pymap.parsing.response.specials import ListResponse

from .logins import BearerConnection
from .state import State

RETURN_SPECIAL_USE = b" RETURN (SPECIAL-USE)"
# by the behaviour imap_special_use
SPECIAL_USE_CAPABILITIES = {
    "extended": (b"LIST-EXTENDED", b"SPECIAL-USE"), "plain": (b"SPECIAL-USE",), "xlist": (b"XLIST",), "none": (),
}


class _List(ListCommand):
    """LIST that may end in RETURN (SPECIAL-USE)."""

    #: how the client asked for special uses
    asked = "plain"

    @classmethod
    def parse(cls, buf: memoryview, params: Params) -> tuple[ListCommand, memoryview]:
        line = bytes(buf)
        command, rest = super().parse(memoryview(line.replace(RETURN_SPECIAL_USE, b"", 1)), params)
        if RETURN_SPECIAL_USE in line:
            command.asked = "extended"
        return command, rest


class _XList(ListCommand):
    """XLIST, the forerunner at Google."""

    command = b"XLIST"
    delegate = ListCommand
    asked = "xlist"


class _XListResponse(ListResponse):
    _name = b"XLIST"


def commands() -> Commands:
    """pymap's commands with ours."""
    known = Commands()
    known.register(_List)
    known.register(_XList)
    return known


class Connection(ConnectionState):
    """A client's connection under the lab's behaviour of the moment."""

    lab_state: State

    async def do_list(self, cmd: t.Any) -> t.Any:
        behaviour = self.lab_state.behaviour
        asked = getattr(cmd, "asked", "")
        if asked not in ("", "plain") and asked != behaviour.imap_special_use:
            raise NotSupportedError("This kind of LIST is disabled.")
        response, updates = await super().do_list(cmd)
        if asked and asked == behaviour.imap_special_use:
            uses = behaviour.imap_special_uses
            for item in response._untagged:
                if isinstance(item, ListResponse) and item.mailbox in uses:
                    item.attrs = [*item.attrs, uses[item.mailbox].encode("ascii")]
                    if asked == "xlist":
                        item.__class__ = _XListResponse
        return response, updates

    async def do_expunge(self, cmd: t.Any) -> t.Any:
        if cmd.uid_set is not None and not self.lab_state.behaviour.imap_uidplus:
            raise NotSupportedError("UIDPLUS is disabled.")
        return await super().do_expunge(cmd)

    async def do_copy(self, cmd: t.Any) -> t.Any:
        self._check_quota(cmd.mailbox)
        return await super().do_copy(cmd)

    async def do_append(self, cmd: t.Any) -> t.Any:
        self._check_quota(cmd.mailbox)
        return await super().do_append(cmd)

    async def do_move(self, cmd: t.Any) -> t.Any:
        if not self.lab_state.behaviour.imap_move:
            raise NotSupportedError("MOVE is disabled.")
        self._check_quota(cmd.mailbox)
        return await super().do_move(cmd)

    def _check_quota(self, mailbox: str) -> None:
        if self.lab_state.behaviour.imap_quota_full:
            raise MailboxError(mailbox, b"Quota exceeded (mailbox for user is full).", ResponseCode.of(b"OVERQUOTA"))


class Server:
    """pymap's IMAPServer with our connections."""

    def __init__(self, state: State, login: t.Any, config: t.Any) -> None:
        self._state = state
        self._login = login
        self._config = config
        self._commands = commands()

    async def __call__(self, reader: t.Any, writer: t.Any, socket: t.Any) -> None:
        with contextlib.closing(BearerConnection(self._commands, self._config, reader, writer, socket)) as connection:
            connection.lab_state = self._state
            connection.lab_logins = self._login.logins
            async with contextlib.AsyncExitStack() as stack:
                connection_exit.set(stack)
                client = Connection(self._login, self._config)
                client.lab_state = self._state
                await connection.run(client)
