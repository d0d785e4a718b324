# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""For each secret option a task that uses it and fails at the step where it does, for test_secrets.py.

A new secret option has no use here, and the test says so.
"""

from __future__ import annotations

import json
import pathlib
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils import _runner
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context
from ansible_collections.mailcert.acme.tests.lab.handle import Lab
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from .echo_servers import EchoServers
from .lab_fleet import private_pem, self_signed
from .secret_markers import kept, mark, pem_lines, plain_mark
from .secret_options import Option
from .secret_task_runner import task_of

Args = dict[str, t.Any]


class Use(t.NamedTuple):
    """A task, and the error code with which it must fail."""

    name: str
    option: Option
    args: Args
    code: str


class World:
    """What the tasks work on: a chain on the lab up to a certificate, and a second one up to its challenge.

    :ivar keys: what to look for of private keys, next to the marks.
    """

    def __init__(self, lab: Lab, echo: EchoServers, folder: pathlib.Path) -> None:
        self.lab, self.echo, self.folder = lab, echo, folder
        self.keys: list[str] = []
        self.user = lab.mailboxes[1]
        self.ca = {"acme_directory": lab.directory, "ca_path": lab.ca_file, "request_retries": 0, "deadline": 60}
        self.acme = {
            **self.ca,
            "account_key_src": self.at("account.key"),
            "account_record_path": self.at("account.json"),
        }
        self.mail = self._mail(self.user)
        (folder / "locked.key").write_bytes(private_pem(self.new_key(), kept(mark())))
        # a folder, so that nothing can be written in its place
        (folder / "occupied.p12").mkdir()
        contact = {"contact": [f"postmaster@{lab.domains[0]}"], "terms_agreed": True}
        self.done("smime_account", {**self.acme, **contact})
        self.passphrase = mark()
        self.order = self._order("locked", lab.mailboxes[0], privatekey_passphrase=self.passphrase)
        answered = {**self.acme, **self._mail(lab.mailboxes[0]), "replies_path": self.at("replies")}
        self.done("smime_email_challenge", {**answered, "challenges": self.challenges})
        self.plain_order = self._order("user", self.user)
        self._identity()

    def at(self, name: str) -> str:
        """A path in the folder."""
        return str(self.folder / name)

    def new_key(self, *, secret: bool = True) -> t.Any:
        """A private key; what it looks like in PEM is searched for too."""
        key = ec.generate_private_key(ec.SECP256R1())
        if secret:
            self.keys += pem_lines(private_pem(key).decode())
        return key

    def pem(self) -> str:
        """A private key of no one's."""
        return private_pem(self.new_key()).decode()

    def done(self, module: str, args: Args) -> Args:
        """Run a module that must succeed."""
        result = _runner.run_in_process(task_of(module), args, Context(), name=module)
        assert not result.get("failed"), result
        return result

    def _identity(self) -> None:
        """A certificate with its key, and both in a PKCS#12."""
        key = self.new_key()
        (self.folder / "own.key").write_bytes(private_pem(key))
        (self.folder / "own.crt").write_bytes(self_signed(key).public_bytes(serialization.Encoding.PEM))
        pair = {"privatekey_path": self.at("own.key"), "certificate_path": self.at("own.crt")}
        self.done("smime_pkcs12", {**pair, "path": self.at("own.p12"), "passphrase": mark()})

    def _order(self, name: str, mailbox: Args, **more: t.Any) -> Args:
        addresses = [mailbox["address"]]
        key = {"privatekey_path": self.at(f"{name}.pem"), "csr_path": self.at(f"{name}.csr"), **more}
        self.done("smime_csr", {**key, "addresses": addresses, "privatekey_type": "ECC"})
        self.keys += pem_lines((self.folder / f"{name}.pem").read_text("utf-8"))
        order = {
            **self.acme, "addresses": addresses, "csr_path": key["csr_path"], "privatekey_path": key["privatekey_path"],
            "certificate_path": self.at(f"{name}.1/cert.pem"), "chain_path": self.at(f"{name}.1/chain.pem"),
            "current_path": self.at(f"{name}.current"), "journal_path": self.at(f"{name}.json"), **more,
        }
        self.challenges = self.done("smime_order", {**order, "state": "requested"})["challenges"]
        return order

    def _mail(self, mailbox: Args) -> Args:
        lab = self.lab
        return {
            "imap_host": lab.imaps["host"], "imap_port": lab.imaps["port"], "imap_user": mailbox["user"],
            "imap_password": mailbox["password"], "smtp_port": lab.submission["port"], "mail_ca_path": lab.ca_file,
            "oauth_ca_path": lab.ca_file, "dns_servers": ["{host}:{port}".format(**lab.dns)], "mail_timeout": 30,
        }


