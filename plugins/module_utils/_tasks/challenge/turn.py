# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Opening the challenges of an order: its turn first, then its authorizations (docs/rules.md, rule 6).

Fetching an authorization makes the CA send its mail. So smime_order does not fetch the authorizations of an order if
one of its addresses has another challenge open at the same CA. It must not wait either: in a run, smime_order is done
for all mailboxes before the first challenge is answered. smime_email_challenge then waits until the other challenge is
final.
"""

from __future__ import annotations

import datetime
import time
import typing as t
import uuid

from ansible_collections.mailcert.acme.plugins.module_utils import _address
from ansible_collections.mailcert.acme.plugins.module_utils._acme import authorization as authorizations
from ansible_collections.mailcert.acme.plugins.module_utils._acme.client import AcmeClient
from ansible_collections.mailcert.acme.plugins.module_utils._deadline import Deadline
from ansible_collections.mailcert.acme.plugins.module_utils._errors import AcmeProblemError, BusyError, OrderError
from ansible_collections.mailcert.acme.plugins.module_utils._limits import CHALLENGE_LIFETIME
from ansible_collections.mailcert.acme.plugins.module_utils._store.state import challenge_turns, reply_ledger
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.common import run_id as run_ids
from ansible_collections.mailcert.acme.plugins.module_utils._text import escape, one_line

from .model import Challenge

# seconds between two looks whether the other challenge is final
LOOK_INTERVAL = 0.25
# seconds before the deadline in which no turn is taken: it would end another order's challenge for nothing
LAST_MOMENT = 2.0


class OrderTurns:
    """The turns of one order at all of its addresses.

    :arg replies_path: absolute path of the folder of the replies, where the turns are kept.
    :arg run_id: of the run; ``None`` for a task on its own.
    :arg seconds: for how long the run may keep them; a run that is known to have ended does not keep them.
    :arg owner: path of the order's journal. smime_order has one for each certificate; smime_email_challenge goes on
        with what that began.
    """

    def __init__(
        self,
        replies_path: str,
        context: Context,
        client: AcmeClient,
        *,
        run_id: str | None,
        seconds: float,
        owner: str = "",
    ) -> None:
        self._replies_path = replies_path
        self._context = context
        self._client = client
        self._seconds = seconds
        # without a run_id a task has its turns under a name that no other task has
        self._run_id = run_id or uuid.uuid4().hex
        self._owner = owner
        self._taken: list[tuple[challenge_turns.ChallengeTurns, challenge_turns.Turn]] = []
        # the turn of an order that waits for a person, where the last take() was refused for it
        self._awaited: challenge_turns.Turn | None = None

    def take(
        self, addresses: t.Sequence[str], urls: t.Sequence[str], *, displace: bool = False
    ) -> datetime.datetime | None:
        """Take the turn at all addresses; ``None``, and none taken, where one is not free.

        :arg displace: whether to end an order that is open and that no one works on. Its own run may be about to
            continue with it, since in a run smime_order is done for all mailboxes first. So only smime_email_challenge
            sets this.
        :returns: when the order's challenges were opened; their mails are not older.
        """
        # the turns of an order that this one replaces
        self.release()
        # always in the same order, so that two orders with the same addresses never wait for each other
        try:
            for address in sorted(set(addresses)):
                place = self._turns_of(address)
                turn = place.take(
                    urls, run_id=self._run_id, seconds=self._seconds, displace=displace, owner=self._owner
                )
                if turn is None:
                    self._awaited = place.awaited()
                    self.release()
                    return None
                self._taken.append((place, turn))
            self._taken = [(place, self._end_displaced(place, turn)) for place, turn in self._taken]
        except BaseException:
            # turns are kept only where all of them were taken
            self.release()
            raise
        return min(turn.opened for _place, turn in self._taken)

    def wait(self, addresses: t.Sequence[str], urls: t.Sequence[str], deadline: Deadline) -> datetime.datetime:
        """As :meth:`take`, but wait until the turn is free, and end what no one works on.

        :raises BusyError: at the deadline, or at once where another certificate's challenge waits for a person.
        """
        while True:
            opened = self.take(addresses, urls, displace=True)
            if opened is not None:
                return opened
            if self._awaited is not None:
                # a person may take hours
                raise _awaits_its_person(addresses, self._awaited)
            if deadline.remaining() <= LAST_MOMENT:
                raise BusyError(
                    f"Another challenge for {', '.join(addresses)} was open at this CA until the deadline. Only one at"
                    " a time can be recognized by its mail. The next run continues with this order.",
                    stage="challenge",
                )
            time.sleep(LOOK_INTERVAL)

    def fetch(self, addresses: t.Sequence[str], urls: t.Sequence[str], opened: datetime.datetime) -> list[Challenge]:
        """Fetch the authorizations, which makes CAs send their mails; return the challenges."""
        # by the CA's clock, which dates its mails too
        by_its_clock = opened + (self._client.transport.clock_skew or datetime.timedelta())
        entries = []
        for url in urls:
            authorization = authorizations.fetch(self._client, url)
            if not any(_address.same(authorization.address, address) for address in addresses):
                raise OrderError(
                    f"The CA wants an authorization for {one_line(authorization.address, limit=320)}, which was not"
                    " ordered."
                )
            challenge = authorization.challenge
            entries.append(
                Challenge(
                    address=authorization.address,
                    authorization_uri=authorization.url,
                    status=authorization.status,
                    uri=challenge.url if challenge else "",
                    challenge_status=challenge.status if challenge else "",
                    token=challenge.token if challenge else "",
                    from_address=challenge.from_address if challenge else "",
                    opened=by_its_clock,
                    retry_at=self._retry_at(url),
                )
            )
        return entries

    def release(self, *, awaits: bool | None = None) -> None:
        """End the work on the turns; the challenges stay open.

        :arg awaits: whether they wait for a person; ``None`` does not change that.
        """
        taken, self._taken = self._taken, []
        for place, turn in taken:
            place.release(turn, awaits=awaits)

    def close(self) -> None:
        """The authorizations are final."""
        taken, self._taken = self._taken, []
        for place, turn in taken:
            place.close(turn)

    def abandon(self, addresses: t.Sequence[str], urls: t.Sequence[str], *, ended: bool) -> None:
        """Free the turns of an abandoned order with these authorizations for other orders.

        :arg ended: whether the authorizations are final; otherwise the next order ends them.
        """
        self._taken = [(place, turn) for place, turn in self._taken if set(turn.urls).isdisjoint(urls)]
        for address in sorted(set(addresses)):
            self._turns_of(address).abandoned(urls, ended=ended)

    def _turns_of(self, address: str) -> challenge_turns.ChallengeTurns:
        return challenge_turns.ChallengeTurns(
            reply_ledger.folder_of(self._replies_path, address),
            self._client.directory_url,
            now=self._context.now,
            is_gone=run_ids.is_gone,
        )

    def _end_displaced(self, place: challenge_turns.ChallengeTurns, turn: challenge_turns.Turn) -> challenge_turns.Turn:
        """Deactivate the authorizations of an order without a run: their mails must not be mistaken for ours."""
        if not turn.displaced:
            return turn
        for url in turn.displaced:
            try:
                authorizations.deactivate(self._client, url)
            except AcmeProblemError as error:
                if error.retryable:
                    # it is still open, and the next run ends it
                    raise
                # final already, or of another account; then only the time distinguishes their mails from ours
        return place.ended(turn)

    def _retry_at(self, url: str) -> datetime.datetime | None:
        """The time of the CA's Retry-After, for the task that sends the next request (RFC 8555, section 7.5.1)."""
        wait = self._client.remaining_wait(url)
        return self._context.now() + datetime.timedelta(seconds=wait) if wait else None


def _awaits_its_person(addresses: t.Sequence[str], turn: challenge_turns.Turn) -> BusyError:
    whose = f" (its order is in {escape(turn.owner)})" if turn.owner else ""
    until = f"{turn.opened + CHALLENGE_LIFETIME:%Y-%m-%d %H:%M} UTC"
    return BusyError(
        f"The challenge of another certificate for {', '.join(addresses)} waits for a person{whose}. Only one at a time"
        f" can be recognized by its mail. Answer that one first; it can be answered until {until}. The next run after"
        " that continues with this order.",
        stage="challenge",
    )


def unfetched(addresses: t.Sequence[str], urls: t.Sequence[str]) -> list[Challenge]:
    """Challenges that wait for their turn. Only the fetched authorization says which address belongs to which URL."""
    return [
        Challenge(address=address, authorization_uri=url, fetched=False) for address, url in zip(addresses, urls)
    ]
