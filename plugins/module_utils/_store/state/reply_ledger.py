# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reply ledger: each reply is on disk before it is sent, so no challenge is answered twice (rule 11).

Each mail address has a folder, shared by all certificates with this address: a challenge mail that was answered for one
certificate is still in the mailbox when the next is ordered. Each authorization has a file with the exact octets of its
reply, and its state:

- ``claimed``: the file is made exclusively before the reply is sent. After a restart it is not known whether the reply
  was sent, so it is never sent again.
- ``sent``: the submission server took it (250).
- ``refused``: the server refused it. After a 4xx, or if nothing was sent (code 0), the same octets may be sent again.

A reply that a person sends is ``claimed`` each time before its text is shown, and ``sent`` once the person reports it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import hashlib
import os
import secrets
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._errors import BusyError, InputError, JournalError
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs import atomic
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs import document as fs_document
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs.locks import lock
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs.names import encode_address
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs.paths import check_absolute, failed
from ansible_collections.mailcert.acme.plugins.module_utils._text import escape
from ansible_collections.mailcert.acme.plugins.module_utils._time import utc_now

from .reply import Reply, fields_of, read_reply, token_line

__all__ = ("MAX_DATA", "Ledger", "Reply", "folder_of")

MAX_DATA = 1 << 18
MAX_SERVER_TEXT = 1000
LOCK_SECONDS = 30.0


def folder_of(root: str, address: str) -> str:
    """The folder of the replies of one address, below the folder of all replies.

    :raises AddressError: it is no address.
    """
    return os.path.join(root, encode_address(address))


