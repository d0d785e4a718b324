# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The turns of orders: at one CA, at most one order has an open challenge for an address at a time (rule 6).

If a CA sends all challenge mails from one address, a mail does not show to which of two open challenges of a mailbox it
belongs. So the next authorization, whose fetch makes the CA send its mail, is fetched when the previous one is final.
The turn is a file in the folder of the address's replies, and remains after the process ends: an order whose run has
ended keeps the turn until another order needs it, which first has to deactivate those authorizations. An order that
waits for a person keeps the turn as long as its challenge can be answered, because the person may be about to answer.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import hashlib
import os
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._errors import JournalError
from ansible_collections.mailcert.acme.plugins.module_utils._limits import CHALLENGE_LIFETIME, MOST_AHEAD
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs import atomic
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs import document as fs_document
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs.document import Document
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs.locks import lock
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs.paths import check_absolute
from ansible_collections.mailcert.acme.plugins.module_utils._text import escape
from ansible_collections.mailcert.acme.plugins.module_utils._time import format_iso, utc_now

LOCK_SECONDS = 30.0
_SKEW = datetime.timedelta(minutes=10)


@dataclasses.dataclass(frozen=True)
class Turn:
    """The order that has the turn.

    :ivar urls: of the authorizations of one order; empty once they are final.
    :ivar opened: when they were opened, aware: their challenge mails are not older.
    :ivar run_id: the run that works on them; empty without one.
    :ivar until: when the turn of that run expires, aware.
    :ivar displaced: URLs of authorizations that had the turn before and may still be open; deactivate them first.
    :ivar owner: identifies the certificate of the order, over all of its orders; empty where that is not known.
    :ivar awaits: whether the order waits for a person; then an order for another certificate cannot take the turn.
    """

    urls: tuple[str, ...]
    opened: datetime.datetime
    run_id: str
    until: datetime.datetime
    displaced: tuple[str, ...] = ()
    owner: str = ""
    awaits: bool = False