def uses(world: World) -> list[Use]:
    """All uses, in no order that matters."""
    found = [*_of_keys(world), *_of_pkcs12(world)]
    address = world.user["address"]
    challenge = {**world.acme, "challenges": world.challenges, "replies_path": world.at("replies2")}
    look = {"addresses": [address], "fail_on_error": True}
    for module, base in (("smime_email_challenge", challenge), ("smime_mail_check", look)):
        for name, option, args, code in _of_logins(world):
            code = "mail_check_failed" if module == "smime_mail_check" else code
            found.append(Use(f"{module}: {name}", Option(module, (option,)), {**base, **world.mail, **args}, code))
            shared = {key: value for key, value in world.mail.items() if key not in args}
            (_again,) = [again for again in _of_logins(world) if again[0] == name]
            entry = {"address": address, **_again[2]}
            of_address = {**base, **shared, "mailboxes": [entry]}
            found.append(
                Use(f"{module}: {name} of an address", Option(module, ("mailboxes", option)), of_address, code)
            )
    return found


def _of_keys(world: World) -> t.Iterator[Use]:
    echo = f"https://localhost:{world.echo.https}/directory"
    locked = {"account_key_src": world.at("locked.key")}
    bases: dict[str, Args] = {
        "smime_account": {**world.acme, "terms_agreed": True},
        "smime_order": {**world.plain_order, "state": "requested", "journal_path": world.at("other.json")},
        "smime_email_challenge": {
            **world.acme, **world.mail, "replies_path": world.at("replies3"),
            # which account ordered is left out: another one's key would be refused before the CA is asked
            "challenges": [{**challenge, "account_thumbprint": ""} for challenge in world.challenges],
            # the CA is asked before anything is sent
            "ca_preset": "akamu",
        },
        "smime_revoke": {**world.acme, "certificate_path": world.at("own.crt")},
    }
    for module, base in bases.items():
        content = Option(module, ("account_key_content",))
        own = {name: value for name, value in base.items() if name != "account_key_src"}
        broken = f"-----BEGIN PRIVATE KEY-----\n{mark()}\n-----END PRIVATE KEY-----\n"
        yield Use(
            f"{module}: broken account key", content, {**own, "account_key_content": broken}, "invalid_privatekey"
        )
        elsewhere = {**own, "account_key_content": world.pem(), "acme_directory": echo}
        yield Use(f"{module}: account key at a CA that echoes", content, elsewhere, "acme_problem")
        wrong = {**base, **locked, "account_key_passphrase": mark()}
        yield Use(f"{module}: passphrase", Option(module, ("account_key_passphrase",)), wrong, "wrong_passphrase")
    binding = Option("smime_account", ("external_account_binding", "key"))
    new = {**bases["smime_account"], "account_key_src": world.at("new.key")}
    changing = {**world.acme, "acme_directory": echo, "state": "changed_key", "deadline": 5}
    locked_too = {"new_account_key_src": world.at("locked.key"), "new_account_key_passphrase": mark()}
    yield Use(
        "new account key", Option("smime_account", ("new_account_key_content",)),
        {**changing, "new_account_key_content": world.pem()}, "account_error",
    )
    yield Use(
        "broken new account key", Option("smime_account", ("new_account_key_content",)),
        {**changing, "new_account_key_content": broken}, "invalid_privatekey",
    )
    yield Use(
        "new account key with a wrong passphrase", Option("smime_account", ("new_account_key_passphrase",)),
        {**changing, **locked_too}, "wrong_passphrase",
    )
    for key, more, code in (
        (mark(), {}, "invalid_input"), (plain_mark() + "A" * 24, {"acme_directory": echo}, "acme_problem"),
    ):
        args = {**new, **more, "external_account_binding": {"kid": "1", "key": key}}
        yield Use(f"key of an external account, {code}", binding, args, code)


