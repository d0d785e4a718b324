# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The moments at which a process changes the disk or sends something to a server, and an end at one of them.

Python's own functions for this are wrapped, in a process that exists for one run only. Each call of them that comes
from the collection is a *step*: what is done, to what, and by which functions of the collection, as ``rename
mailboxes/MAILBOX/dual/VERSION/journal.json by ...``. A process compares steps as a whole. For people, and in a list
that is kept, ``names_of`` gives what is done to what, and counts the places in the code that do the same: ``fsync
HOME``, ``fsync HOME #2``. There are no random parts, line numbers or names of functions in these, so that a name
changes only when the chain does. What Python's audit events report and no wrapper saw is a step of the kind
``unwatched``, so that nothing is missed in silence.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import os
import re
import signal
import socket
import ssl
import stat
import sys
import typing as t

BEFORE, AFTER = "before", "after"
UNWATCHED = "unwatched"
# between what a step does and the functions that do it
BY = " by "
# the one file that makes temporary files, and its variables that hold the path of the file that one becomes
_WRITER = "_store/fs/atomic.py"
_FINAL_PATH = ("link", "target")
_LAYERS = "/plugins/module_utils/"
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
# audit events that tell of a change, with the place of the argument that tells where
_AUDITED = {
    "open": 0,
    "os.link": 1,
    "os.mkdir": 0,
    "os.remove": 0,
    "os.rename": 1,
    "os.rmdir": 0,
    "os.symlink": 1,
    "os.truncate": 0,
    "subprocess.Popen": 0,
}
_PATTERNS = (
    (re.compile(r"\.smime-tmp-[^/ ]+"), "TEMPORARY"),
    (re.compile(r"[^/ ]+%40[^/ ]+"), "MAILBOX"),
    (re.compile(r"(?<=accounts/)[^/ ]+"), "CA"),
    (re.compile(r"(?<=keys/)[0-9a-f]{2}(?=/|$)"), "PART"),
    (re.compile(r"(?<=/)\d{4}(?=/|$)"), "VERSION"),
    (re.compile(r"(?<=[/.])[0-9a-f]{16,64}(?=[ ./]|$)"), "HASH"),
)
_REQUEST = re.compile(rb"(GET|HEAD|POST) (\S+) HTTP/1")
_IDENTIFIER = re.compile(r"(?<=/)[A-Za-z0-9_.-]{12,}(?=/|$)")
# an IMAP command after its tag, or a command of SMTP; the subcommand of UID too
_COMMAND = re.compile(rb"(?:[A-P]{4}\d+ )?((?:UID )?[A-Za-z]{4,12})(?: |\r\n)")


@dataclasses.dataclass(frozen=True)
class Kill:
    """Where a run ends: before or after a step is passed for the n-th time, from 1."""

    step: str
    nth: int
    side: str


def numbered(passed: t.Iterable[str]) -> list[tuple[str, int]]:
    """Steps in order, each with how often it was passed until then, from 1."""
    counts: collections.Counter[str] = collections.Counter()
    found = []
    for name in passed:
        counts[name] += 1
        found.append((name, counts[name]))
    return found


def action_of(step: str) -> str:
    """What a step does to what."""
    return step.partition(BY)[0]


def names_of(passed: t.Iterable[str]) -> dict[str, str]:
    """The steps, each once, with its name.

    The first place in the code that does something gives it its plain name, each further place one with a number. A
    place that does it again and again, as one that polls, is one step: how often it does so is a matter of time.
    """
    places: collections.Counter[str] = collections.Counter()
    found: dict[str, str] = {}
    for step in passed:
        if step not in found:
            action = action_of(step)
            places[action] += 1
            found[step] = action if places[action] == 1 else f"{action} #{places[action]}"
    return found


