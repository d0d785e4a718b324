# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start the lab as a process of its own and talk to its control API. Standard library only.

::

    with Lab.start(mailboxes=3) as lab:
        lab.directory, lab.ca_file, lab.mailboxes[0]["password"]
        lab.behaviour(token_join="bytes", mail_delay=0.5)
        lab.faults(resource="newOrder", kind="drop", when="after")
        ...
        lab.assert_clean()
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import pathlib
import select
import subprocess
import sys
import tempfile
import time
import typing as t
import urllib.error
import urllib.parse
import urllib.request

# the package of this file, and the folder that Python finds it in
PACKAGE = (__package__ or "").split(".")
PATH = pathlib.Path(__file__).parents[len(PACKAGE)]
RUN = ("-m", ".".join([*PACKAGE, "run"]))
_START_SECONDS = 30.0


class LabError(Exception):
    """The lab did not start, or refused what the control API was told."""


class Lab:
    """A running lab. ``endpoints`` is the JSON that run.py printed; its members are attributes too."""

    def __init__(self, endpoints: t.Mapping[str, t.Any], process: subprocess.Popen[bytes] | None = None) -> None:
        self.endpoints = dict(endpoints)
        self._process = process
        # the control API is on loopback: no proxy, whatever the environment says
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def __getattr__(self, name: str) -> t.Any:
        try:
            return self.__dict__["endpoints"][name]
        except KeyError:
            raise AttributeError(name) from None

    # -- life

    @classmethod
    def start(
        cls, *, python: str = sys.executable, mailboxes: int = 5, users: t.Sequence[t.Mapping[str, t.Any]] = (),
        state: str | pathlib.Path | None = None, behaviour: t.Mapping[str, t.Any] | None = None,
        log: str | pathlib.Path | None = None, timeout: float = _START_SECONDS,
    ) -> Lab:
        """Start a lab and wait until it serves. It ends with this process at the latest.

        :arg python: an interpreter that has what requirements.txt names.
        :arg users: further mailboxes: address, password, and of user, aliases, folder, folders, mailbox.
        :arg log: a file for the lab's standard error; by default it goes to ours.
        :raises LabError: if it does not start within ``timeout`` seconds.
        """
        command = [python, *RUN, "--stop-on-eof", "--mailboxes", str(mailboxes)]
        command += ["--behaviour", json.dumps(dict(behaviour or {}))]
        if state is not None:
            command += ["--state", str(state)]
        with contextlib.ExitStack() as stack:
            errors = stack.enter_context(open(log, "ab")) if log else None
            if users:
                file = stack.enter_context(tempfile.NamedTemporaryFile("w", suffix=".json"))
                json.dump([dict(user) for user in users], file)
                file.flush()
                command += ["--users", file.name]
            process = subprocess.Popen(
                command, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors
            )
            line = _first_line(process, timeout, python)
        return cls(json.loads(line), process)

    def stop(self, timeout: float = 10.0) -> None:
        """End the lab: by closing its input, then by its process id."""
        process = self._process
        if process is None:
            return
        self._process = None
        for stream in (process.stdin, process.stdout):
            if stream:
                stream.close()
        try:
            process.wait(timeout / 2)
        except subprocess.TimeoutExpired:
            process.terminate()
            try:
                process.wait(timeout / 2)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def __enter__(self) -> Lab:
        return self

    def __exit__(self, *unused: t.Any) -> None:
        self.stop()

    # -- the control API

    def call(self, method: str, path: str, body: t.Any = None, **query: t.Any) -> t.Any:
        """One request. Raises LabError with the lab's sentence when it refuses."""
        url = self.endpoints["control"] + path
        if query:
            url += "?" + urllib.parse.urlencode(query)
        data = None if body is None else json.dumps(body).encode("utf-8")
        request = urllib.request.Request(url, data=data, method=method, headers={"Content-Type": "application/json"})
        try:
            with self._opener.open(request, timeout=30) as response:
                raw = response.read()
                return json.loads(raw) if response.headers.get_content_type() == "application/json" else raw
        except urllib.error.HTTPError as error:
            text = error.read().decode("utf-8", "replace")
            with contextlib.suppress(ValueError, KeyError, TypeError):
                text = json.loads(text)["error"]
            raise LabError(f"{method} {path}: {text}") from None

    def violations(self) -> list[dict[str, t.Any]]:
        """Each has time, kind, message and what it was about."""
        return self.call("GET", "/violations")

    def assert_clean(self) -> None:
        """AssertionError that lists the violations, if there are any."""
        found = self.violations()
        if found:
            raise AssertionError("The lab counted violations:\n" + "\n".join(
                f"- {item['kind']}: {item['message']}" for item in found))

    def log(self, *kinds: str, since: float = 0.0) -> list[dict[str, t.Any]]:
        """Events, oldest first; of some kinds only, and after a time (seconds since 1970)."""
        return self.call("GET", "/log", kind=",".join(kinds), since=repr(since))

    def connections(self, since: float = 0.0) -> list[dict[str, t.Any]]:
        """Everything that reached a server: accepted connections and DNS queries."""
        return self.log("http_connect", "imap_connect", "smtp_connect", "dns", since=since)

    def stats(self) -> dict[str, t.Any]:
        """counts by kind of event, cpu_s, uptime_s, numbers of accounts, orders, certificates, replies, mails."""
        return self.call("GET", "/stats")

    def certificates(self) -> list[dict[str, t.Any]]:
        return self.call("GET", "/certificates")

    def replies(self) -> list[dict[str, t.Any]]:
        return self.call("GET", "/replies")

    def mails(self) -> list[dict[str, t.Any]]:
        """The challenge mails as they left the CA."""
        return self.call("GET", "/mails")

    def challenges(self) -> list[dict[str, t.Any]]:
        """Each has id, address, token (token-part2) and the thumbprint of its account's key."""
        return self.call("GET", "/challenges")

    def mailbox(self, user: str, folder: str = "INBOX") -> list[dict[str, t.Any]]:
        """The messages of a folder: uid, flags, date, raw."""
        return self.call("GET", "/mailbox", user=user, folder=folder)

    def folders(self, user: str) -> list[str]:
        return self.call("GET", "/mailbox", user=user)

    def crl(self) -> bytes:
        """The S/MIME issuer's revocation list, DER."""
        return self.call("GET", "/crl")

    def behaviour(self, **switches: t.Any) -> dict[str, t.Any]:
        """Set switches (behaviour.py lists them); returns all of them."""
        return self.call("PATCH" if switches else "GET", "/behaviour", switches or None)

    def faults(self, **fault: t.Any) -> list[dict[str, t.Any]]:
        """Add a fault: resource, kind and of when, times, skip, match, ... (faults.py); returns those in force."""
        return self.call("POST" if fault else "GET", "/faults", fault or None)

    def clear_faults(self) -> None:
        self.call("DELETE", "/faults")

    def mail(
        self, to: str, raw: str | bytes, *, sign: t.Mapping[str, t.Any] | None = None,
        tamper: t.Sequence[t.Sequence[str]] = (), prepend: str = "", append: str = "", folder: str = "",
        sender: str = "someone@evil.test", copies: int = 1,
    ) -> str:
        """Put a mail into a mailbox; returns it as it was delivered (without trace fields; other bytes than UTF-8
        come back as surrogate escapes).

        :arg to: any address that has a mailbox; it need not be in the mail.
        :arg raw: the whole mail with CRLF line ends.
        :arg sign: how to DKIM-sign it: ``domain`` and of ``selector`` (rsa, rsa3072, ed25519, testing, sha1only,
            revoked, weak), ``headers`` (the h= list; by default RFC 8823's), ``oversign``, ``algorithm``,
            ``canonicalization``, ``body_length`` (l=), ``timestamp``, ``expires`` (x=), ``identity`` (i=).
        :arg tamper: pairs of old and new text, replaced once each after signing.
        :arg prepend: header lines put on top after signing; ``append`` goes to the end of the body.
        :arg copies: how often it comes.
        """
        body: dict[str, t.Any] = {"to": to, "sender": sender, "folder": folder, "prepend": prepend, "append": append}
        body["copies"] = copies
        data = raw if isinstance(raw, bytes) else raw.encode("utf-8")
        body["raw_base64"] = base64.b64encode(data).decode("ascii")
        body["tamper"] = [list(pair) for pair in tamper]
        if sign:
            body["sign"] = dict(sign)
        return self.call("POST", "/mail", body)["raw"]

    def add_users(self, *users: t.Mapping[str, t.Any]) -> list[dict[str, t.Any]]:
        return self.call("POST", "/users", [dict(user) for user in users])

    def set_dns(self, name: str, *texts: str) -> None:
        """Answer TXT queries for a name with these records; without any there is none."""
        self.call("POST", "/dns", {"name": name, "txt": list(texts)})

    def set_records(self, name: str, kind: str, *records: str) -> None:
        """Answer queries for a name and type (CAA, SRV, A, ...) with these records, written as in a zone file."""
        self.call("POST", "/dns", {"name": name, "type": kind, "records": list(records)})

    def expire(self, address: str, what: str = "order") -> None:
        """Make the orders of an address expire now, or ``authorization`` or the wait for ``renewal_info``."""
        self.call("POST", "/expire", {"address": address, "what": what})

    def reset(self, *what: str) -> None:
        """Forget log, violations, faults, behaviour, mail, dns, acme; without arguments all but acme."""
        self.call("POST", "/reset", {"what": list(what)} if what else {})


def environment() -> dict[str, str]:
    """The environment in which Python finds the lab."""
    return {**os.environ, "PYTHONPATH": str(PATH)}


def _first_line(process: subprocess.Popen[bytes], timeout: float, python: str) -> bytes:
    assert process.stdout is not None
    end = time.monotonic() + timeout
    line = b""
    while not line.endswith(b"\n"):
        ready = select.select([process.stdout], [], [], max(0.0, end - time.monotonic()))[0]
        chunk = os.read(process.stdout.fileno(), 65536) if ready else b""
        if not chunk:
            process.kill()
            process.wait()
            raise LabError(f"The lab did not start ({'it ended' if ready else 'no answer in time'}); "
                           f"does {python} have what tests/lab/requirements.txt names?")
        line += chunk
    return line