def _of_pkcs12(world: World) -> t.Iterator[Use]:
    wrong, own = mark(), {"certificate_path": world.at("own.crt"), "privatekey_path": world.at("own.key")}
    key = {"privatekey_path": world.at("locked.key"), "privatekey_passphrase": wrong}
    csr = {**key, "csr_path": world.at("x.csr"), "addresses": ["a@lab.test"]}
    issued = {**world.order, "state": "issued", "privatekey_passphrase": wrong}
    identity = {**own, "path": world.at("x.p12"), "passphrase": mark()}
    by_key = {**world.ca, "revoke_by": "certificate_key", "certificate_path": own["certificate_path"]}
    broken = f"{mark()}\n-----BEGIN PRIVATE KEY-----\n{mark()}\n-----END PRIVATE KEY-----\n"
    of_key, pkcs12 = ("privatekey_passphrase",), "smime_pkcs12"
    yield Use("key of a request", Option("smime_csr", of_key), csr, "wrong_passphrase")
    yield Use("key beside a certificate", Option("smime_certificate_info", of_key), {**own, **key}, "wrong_passphrase")
    yield Use("key of an order", Option("smime_order", of_key), issued, "wrong_passphrase")
    yield Use("key of an identity", Option(pkcs12, of_key), {**identity, **key}, "wrong_passphrase")
    mismatch = {**identity, "privatekey_path": world.at("user.pem")}
    yield Use("identity with a foreign key", Option(pkcs12, ("passphrase",)), mismatch, "key_mismatch")
    occupied = {**identity, "path": world.at("occupied.p12")}
    yield Use("identity where a folder is", Option(pkcs12, ("passphrase",)), occupied, "store_error")
    file = {**world.ca, "revoke_by": "certificate_key", "pkcs12_path": world.at("own.p12"), "pkcs12_passphrase": mark()}
    yield Use("revocation by an identity", Option("smime_revoke", ("pkcs12_passphrase",)), file, "wrong_passphrase")
    yield Use(
        "revocation by a broken key", Option("smime_revoke", ("privatekey_content",)),
        {**by_key, "privatekey_content": broken}, "invalid_privatekey",
    )
    yield Use(
        "revocation by a foreign key", Option("smime_revoke", ("privatekey_content",)),
        {**by_key, "privatekey_content": world.pem()}, "key_mismatch",
    )
    yield Use("revocation by a locked key", Option("smime_revoke", of_key), {**by_key, **key}, "wrong_passphrase")


def _of_logins(world: World) -> list[tuple[str, str, Args, str]]:
    """Name, option, what is set next to the lab's own login, and error code; with new marks each time."""
    imap = {"imap_host": "localhost", "imap_port": world.echo.imap, "smtp_host": "localhost"}
    smtp = {"smtp_host": "localhost", "smtp_port": world.echo.smtp, "smtp_encryption": "tls"}
    client = {
        "imap_auth": "xoauth2", "oauth_grant": "client_credentials", "oauth_client_id": "app",
        "oauth_token_url": f"https://localhost:{world.echo.https}/token",
    }
    refresh = {**client, "oauth_grant": "refresh_token", "oauth_client_secret": mark()}
    account = {"type": "service_account", "client_email": "robot@lab.test", "private_key_id": "1", "client_id": "1"}
    account["token_uri"] = client["oauth_token_url"]
    google = {"imap_auth": "xoauth2", "oauth_grant": "google_service_account"}
    file = "oauth_service_account_content"
    cert = {
        "imap_auth": "external",
        "mail_client_cert_path": world.at("own.crt"),
        "mail_client_key_path": world.at("locked.key"),
    }
    signing = {"dkim_selector": "rsa", "dkim_domain": "lab.test"}
    broken = f"-----BEGIN PRIVATE KEY-----\n{mark()}\n-----END PRIVATE KEY-----\n"
    locked = {**signing, "dkim_privatekey_path": world.at("locked.key")}
    rsa_key = _rsa_pem(world)
    return [
        ("IMAP password", "imap_password", {**imap, "imap_password": mark()}, "login_refused"),
        ("IMAP token", "imap_token", {**imap, "imap_auth": "xoauth2", "imap_token": plain_mark()}, "login_refused"),
        (
            "long IMAP token", "imap_token",
            {**imap, "imap_auth": "oauthbearer", "imap_token": plain_mark() * 40}, "login_refused",
        ),
        ("SMTP password", "smtp_password", {**smtp, "smtp_password": mark()}, "login_refused"),
        ("SMTP token", "smtp_token", {**smtp, "smtp_auth": "xoauth2", "smtp_token": plain_mark()}, "login_refused"),
        ("client secret", "oauth_client_secret", {**client, "oauth_client_secret": mark()}, "token_unavailable"),
        ("refresh token", "oauth_refresh_token", {**refresh, "oauth_refresh_token": mark()}, "token_unavailable"),
        ("client key", "mail_client_key_passphrase", {**cert, "mail_client_key_passphrase": mark()}, "invalid_input"),
        (
            "broken DKIM key", "dkim_privatekey_content", {**signing, "dkim_privatekey_content": broken},
            "invalid_input",
        ),
        (
            "locked DKIM key", "dkim_privatekey_passphrase", {**locked, "dkim_privatekey_passphrase": mark()},
            "invalid_input",
        ),
        ("no key file", file, {**google, file: mark()}, "invalid_input"),
        ("broken key file", file, {**google, file: json.dumps({**account, "private_key": mark()})}, "invalid_input"),
        ("key file", file, {**google, file: json.dumps({**account, "private_key": rsa_key})}, "token_unavailable"),
    ]


def _rsa_pem(world: World) -> str:
    """One RSA key for all, since making one takes long."""
    path = world.folder / "rsa.pem"
    if not path.exists():
        path.write_bytes(private_pem(rsa.generate_private_key(65537, 2048)))
        world.keys += pem_lines(path.read_text("utf-8"))
    return path.read_text("utf-8")