class ChallengeTurns:
    """The turn for one address at one CA.

    :arg folder: of the address's replies; made when a turn is taken.
    :arg directory: the CA, by its directory URL.
    :arg now: gives the present moment, aware.
    :arg is_gone: whether a run is known to have ended.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        directory: str,
        *,
        now: t.Callable[[], datetime.datetime] = utc_now,
        is_gone: t.Callable[[str], bool] = lambda run_id: False,
    ) -> None:
        self.folder = os.path.join(check_absolute(folder, "The folder of the replies"), "turns")
        digest = hashlib.sha256(directory.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        self.path = os.path.join(self.folder, f"{digest}.json")
        self._now = now
        self._is_gone = is_gone

    def take(
        self, urls: t.Sequence[str], *, run_id: str, seconds: float, displace: bool = True, owner: str = ""
    ) -> Turn | None:
        """Take the turn for an order, or extend it; ``None`` where another order has it and a run works on that order.

        :arg urls: of the order's authorizations, at least one.
        :arg seconds: for how long the run may work on it.
        :arg displace: whether to take it from an open order on which no run works.
        :arg owner: see :class:`Turn`; an earlier order of the same certificate is displaced in any case.
        :raises JournalError: the file is damaged.
        """
        atomic.ensure_folder(self.folder)
        now = self._now()
        with self._locked():
            found = self._read()
            same = found is not None and not set(found.urls).isdisjoint(urls)
            opened, awaits = now, False
            displaced: tuple[str, ...] = ()
            if found is not None and same:
                opened, displaced, awaits = found.opened, found.displaced, found.awaits
                owner = owner or found.owner
            elif found is not None:
                if now - found.opened < CHALLENGE_LIFETIME:
                    displaced = (*found.displaced, *found.urls)
                ours = bool(owner) and owner == found.owner
                if self._is_busy(found, now) or (displaced and not displace and not ours):
                    return None
                if displaced and not ours and self._awaits(found, now):
                    return None
            until = now + datetime.timedelta(seconds=seconds)
            return self._write(Turn(tuple(urls), opened, run_id, until, displaced, owner, awaits))

    def awaited(self) -> Turn | None:
        """The turn, if its order waits for a person and the challenge can still be answered; ``None`` otherwise.

        ``None`` also while a run works on the order: the person may have answered.

        :raises JournalError: the file is damaged.
        """
        with self._locked():
            found = self._read()
        now = self._now()
        return found if found is not None and self._awaits(found, now) and not self._is_busy(found, now) else None

    def open_urls(self) -> tuple[str, ...]:
        """URLs of the authorizations that may be open now."""
        found = self._read()
        if found is None or self._now() - found.opened >= CHALLENGE_LIFETIME:
            return ()
        return (*found.displaced, *found.urls)

    def ended(self, turn: Turn) -> Turn:
        """The authorizations that had the turn before are final now."""
        return self._change(turn, displaced=())

    def release(self, turn: Turn, *, awaits: bool | None = None) -> None:
        """No run works on the order now, and it stays open.

        :arg awaits: whether it waits for a person; ``None`` does not change that.
        """
        self._change(turn, run_id="", awaits=turn.awaits if awaits is None else awaits)

    def close(self, turn: Turn) -> None:
        """All authorizations of the order are final: the next order need not deactivate any."""
        self._change(turn, urls=(), run_id="", displaced=(), awaits=False)

    def abandoned(self, urls: t.Sequence[str], *, ended: bool) -> None:
        """An order was abandoned, by any run. Does nothing if another order has the turn, or none.

        :arg urls: of its authorizations. ``ended``: whether they are final.
        """
        if not os.path.lexists(self.path):
            return
        with self._locked():
            found = self._read()
            if found is not None and not set(found.urls).isdisjoint(urls):
                self._write(dataclasses.replace(found, run_id="", awaits=False, urls=() if ended else found.urls))

    def _change(self, turn: Turn, **changes: t.Any) -> Turn:
        changed = dataclasses.replace(turn, **changes)
        with self._locked():
            found = self._read()
            # if the turn has expired and another run has taken it, it is not changed
            if found is not None and (found.urls, found.run_id) == (turn.urls, turn.run_id):
                self._write(changed)
        return changed

    def _is_busy(self, turn: Turn, now: datetime.datetime) -> bool:
        """Whether a run works on the order; an end that is too far ahead comes from a wrong clock."""
        lasts = now < turn.until <= now + MOST_AHEAD + _SKEW
        return bool(turn.run_id) and lasts and not self._is_gone(turn.run_id)

    @staticmethod
    def _awaits(turn: Turn, now: datetime.datetime) -> bool:
        """Whether it waits for a person who can still answer; a start in the future comes from a wrong clock."""
        return turn.awaits and -_SKEW <= now - turn.opened < CHALLENGE_LIFETIME

    def _locked(self) -> contextlib.AbstractContextManager[None]:
        return lock(os.path.join(self.folder, "lock"), timeout=LOCK_SECONDS, what=f"the turns in {escape(self.folder)}")

    def _read(self) -> Turn | None:
        return fs_document.load(
            self.path,
            _read_turn,
            what="The record of the open challenge",
            remedy="remove it when no run is under way",
            error=JournalError,
        )

    def _write(self, turn: Turn) -> Turn:
        fields = {
            "urls": list(turn.urls),
            "opened": format_iso(turn.opened),
            "run_id": turn.run_id,
            "until": format_iso(turn.until),
            "displaced": list(turn.displaced),
            "owner": turn.owner,
            "awaits": turn.awaits,
        }
        atomic.write_atomic(self.path, fs_document.encode(fields))
        return turn


def _read_turn(document: Document) -> Turn:
    return Turn(
        urls=document.texts("urls"),
        opened=document.present_moment("opened"),
        run_id=document.text("run_id"),
        until=document.present_moment("until"),
        displaced=document.texts("displaced"),
        owner=document.text("owner"),
        awaits=document.flag("awaits"),
    )
