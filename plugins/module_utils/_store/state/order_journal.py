# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The order journal: the state of one order, on disk before the next step begins.

One JSON file has one order. Every change is compare-and-swap under a lock: a run with an old state of the journal fails
and does not repeat a step (rule 17). Before finalize the journal binds order, public key and version (docs/rules.md,
rule 15). A lease keeps a second run from the order while the first is at work.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import os
import typing as t
from dataclasses import dataclass, field

from ansible_collections.mailcert.acme.plugins.module_utils._errors import BusyError, InputError, JournalError
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs import atomic
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs import document as fs_document
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs.document import Damaged, Document
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs.locks import lock
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs.paths import check_absolute
from ansible_collections.mailcert.acme.plugins.module_utils._text import escape
from ansible_collections.mailcert.acme.plugins.module_utils._time import format_iso, utc_now

#: The states of an order, in sequence; ``abandoned`` can follow each but ``closed``.
STATES = ("new", "ordered", "finalizing", "issued", "closed", "abandoned")
_BOUND = ("finalizing", "issued", "closed")
# a lease that lasts longer comes from a wrong clock
MAX_LEASE = datetime.timedelta(days=1)
LOCK_SECONDS = 30.0


@dataclass(frozen=True)
class Lease:
    """The run that works on the order, and when its lease expires unless it is extended."""

    run_id: str
    expires: datetime.datetime

    def live(self, now: datetime.datetime) -> bool:
        return now < self.expires <= now + MAX_LEASE


@dataclass(frozen=True)
class JournalState:
    """The journal's content. Change it with ``dataclasses.replace`` (or :meth:`replace`) and :meth:`Journal.update`.

    :ivar state: one of :data:`STATES`. ``new``: nothing was asked of the CA; ``ordered``: the order exists;
        ``finalizing``: written before finalize is sent; ``issued``: the certificate is on disk; ``closed``: and is in
        use, or was ``retired`` and is never used; ``abandoned``: the next order may follow.
    :ivar directory: directory URL of the CA. ``account_uri``: the account that ordered.
    :ivar identifiers: the addresses ordered.
    :ivar public_fingerprint: SHA-256 of the SubjectPublicKeyInfo the request is made with, hex.
    :ivar version: the name of the version of the store, as ``0002``; empty outside of a store.
    :ivar created: when this journal began, aware; ``expires``: when the order ends, if the CA said so.
    :ivar challenges: of each challenge its authorization and challenge URL, and its address; no token.
    :ivar previous_orders: URLs of orders that were abandoned before.
    :ivar retired: whether it was closed because its version is abandoned.
    :ivar extra: further public facts, JSON-able.
    :ivar revision: counts the changes; set by :meth:`Journal.update`.
    """

    created: datetime.datetime
    state: str = "new"
    directory: str = ""
    account_uri: str = ""
    identifiers: tuple[str, ...] = ()
    public_fingerprint: str = ""
    version: str = ""
    order_url: str = ""
    finalize_url: str = ""
    certificate_url: str = ""
    expires: datetime.datetime | None = None
    challenges: tuple[t.Mapping[str, t.Any], ...] = ()
    lease: Lease | None = None
    previous_orders: tuple[str, ...] = ()
    retired: bool = False
    extra: t.Mapping[str, t.Any] = field(default_factory=dict)
    revision: int = 0

    def replace(self, **changes: t.Any) -> JournalState:
        """A copy with changed values."""
        return dataclasses.replace(self, **changes)

    def restarted(self, *, created: datetime.datetime) -> JournalState:
        """The state for the next order: of the old one only its URL, in ``previous_orders``, and the lease remain."""
        previous = self.previous_orders + ((self.order_url,) if self.order_url else ())
        return JournalState(created=created, lease=self.lease, previous_orders=previous, version=self.version)