class Ledger:
    """The replies in a folder, made when the first is claimed.

    :arg now: gives the present moment, aware.
    """

    def __init__(self, folder: str | os.PathLike[str], *, now: t.Callable[[], datetime.datetime] = utc_now) -> None:
        self.folder = check_absolute(folder, "The folder of the reply ledger")
        self._now = now

    def find(self, authorization_url: str) -> Reply | None:
        """The reply to this authorization's challenge, in any state; None if there is none.

        :raises JournalError: its file is damaged; the challenge counts as answered then.
        """
        found = _load(self._path(authorization_url))
        if found is not None and found.authorization_url != authorization_url:
            raise JournalError(f"{escape(self._path(authorization_url))} is of another authorization; move it away.")
        return found

    def find_answer(self, message_id: str, data: bytes) -> Reply | None:
        """The reply to a challenge mail, for any authorization: a mail is answered once.

        The mail is identified by its Message-ID, and by its token in the Subject of the reply: some mails have no
        Message-ID, and a mail that the CA sends twice has two.
        """
        token = token_line(data)
        return next(
            (
                reply
                for reply in self.replies()
                if (message_id and reply.message_id == message_id) or (token and token_line(reply.data) == token)
            ),
            None,
        )

    def replies(self) -> list[Reply]:
        """All replies of the folder.

        :raises JournalError: one is damaged.
        """
        try:
            names = sorted(name for name in os.listdir(self.folder) if name.endswith(".json"))
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise failed(self.folder, "cannot be read", error) from error
        loaded = (_load(os.path.join(self.folder, name)) for name in names)
        return [reply for reply in loaded if reply is not None]

    def claim(
        self,
        authorization_url: str,
        *,
        message_id: str,
        recipient: str,
        sender: str,
        data: bytes,
        by_hand: bool = False,
    ) -> Reply:
        """Claim the reply to an authorization, before it is sent. Of several processes exactly one succeeds.

        :arg data: the exact octets that will be sent; 256 KiB at most.
        :raises BusyError: this authorization, or this challenge mail, was claimed before; ``details`` has the state of
            that reply. :meth:`find` returns it.
        :raises JournalError: a file of the ledger is damaged.
        """
        if not authorization_url:
            raise InputError("A reply needs the URL of its authorization.")
        if len(data) > MAX_DATA:
            raise InputError(f"A reply has from 1 to {MAX_DATA} octets, not {len(data)}.")
        reply = Reply(
            authorization_url=authorization_url,
            message_id=message_id,
            recipient=recipient,
            sender=sender,
            data=bytes(data),
            state="claimed",
            claimed=self._now(),
            claim=secrets.token_hex(8),
            by_hand=by_hand,
        )
        atomic.ensure_folder(self.folder)
        with self._locked():
            earlier = self.find(authorization_url) or self.find_answer(message_id, data)
            if earlier is None:
                try:
                    atomic.create_exclusive(self._path(authorization_url), fs_document.encode(fields_of(reply)))
                except FileExistsError:
                    # only without working locks (some network file systems): here the file system decides
                    earlier = self.find(authorization_url)
                else:
                    return reply
        state, message = (earlier.state, earlier.message_id) if earlier else ("claimed", "")
        raise BusyError(
            f"The challenge mail of {escape(authorization_url)} was answered before (its reply is {state}), or is being"
            " answered now; it is not answered twice.",
            stage="reply",
            details={"reply_state": state, "message_id": message},
        )

    def claim_again(self, reply: Reply, *, by_hand: bool = False) -> Reply:
        """Claim a refused reply for sending the same octets once more; exactly one process succeeds.

        :arg by_hand: whether a person sends it now.
        :raises JournalError: it may not be sent again (:attr:`Reply.may_go_again`), or another process has claimed it.
        """
        if not reply.may_go_again:
            raise JournalError(
                f"The reply to {escape(reply.authorization_url)} is {reply.state} and is not sent again.", stage="reply"
            )
        return self._change(
            reply,
            state="claimed",
            claimed=self._now(),
            claim=secrets.token_hex(8),
            attempts=reply.attempts + 1,
            by_hand=by_hand,
        )

    def mark_sent(self, reply: Reply, server_line: str) -> Reply:
        """The submission server accepted the reply; ``server_line`` is its answer."""
        return self._mark(reply, "sent", 250, server_line)

    def mark_said_sent(self, reply: Reply) -> Reply:
        """The person reports that the reply was sent; the time of sending is now."""
        if reply.state != "claimed" or not reply.by_hand:
            url = escape(reply.authorization_url)
            raise JournalError(f"The reply to {url} is not one that a person sends.", stage="reply")
        return self._change(reply, state="sent", claimed=self._now(), text="sent by hand, as was said")

    def mark_refused(self, reply: Reply, code: int, text: str) -> Reply:
        """The submission server refused the reply with this code, 400 to 599, and this text."""
        if not 400 <= code <= 599:
            raise InputError(f"A refusal has a code from 400 to 599, not {code}.")
        return self._mark(reply, "refused", code, text)

    def mark_not_sent(self, reply: Reply, text: str) -> Reply:
        """The reply was certainly not sent: no connection, no login, or an error before the final dot of DATA.

        The state is ``refused`` with code 0, so the same octets may be sent again.
        """
        return self._mark(reply, "refused", 0, text)

    def _mark(self, reply: Reply, state: str, code: int, text: str) -> Reply:
        if reply.state != "claimed":
            raise JournalError(
                f"The reply to {escape(reply.authorization_url)} is {reply.state}, not claimed.", stage="reply"
            )
        return self._change(reply, state=state, code=code, text=escape(text)[:MAX_SERVER_TEXT])

    def _change(self, reply: Reply, **changes: t.Any) -> Reply:
        changed = dataclasses.replace(reply, **changes)
        with self._locked():
            found = self.find(reply.authorization_url)
            if found is None or (found.claim, found.state) != (reply.claim, reply.state):
                raise JournalError(
                    f"Another run changed the reply to {escape(reply.authorization_url)} in between; run again.",
                    stage="reply",
                    retryable=True,
                    details={"reply_state": found.state if found else ""},
                )
            atomic.write_atomic(self._path(reply.authorization_url), fs_document.encode(fields_of(changed)))
        return changed

    def _locked(self) -> contextlib.AbstractContextManager[None]:
        return lock(
            os.path.join(self.folder, "lock"), timeout=LOCK_SECONDS, what=f"the reply ledger {escape(self.folder)}"
        )

    def _path(self, authorization_url: str) -> str:
        digest = hashlib.sha256(authorization_url.encode("utf-8", "surrogatepass")).hexdigest()
        return os.path.join(self.folder, f"{digest}.json")


def _load(path: str) -> Reply | None:
    return fs_document.load(
        path,
        read_reply,
        what="The reply on record",
        remedy="restore it from a backup; without the file it is not known that this challenge was answered",
        error=JournalError,
    )
