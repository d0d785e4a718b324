# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""acme2certifier: the CA that no one here wrote, from PyPI, in its own virtual environment, under gunicorn."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import pathlib
import ssl
import subprocess
import sys
import urllib.error
import urllib.request

from . import tls
from .process import Server
from .settings import HOST, RigError, Settings, fill, write

REQUIREMENTS = pathlib.Path(__file__).resolve().parent / "requirements.txt"
EAB_KEY_ID = "rig-kid-1"
# base64url of the 32 bytes "rig-external-account-binding-key"
EAB_KEY = "cmlnLWV4dGVybmFsLWFjY291bnQtYmluZGluZy1rZXk"
TERMS = "https://ca.test/terms"
# more than one: with one alone it takes any name for that
PROFILES = {"mail": "https://ca.test/profiles/mail", "short": "https://ca.test/profiles/short"}


def ensure_venv(venv: pathlib.Path) -> None:
    """Make the virtual environment, or make it again when the pinned versions or the Python have changed.

    pip runs with the machine's ordinary configuration. One rig at a time builds.
    """
    venv.parent.mkdir(parents=True, exist_ok=True)
    stamp = venv / "rig-stamp"
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()
    with open(venv.with_name(venv.name + ".lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.exists() and stamp.read_text(encoding="ascii") == wanted:
            return
        _run(sys.executable, "-m", "venv", "--clear", venv)
        _run(venv / "bin" / "python", "-m", "pip", "install", "--quiet", "--requirement", REQUIREMENTS)
        stamp.write_text(wanted, encoding="ascii")


def directory(settings: Settings) -> str:
    return f"https://localhost:{settings.ports['acme']}/directory"


def start(settings: Settings) -> Server:
    folder = settings.folder("acme2certifier")
    database = folder / "acme_srv.db"
    ca = settings.folder("ca")
    fill("smime.conf", ca / "smime.conf", key_usage=settings.key_usage)
    conf = fill(
        "acme_srv.cfg",
        folder / "acme_srv.cfg",
        0o600,
        host=HOST,
        imaps=settings.ports["imaps"],
        submission=settings.ports["submission"],
        address=settings.ca_mailbox.address,
        user=settings.ca_mailbox.user,
        password=settings.ca_mailbox.password,
        database=database,
        ca=ca,
        certificates=settings.folder("ca", "certs"),
        eab=_eab(folder) if settings.eab else "",
        profiles=f"profiles: {json.dumps(PROFILES)}\nprofiles_check_disable: False\n" if settings.profiles else "",
        directory=f"[Directory]\ntos_url: {TERMS}\n" if settings.terms else "",
    )
    gunicorn = fill(
        "gunicorn.conf.in",
        folder / "gunicorn.conf.py",
        bind=f"{HOST}:{settings.ports['acme']}",
        chain=tls.tls_chain(settings),
        key=tls.tls_key(settings),
        access_log=settings.log("acme2certifier-access"),
        database=database,
    )
    argv: list[str | os.PathLike[str]] = [settings.venv / "bin" / "python", "-m", "gunicorn", "--config", gunicorn]
    argv.append("acme2certifier.share.acme2certifier_wsgi:application")
    env = {"ACME_SRV_CONFIGFILE": str(conf), "ACME2CERTIFIER_BASE_DIR": str(folder)}
    return Server("acme2certifier", argv, log=settings.log("acme2certifier"), env=env, cwd=folder)


def wait_ready(server: Server, settings: Settings) -> None:
    """Ready is when the directory is served: gunicorn listens before its worker has loaded the application."""
    server.wait_port(settings.ports["acme"])
    server.wait_until(lambda: fetch_directory(settings), f"{directory(settings)} does not answer")


def fetch_directory(settings: Settings) -> bool:
    context = ssl.create_default_context(cafile=str(tls.tls_root(settings)))
    try:
        with urllib.request.urlopen(directory(settings), timeout=10, context=context) as reply:
            return b'"newOrder"' in reply.read(1 << 16)
    except (OSError, urllib.error.URLError):
        return False


def _eab(folder: pathlib.Path) -> str:
    keys = write(folder / "eab.json", f'{{"{EAB_KEY_ID}": "{EAB_KEY}"}}\n', 0o600)
    return f"[EABhandler]\neab_handler_module: acme2certifier.eabhandlers.json_handler\nkey_file: {keys}\n"


def _run(*argv: str | pathlib.Path) -> None:
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        words = done.stdout.strip().splitlines()[-15:]
        raise RigError("\n  ".join(["The virtual environment of acme2certifier could not be made:", *words]))
