# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SASL EXTERNAL with a client certificate at the lab's servers, and certificates that cannot be used."""

from __future__ import annotations

import dataclasses
import pathlib
import typing as t

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError, LoginError, MailError
from ansible_collections.mailcert.acme.plugins.module_utils._mail import tls
from ansible_collections.mailcert.acme.plugins.module_utils._mail.imap import reader as imap_reader
from ansible_collections.mailcert.acme.plugins.module_utils._mail.imap import session
from ansible_collections.mailcert.acme.plugins.module_utils._mail.login import credentials
from ansible_collections.mailcert.acme.plugins.module_utils._mail.smtp import submit
from ansible_collections.mailcert.acme.tests.lab import tls as lab_tls
from ansible_collections.mailcert.acme.tests.lab.handle import Lab

USER = "user0001@lab.test"
SHOWN = credentials.ExternalLogin(USER)


@pytest.fixture(scope="module")
def certificates() -> t.Any:
    """The lab's maker of client certificates."""
    return lab_tls


@pytest.fixture(scope="module")
def running_lab() -> t.Iterator[t.Any]:
    with Lab.start(mailboxes=2) as lab:
        yield lab


@pytest.fixture
def lab(running_lab: t.Any) -> t.Iterator[t.Any]:
    running_lab.reset()
    running_lab.behaviour(imap_auth=["EXTERNAL"], smtp_auth=["EXTERNAL"], masters={"robot": ""})
    yield running_lab
    running_lab.assert_clean()


@pytest.fixture
def made(lab: t.Any, certificates: t.Any, tmp_path: pathlib.Path) -> t.Callable[..., tls.ClientCertificate]:
    """Makes the client certificate of a user."""

    def make(user: str = USER, passphrase: str = "") -> tls.ClientCertificate:
        folder = pathlib.Path(lab.ca_file).parent
        certificates.client_certificate(folder, user, tmp_path, passphrase=passphrase)
        return tls.ClientCertificate(str(tmp_path / "client.pem"), str(tmp_path / "client.key"), passphrase or None)

    return make


def settings(lab: t.Any, certificate: tls.ClientCertificate | None, login: t.Any = SHOWN) -> tuple[t.Any, t.Any]:
    common = {"login": login, "ca_path": lab.ca_file, "timeout": 10.0, "client_certificate": certificate}
    return (
        imap_reader.ImapSettings(lab.imap["host"], lab.imap["port"], "starttls", **common),
        submit.SmtpSettings(lab.submissions["host"], lab.submissions["port"], "tls", **common),
    )


def log_in(reader: t.Any, sender: t.Any) -> None:
    session.connect(reader).close()
    submit.connect(sender, tls.context(sender)).close()


def mailboxes(lab: t.Any) -> list[tuple[str, str, bool]]:
    return [(entry["mechanism"], entry["mailbox"], entry["accepted"]) for entry in lab.log("imap_login", "smtp_auth")]


@pytest.mark.parametrize("passphrase", ["", "pässphrase"])
def test_user_of_the_certificate(lab, made, passphrase):
    log_in(*settings(lab, made(passphrase=passphrase)))
    assert mailboxes(lab) == [("EXTERNAL", USER, True)] * 2


def test_certificate_and_key_in_one_file(lab, made, tmp_path):
    certificate = made()
    both = tmp_path / "both.pem"
    both.write_bytes(pathlib.Path(certificate.key_path).read_bytes() + pathlib.Path(certificate.path).read_bytes())
    log_in(*settings(lab, tls.ClientCertificate(str(both))))
    assert mailboxes(lab) == [("EXTERNAL", USER, True)] * 2


def test_one_that_acts_for_another(lab, made):
    log_in(*settings(lab, made("robot"), credentials.ExternalLogin("robot", USER)))
    assert mailboxes(lab) == [("EXTERNAL", USER, True)] * 2


@pytest.mark.parametrize("which", [0, 1], ids=["imap", "smtp"])
def test_refused_users_are_told_what_to_look_at(lab, made, which):
    chosen = settings(lab, made("nobody@lab.test"))[which]
    with pytest.raises(LoginError, match="Check mail_client_cert_path") as caught:
        session.connect(chosen) if which == 0 else submit.connect(chosen, tls.context(chosen))
    assert not caught.value.retryable


@pytest.mark.parametrize("which", [0, 1], ids=["imap", "smtp"])
def test_server_that_does_not_offer_it(lab, made, which):
    lab.behaviour(imap_auth=["PLAIN"], smtp_auth=["PLAIN"])
    chosen = settings(lab, made())[which]
    with pytest.raises(LoginError, match="does not offer EXTERNAL, so it did not ask for the client certificate"):
        session.connect(chosen) if which == 0 else submit.connect(chosen, tls.context(chosen))
    assert mailboxes(lab) == []


@pytest.mark.parametrize("which", [0, 1], ids=["imap", "smtp"])
def test_certificate_of_a_ca_that_the_server_does_not_know(lab, made, certificates, tmp_path, which):
    other = tmp_path / "other"
    other.mkdir()
    certificates.server_context(other)
    certificates.client_certificate(other, USER, tmp_path)
    certificate = tls.ClientCertificate(str(tmp_path / "client.pem"), str(tmp_path / "client.key"))
    chosen = settings(lab, certificate)[which]
    with pytest.raises(MailError, match=r"mail_client_cert_path|broke|closed|refused STARTTLS"):
        session.connect(chosen) if which == 0 else submit.connect(chosen, tls.context(chosen))
    assert mailboxes(lab) == []


@pytest.mark.parametrize("which", [0, 1], ids=["imap", "smtp"])
def test_never_without_tls(lab, made, which):
    chosen = dataclasses.replace(settings(lab, made())[which], encryption="none", port=lab.imap["port"])
    if which:
        chosen = dataclasses.replace(chosen, port=lab.submission["port"])
    with pytest.raises(LoginError, match="needs a client certificate over TLS"):
        session.connect(chosen) if which == 0 else submit.connect(chosen, None)
    assert mailboxes(lab) == []


def test_certificate_of_one_mailbox_is_not_shown_for_another(lab, made):
    with_one, dummy = settings(lab, made())
    without, dummy = settings(lab, None)
    log_in(*settings(lab, made()))
    assert tls.context(with_one) is not tls.context(without)
    assert tls.context(without) is tls.context(without)
    with pytest.raises(LoginError, match="needs a client certificate"):
        session.connect(without)


def test_what_cannot_be_used_is_told_without_the_passphrase(lab, made, tmp_path):
    certificate = made(passphrase="hunter2")
    empty = tmp_path / "empty"
    empty.write_text("")
    stranger = tmp_path / "stranger"
    stranger.mkdir()
    for change, words in (
        ({"passphrase": "hunter3"}, "mail_client_key_passphrase does not open it"),
        ({"passphrase": None}, "the key has a passphrase"),
        ({"passphrase": "hunter3" * 200}, "mail_client_key_passphrase does not open it"),
        ({"path": str(empty)}, "cannot be used"),
        ({"key_path": str(tmp_path / "nowhere")}, "No such file"),
        ({"key_path": None}, "the key in it"),
    ):
        with pytest.raises(InputError, match=words) as caught:
            tls.context(settings(lab, dataclasses.replace(certificate, **change))[0])
        assert "hunter" not in str(caught.value), change
    assert "hunter2" not in repr(certificate)