class Journal:
    """The journal at a path. Reading takes no lock; writing takes one for a short time.

    :arg now: gives the present moment, aware.
    :arg is_gone: whether a run is known to have ended without releasing its lease.
    """

    def __init__(
        self,
        path: str,
        now: t.Callable[[], datetime.datetime] = utc_now,
        is_gone: t.Callable[[str], bool] = lambda run_id: False,
    ) -> None:
        self.path = path
        self._now = now
        self._is_gone = is_gone

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        *,
        now: t.Callable[[], datetime.datetime] = utc_now,
        is_gone: t.Callable[[str], bool] = lambda run_id: False,
    ) -> Journal:
        """The journal at this absolute path, which need not exist; nothing is read yet."""
        return cls(check_absolute(path, "The path of the order journal"), now, is_gone)

    def read(self) -> JournalState | None:
        """The state in the journal; None if there is no journal.

        :raises JournalError: it is damaged.
        """
        return fs_document.load(
            self.path,
            _read_state,
            what="The order journal",
            remedy="restore it from a backup, or move it away to abandon the order; the key stays in the folder",
            error=JournalError,
        )

    def update(self, expected: JournalState | None, new: JournalState) -> JournalState:
        """Write ``new`` if the state in the journal is still ``expected``; durable on return.

        :arg expected: the result of :meth:`read` or of the last change; None for a journal that does not exist.
        :returns: the written state, with its revision: the next ``expected``.
        :raises JournalError: another run changed it in between (retryable), or an order cannot take this step.
        """
        with self._locked():
            found = self.read()
            if found != expected:
                raise JournalError(
                    f"Another run changed the order journal {escape(self.path)} in between; run again.",
                    retryable=True,
                    details={"path": escape(self.path), "state": found.state if found else ""},
                )
            self._check_step(found, new)
            return self._write(found, new)

    def acquire_lease(self, run_id: str, ttl: float | datetime.timedelta) -> JournalState:
        """Take the lease, or extend one's own; makes the journal if there is none.

        :arg run_id: unique for each run.
        :arg ttl: seconds until it expires, one day at most.
        :returns: the written state: the next ``expected``.
        :raises BusyError: another run holds a lease that has not expired.
        """
        duration = ttl if isinstance(ttl, datetime.timedelta) else datetime.timedelta(seconds=ttl)
        if not run_id or not datetime.timedelta(0) < duration <= MAX_LEASE:
            raise InputError("A lease needs a run id, and a time of more than 0 seconds and at most one day.")
        with self._locked():
            found, now = self.read(), self._now()
            self._check_lease(found, run_id, now)
            begun = found or JournalState(created=now)
            return self._write(found, begun.replace(lease=Lease(run_id=run_id, expires=now + duration)))

    def release_lease(self, run_id: str) -> JournalState | None:
        """Release the lease, if this run still has it. Returns the state in the journal."""
        with self._locked():
            found = self.read()
            if found is None or found.lease is None or found.lease.run_id != run_id:
                return found
            return self._write(found, found.replace(lease=None))

    def retire(self, run_id: str = "") -> JournalState:
        """Close the journal of an order that is abandoned with its version; makes the journal if there is none.

        Key and certificate stay in their files.

        :arg run_id: the caller's own, if it holds the lease.
        :raises BusyError: another run holds a lease that has not expired.
        """
        with self._locked():
            found, now = self.read(), self._now()
            self._check_lease(found, run_id, now)
            if found is not None and found.state == "closed":
                return found
            return self._write(
                found, (found or JournalState(created=now)).replace(state="closed", lease=None, retired=True)
            )

    def _check_lease(self, found: JournalState | None, run_id: str, now: datetime.datetime) -> None:
        lease = found.lease if found else None
        if lease and lease.run_id != run_id and lease.live(now) and not self._is_gone(lease.run_id):
            raise BusyError(
                f"Another run works on the order of {escape(self.path)}. Run again when it has ended; its lease expires"
                f" at {format_iso(lease.expires)}.",
                details={"run_id": lease.run_id, "expires": format_iso(lease.expires)},
            )

    def _locked(self) -> contextlib.AbstractContextManager[None]:
        return lock(f"{self.path}.lock", timeout=LOCK_SECONDS, what=f"the order journal {escape(self.path)}")

    def _write(self, found: JournalState | None, new: JournalState) -> JournalState:
        data = fs_document.encode(_fields(new.replace(revision=found.revision + 1 if found else 1)))
        # the state as it is read back, so that a caller's "expected" equals it for lists and tuples
        written = fs_document.parse(data, _read_state)
        atomic.write_atomic(self.path, data)
        return written

    def _check_step(self, old: JournalState | None, new: JournalState) -> None:
        before = old.state if old else "new"
        problem = ""
        if new.state not in STATES:
            problem = f"there is no state {new.state}"
        elif before in ("closed", "abandoned"):
            if new.state not in (before, "new", "ordered"):
                problem = f"after {before} only a new order can begin"
        elif new.state != "abandoned" and STATES.index(new.state) < STATES.index(before):
            problem = f"an order does not go back from {before} to {new.state}"
        if not problem and new.state in _BOUND:
            if not new.order_url or not new.public_fingerprint:
                problem = "finalize needs the order URL and the public key in the journal first"
            elif old and before in _BOUND and _binding(old) != _binding(new):
                problem = "after finalize, order, public key and version cannot change"
        if problem:
            raise JournalError(f"The order journal {escape(self.path)} cannot take this step: {problem}.")


def _binding(state: JournalState) -> tuple[str, str, str]:
    return (state.order_url, state.public_fingerprint, state.version)


def _read_state(document: Document) -> JournalState:
    state = document.text("state")
    if state not in STATES:
        raise Damaged("state is unknown")
    lease = document.mapping("lease")
    lease_fields = Document(lease)
    return JournalState(
        created=document.present_moment("created"),
        state=state,
        directory=document.text("directory"),
        account_uri=document.text("account_uri"),
        identifiers=document.texts("identifiers"),
        public_fingerprint=document.text("public_fingerprint"),
        version=document.text("version"),
        order_url=document.text("order_url"),
        finalize_url=document.text("finalize_url"),
        certificate_url=document.text("certificate_url"),
        expires=document.moment("expires"),
        challenges=document.mappings("challenges"),
        lease=Lease(run_id=lease_fields.text("run_id"), expires=lease_fields.present_moment("expires"))
        if lease
        else None,
        previous_orders=document.texts("previous_orders"),
        retired=document.flag("retired"),
        extra=document.mapping("extra"),
        revision=document.number("revision"),
    )


def _fields(state: JournalState) -> dict[str, t.Any]:
    return {
        "state": state.state,
        "directory": state.directory,
        "account_uri": state.account_uri,
        "identifiers": list(state.identifiers),
        "public_fingerprint": state.public_fingerprint,
        "version": state.version,
        "order_url": state.order_url,
        "finalize_url": state.finalize_url,
        "certificate_url": state.certificate_url,
        "created": format_iso(state.created),
        "expires": format_iso(state.expires),
        "challenges": [dict(challenge) for challenge in state.challenges],
        "lease": ({"run_id": state.lease.run_id, "expires": format_iso(state.lease.expires)} if state.lease else {}),
        "previous_orders": list(state.previous_orders),
        "retired": state.retired,
        "extra": dict(state.extra),
        "revision": state.revision,
    }