class Steps:
    """Sees the steps of this process, and ends its process group at one of them.

    :arg home: the folder that paths are relative to.
    :arg kill: where to end; None for nowhere.
    :ivar passed: the steps in the order in which they were passed.
    """

    def __init__(self, home: str, kill: Kill | None) -> None:
        self.passed: list[str] = []
        self._home = home.rstrip("/") + "/"
        self._kill = kill
        self._counts: collections.Counter[str] = collections.Counter()
        # a step within a step, as a TLS socket's send within its sendall, is none of its own
        self._within = False

    def install(self) -> None:
        """Wrap what changes anything."""
        sys.addaudithook(self._hear)
        for name, kind in (("rename", "rename"), ("replace", "rename"), ("link", "link"), ("symlink", "symlink")):
            self._wrap(os, name, kind, lambda args: args[1])
        for name in ("unlink", "remove", "rmdir"):
            self._wrap(os, name, "remove", lambda args: args[0] if os.path.lexists(args[0]) else None)
        self._wrap(os, "mkdir", "mkdir", lambda args: None if os.path.lexists(args[0]) else args[0])
        self._wrap(os, "open", "create", _created)
        for name in ("write", "fsync", "fdatasync", "ftruncate"):
            self._wrap(os, name, name, lambda args: _path_of(args[0]))
        for family in (socket.socket, ssl.SSLSocket):
            for name in ("send", "sendall", "sendto", "sendmsg"):
                self._wrap(family, name, "send", lambda args: _words(args[0], args[1]))

    def _wrap(self, owner: t.Any, name: str, kind: str, target_of: t.Callable[[tuple[t.Any, ...]], t.Any]) -> None:
        original = getattr(owner, name)

        def wrapped(*args: t.Any, **kwargs: t.Any) -> t.Any:
            if self._within:
                return original(*args, **kwargs)
            target = target_of(args)
            with self._step(kind, target):
                return original(*args, **kwargs)

        setattr(owner, name, wrapped)

    @contextlib.contextmanager
    def _step(self, kind: str, target: t.Any) -> t.Iterator[None]:
        """One step: the end may come before it, or after it. One without a target changes nothing."""
        name = "" if target is None else self._name(kind, os.fsdecode(target))
        self._within = True
        here = ""
        if name:
            self._counts[name] += 1
            if self._kill and (self._kill.step, self._kill.nth) == (name, self._counts[name]):
                here = self._kill.side
        if here == BEFORE:
            _end()
        try:
            yield
        finally:
            self._within = False
            if name:
                self.passed.append(name)
            if here == AFTER:
                _end()

    def _hear(self, event: str, args: tuple[t.Any, ...]) -> None:
        if self._within or event not in _AUDITED:
            return
        if event == "open" and not (args[2] or 0) & _WRITES:
            return
        target = args[_AUDITED[event]]
        if isinstance(target, (str, bytes, os.PathLike)):
            name = self._name(f"{UNWATCHED} {event}", os.fsdecode(target))
            if name:
                self.passed.append(name)

    def _name(self, kind: str, target: str) -> str:
        """A step; empty where the collection has no part in it."""
        callers = []
        frame: t.Any = sys._getframe(2)
        while frame is not None:
            file = frame.f_code.co_filename.partition(_LAYERS)[2]
            if "/.smime-tmp-" in target and file == _WRITER:
                # it has not got its name yet
                final = next((frame.f_locals[name] for name in _FINAL_PATH if frame.f_locals.get(name)), None)
                target = f"{final} (temporary)" if final else target
            if file:
                callers.append(f"{file}:{frame.f_code.co_name}")
            frame = frame.f_back
        if not callers:
            return ""
        target = self._relative(target)
        for pattern, word in _PATTERNS:
            target = pattern.sub(word, target)
        return f"{kind} {target}{BY}{' < '.join(callers)}"

    def _relative(self, target: str) -> str:
        if target.startswith(self._home):
            return target[len(self._home) :]
        if target == self._home[:-1]:
            return "HOME"
        return "outside of HOME" if target.startswith("/") else target


def _end() -> None:
    """The end, as by a power failure, of this process and all that it started."""
    os.killpg(0, signal.SIGKILL)
    signal.pause()


def _created(args: tuple[t.Any, ...]) -> t.Any:
    """The file that opening makes or cuts short; None where it does neither."""
    path, flags = args[0], args[1]
    return path if flags & os.O_TRUNC or (flags & os.O_CREAT and not os.path.lexists(path)) else None


def _path_of(handle: int) -> str | None:
    """The path of an open file; None for pipes, which no one reads after the end."""
    mode = os.fstat(handle).st_mode
    return os.readlink(f"/proc/self/fd/{handle}") if stat.S_ISREG(mode) or stat.S_ISDIR(mode) else None


def _words(connection: socket.socket, data: t.Any) -> str:
    """What is said to a server, without what differs from run to run: a request line, a command."""
    if isinstance(data, (list, tuple)):
        data = b"".join(data)
    data = bytes(data)
    if connection.type == socket.SOCK_DGRAM:
        return "datagram"
    request = _REQUEST.match(data)
    if request:
        return f"{request[1].decode()} {_IDENTIFIER.sub('ID', request[2].decode())}"
    if data == b".\r\n" or data.endswith(b"\r\n.\r\n"):
        return "final dot"
    command = _COMMAND.match(data)
    return command[1].decode().upper() if command and len(data) < 1000 else "data"
