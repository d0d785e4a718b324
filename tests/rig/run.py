# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start the rig: Dovecot, Postfix, OpenDKIM and dnsmasq from Debian's packages, and acme2certifier from PyPI as the CA.

As root: ``python -m rig.run`` in tests/ prints one line of JSON with the endpoints when all are ready, and runs until
SIGTERM, SIGINT, or (``--stop-on-eof``) the end of its standard input. Everything listens on loopback, on free ports.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import pathlib
import secrets
import shutil
import signal
import sys
import tempfile
import threading
import time
import types
import typing as t

from . import acme2certifier, arguments, check, dnsmasq, dovecot, opendkim, packages, postfix, postgrey, tls
from .process import CleanupProcess, Server
from .settings import (
    CA_ADDRESS,
    HOST,
    JUNK_FOLDER,
    MASTER_USER,
    MX_NAME,
    STORE_NAME,
    Mailbox,
    Ports,
    RigError,
    Settings,
    check_state,
)


class Stopped(BaseException):
    """SIGTERM or SIGINT came. No Exception, so that nothing on the way takes it for a failure."""


class Signals:
    """Turns the signals that end the rig into :class:`Stopped`, but never in the middle of something."""

    def __init__(self) -> None:
        self._held = False
        self._came = False
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._handle)

    def _handle(self, _number: int, _frame: types.FrameType | None) -> None:
        self._came = True
        if not self._held:
            self._held = True
            raise Stopped

    @contextlib.contextmanager
    def held(self) -> t.Iterator[None]:
        """While dpkg installs, or a server is started that is not on record yet, a signal waits."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
        if self._came:
            self._held = True
            raise Stopped

    def ignore(self) -> None:
        """From now on: the end has begun, and is not to be cut short."""
        self._held = True


class Rig:
    """All servers of one rig, in the order in which they start."""

    def __init__(self, settings: Settings, cleanup: CleanupProcess) -> None:
        self.settings = settings
        self.servers: dict[str, Server] = {}
        self._cleanup = cleanup

    def spawn(self) -> None:
        """Start all at once: they need each other only when the first mail comes."""
        settings = self.settings
        tls.make(settings)
        opendkim.make_keys(settings)
        unwanted = {opendkim: not settings.dkim, postgrey: not settings.greylist}
        for part in (acme2certifier, dnsmasq, opendkim, postgrey, dovecot, postfix):
            if not unwanted.get(part):
                server = part.start(settings)
                self.servers[server.name] = server
                self._cleanup.watch(server.pid)

    def wait_ready(self) -> None:
        """Wait until each answers.

        :raises RigError: with the end of the log of the server that does not.
        """
        ports = self.settings.ports
        self.servers["dnsmasq"].wait_port(ports["dns"])
        if "opendkim" in self.servers:
            opendkim.wait_ready(self.servers["opendkim"], self.settings)
        if "postgrey" in self.servers:
            postgrey.wait_ready(self.servers["postgrey"], self.settings)
        for name in ("imaps", "imap"):
            self.servers["dovecot"].wait_port(ports[name])
        if self.settings.clients:
            self.servers["dovecot"].wait_port(ports["clients"])
        for name in ("submission", "submissions", "mx"):
            self.servers["postfix"].wait_port(ports[name])
        acme2certifier.wait_ready(self.servers["acme2certifier"], self.settings)

    def stop(self) -> None:
        """End every server that was started."""
        for server in self.servers.values():
            server.ask_to_stop()
        for server in self.servers.values():
            server.wait_stopped()
        self.servers.clear()
        self._cleanup.dismiss()

    def endpoints(self) -> dict[str, t.Any]:
        """What the rig prints, in the same shape as the lab, and more of what is the rig's alone."""
        settings = self.settings
        places = {name: {"host": HOST, "port": port} for name, port in settings.ports.items() if name != "acme"}
        return {
            "pid": os.getpid(),
            "directory": acme2certifier.directory(settings),
            "ca_file": str(tls.tls_root(settings)),
            "smime_root": str(tls.smime_root(settings)),
            **places,
            "mailboxes": [
                {"address": box.address, "user": box.user, "password": box.password, "aliases": list(box.aliases)}
                for box in settings.mailboxes
            ],
            "master": {"user": MASTER_USER, "password": settings.master_password},
            "junk": JUNK_FOLDER,
            "domains": list(settings.domains),
            "ca_from": settings.ca_mailbox.address,
            "authserv_id": opendkim.AUTHSERV_ID,
            "gateway_hosts": [MX_NAME, STORE_NAME],
            "eab": {"kid": acme2certifier.EAB_KEY_ID, "alg": "HS256", "key": acme2certifier.EAB_KEY}
            if settings.eab
            else None,
            "state": str(settings.state),
            "logs": str(settings.folder("log")),
        }

    def wait(self) -> None:
        """Run until a signal comes; a process of the rig that ends by itself is an error."""
        while True:
            for server in self.servers.values():
                if not server.alive():
                    raise server.failure("it ended by itself")
            if not self._cleanup.alive():
                raise RigError("The process that watches over the rig has ended.")
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)


