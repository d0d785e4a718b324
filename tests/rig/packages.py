# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rig's Debian packages: installed where we are root, named where we are not."""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import os
import pathlib
import shutil
import subprocess
import sys
import typing as t

from .settings import RigError

# what to look for: a command, or a file where the package has none in the path
PROBES = (
    ("dovecot", "dovecot-core"),
    ("/usr/lib/dovecot/imap", "dovecot-imapd"),
    ("/usr/lib/dovecot/lmtp", "dovecot-lmtpd"),
    ("sievec", "dovecot-sieve"),
    ("/usr/lib/dovecot/submission", "dovecot-submissiond"),
    ("postfix", "postfix"),
    ("postgrey", "postgrey"),
    ("opendkim", "opendkim"),
    ("dnsmasq", "dnsmasq-base"),
    ("openssl", "openssl"),
)
SYSTEM_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"])
_POLICY = pathlib.Path("/usr/sbin/policy-rc.d")
_LOCK = pathlib.Path("/run/lock/mailcert-rig-packages")
_MARK = "# made by the rig of mailcert.acme while it installs packages"


def command(name: str) -> str:
    """The full path of a server's program; /usr/sbin is looked into even where PATH does not name it."""
    found = shutil.which(name, path=SYSTEM_PATH)
    if found is None:
        raise RigError(f"The program {name} is not installed.")
    return found


def missing() -> list[str]:
    """Names of the Debian packages that are needed and absent."""
    names = [package for probe, package in PROBES if not shutil.which(probe, path=SYSTEM_PATH)]
    if importlib.util.find_spec("ensurepip") is None:
        names.append("python3-venv")
    return names


def ensure() -> None:
    """Install what is missing; their own services are not started.

    :raises RigError: not root, no apt, or apt failed.
    """
    names = missing()
    if not names:
        return
    line = "apt-get install --no-install-recommends " + " ".join(names)
    if os.geteuid() != 0:
        raise RigError(f"Debian packages are missing. As root: {line}")
    if shutil.which("apt-get", path=SYSTEM_PATH) is None:
        raise RigError(f"These Debian packages are missing, and there is no apt-get to install them: {' '.join(names)}")
    with _alone():
        names = missing()
        if names:
            _install(names)
    left = missing()
    if left:
        raise RigError(
            f"Still missing after the installation: {' '.join(left)}. The Python in use is {sys.executable}."
        )


@contextlib.contextmanager
def _alone() -> t.Iterator[None]:
    """One rig at a time installs."""
    _LOCK.parent.mkdir(parents=True, exist_ok=True)
    with open(_LOCK, "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _services_kept_off() -> t.Iterator[None]:
    """Debian's own way to install a server without starting it: a policy-rc.d that says 101. An admin's own is left."""
    if _POLICY.exists() and _MARK not in _POLICY.read_text(encoding="utf-8", errors="replace"):
        yield
        return
    _POLICY.write_text(f"#!/bin/sh\n{_MARK}\nexit 101\n", encoding="utf-8")
    _POLICY.chmod(0o755)
    try:
        yield
    finally:
        _POLICY.unlink()


def _install(names: list[str]) -> None:
    apt = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300"]
    # Debian's Postfix asks what kind of server it should be; the rig brings its own configuration
    answer = b"postfix postfix/main_mailer_type select No configuration\n"
    with _services_kept_off():
        if shutil.which("debconf-set-selections", path=SYSTEM_PATH):
            _apt(["debconf-set-selections"], answer)
        _apt([*apt, "update"])
        _apt([*apt, "install", "-y", "--no-install-recommends", *names])


def _apt(argv: list[str], data: bytes = b"") -> None:
    """Run in a session of its own: a Ctrl-C at the terminal must not stop dpkg half way."""
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "PATH": SYSTEM_PATH}
    done = subprocess.run(
        argv, input=data, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env, start_new_session=True, check=False
    )
    if done.returncode:
        words = done.stdout.decode(errors="replace").strip().splitlines()[-15:]
        raise RigError("\n  ".join([f"{' '.join(argv)} failed:", *words]))