def prepare(venv: pathlib.Path, signals: Signals) -> None:
    """Install packages and the virtual environment where they are missing; the servers need root in any case."""
    with signals.held():
        packages.ensure()
    if os.geteuid() != 0:
        raise RigError("The rig needs root: Postfix and Dovecot change to users of their own. Run it with sudo.")
    os.environ["PATH"] = packages.SYSTEM_PATH
    acme2certifier.ensure_venv(venv)


def serve(options: argparse.Namespace, state: pathlib.Path, ports: Ports, signals: Signals) -> None:
    """Start, tell, run and stop one rig."""
    venv = (options.venv or state / "venv").absolute()
    begin = time.monotonic()
    prepare(venv, signals)
    prepared = time.monotonic()
    if options.prepare:
        return
    rig = Rig(
        Settings(
            state=state,
            venv=venv,
            ports=ports.by_name,
            mailboxes=arguments.mailboxes(options),
            ca_mailbox=Mailbox(CA_ADDRESS, CA_ADDRESS, secrets.token_urlsafe(18)),
            master_password=secrets.token_urlsafe(18),
            auto_submitted=not options.no_auto_submitted,
            dkim=not options.no_dkim,
            sign=not options.no_sign,
            clients=options.clients,
            oversign=options.oversign,
            mark_subject=options.mark_subject,
            hold=options.hold,
            greylist=options.greylist,
            transport=options.transport,
            introspection_url=options.introspection_url,
            old_imap=options.old_imap,
            full=options.full,
            eab=options.eab,
            terms=options.terms,
            profiles=options.profiles,
            key_usage=options.key_usage,
        ),
        CleanupProcess(*(() if options.state else (state,))),
    )
    try:
        with signals.held():
            rig.spawn()
        rig.wait_ready()
        started = time.monotonic()
        if options.check:
            check.run(rig.endpoints())
            checked = time.monotonic()
        else:
            if options.stop_on_eof:
                end_with_input()
            print(json.dumps(rig.endpoints()), flush=True)
            rig.wait()
    finally:
        signals.ignore()
        rig.stop()
    if options.check:
        print(
            f"rig: ok; prepared in {prepared - begin:.1f} s, started in {started - prepared:.1f} s, "
            f"checked in {checked - started:.1f} s, stopped in {time.monotonic() - checked:.1f} s"
        )


@contextlib.contextmanager
def state_folder(given: pathlib.Path | None) -> t.Iterator[pathlib.Path]:
    """The folder of the rig, open for the servers' users; a temporary one is removed at the end."""
    if given is not None:
        state = given.absolute()
        check_state(state)
        state.mkdir(parents=True, exist_ok=True)
    else:
        state = pathlib.Path(tempfile.mkdtemp(prefix="rig-"))
        state.chmod(0o755)
    try:
        check_state(state)
        yield state
    finally:
        if given is None:
            shutil.rmtree(state, ignore_errors=True)


def end_with_input() -> None:
    """Turn the end of standard input into SIGTERM."""

    def watch() -> None:
        while os.read(0, 4096):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def main() -> int:
    options = arguments.parse(__doc__.splitlines()[0])
    signals = Signals()
    os.umask(0o022)
    try:
        with state_folder(options.state) as state:
            ports = Ports()
            serve(options, state, ports, signals)
    except Stopped:
        return 0
    except (RigError, OSError) as error:
        print(f"rig: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
