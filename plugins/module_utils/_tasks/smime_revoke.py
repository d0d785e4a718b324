# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""smime_revoke: revoke a certificate (RFC 8555, section 7.6)."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ansible_collections.mailcert.acme.plugins.module_utils._acme import certificate as acme_certificate
from ansible_collections.mailcert.acme.plugins.module_utils._acme.client import AcmeClient
from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError, KeyMismatchError
from ansible_collections.mailcert.acme.plugins.module_utils._libs.require import ACME, PKI
from ansible_collections.mailcert.acme.plugins.module_utils._pki import certificate as pki_certificate
from ansible_collections.mailcert.acme.plugins.module_utils._pki import keys, pkcs12
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs import atomic
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context, Outcome, Task
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.account import connection
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.common import options

# The reasons of a subscriber (S/MIME BR 4.9.1.1 with RFC 5280, section 5.3.1); "unspecified" is not sent to the CA
REASONS = {
    "unspecified": None,
    "key_compromise": 1,
    "affiliation_changed": 3,
    "superseded": 4,
    "cessation_of_operation": 5,
    "privilege_withdrawn": 9,
}


@dataclass(frozen=True)
class RevokeOptions:
    """The options of the module.

    :ivar certificate: the certificate, unless ``pkcs12_path`` has it. :ivar privatekey: its key.
    :ivar pkcs12_path: absolute path of a file with certificate and key.
    :ivar revoke_by: which key signs: ``account_key`` or ``certificate_key``.
    :ivar reason: one of :data:`REASONS`.
    """

    acme: connection.AcmeOptions
    certificate: options.Content
    privatekey: options.Content
    privatekey_passphrase: str | None = field(repr=False)
    pkcs12_path: str | None
    pkcs12_passphrase: str | None = field(repr=False)
    revoke_by: str
    reason: str

    @staticmethod
    def spec() -> options.Params:
        """The argument spec."""
        return {
            **connection.AcmeOptions.spec(),
            "certificate_path": {"type": "path"},
            "certificate_content": {"type": "str"},
            "pkcs12_path": {"type": "path"},
            "pkcs12_passphrase": {"type": "str", "no_log": True},
            "privatekey_path": {"type": "path"},
            "privatekey_content": {"type": "str", "no_log": True},
            "privatekey_passphrase": {"type": "str", "no_log": True},
            "revoke_by": {"type": "str", "choices": ["account_key", "certificate_key"], "default": "account_key"},
            "reason": {"type": "str", "choices": list(REASONS), "default": "unspecified"},
        }

    @classmethod
    def parse(cls, params: options.Params) -> RevokeOptions:
        """The options.

        :raises InputError: the signing key is not given, or an option is invalid.
        """
        given = cls(
            acme=connection.AcmeOptions.parse(params),
            certificate=options.Content.parse(params, "certificate"),
            privatekey=options.Content.parse(params, "privatekey"),
            privatekey_passphrase=params["privatekey_passphrase"],
            pkcs12_path=options.check_path(params["pkcs12_path"], "pkcs12_path"),
            pkcs12_passphrase=params["pkcs12_passphrase"],
            revoke_by=params["revoke_by"],
            reason=params["reason"],
        )
        if given.revoke_by == "certificate_key":
            if given.pkcs12_path is None and not given.privatekey.given:
                raise InputError("revoke_by: certificate_key needs privatekey_path, privatekey_content or pkcs12_path.")
        elif given.acme.key_src is None and given.acme.key_content is None:
            raise InputError("revoke_by: account_key needs account_key_src or account_key_content.")
        return given


@dataclass(frozen=True)
class RevokeResult:
    """The return keys of the module."""

    fingerprint: str
    serial_number: str
    addresses: tuple[str, ...]
    reason: str


def run(params: options.Params, context: Context) -> Outcome:
    """Revoke the certificate. Only the CA knows whether it is revoked already, so check mode reports "changed"."""
    given = RevokeOptions.parse(params)
    certificate, key = _certificate_and_key(given)
    by_certificate = given.revoke_by == "certificate_key"
    if by_certificate and keys.public_fingerprint(key) != certificate.public_fingerprint:
        raise KeyMismatchError("The private key does not belong to the certificate.", stage="revocation")
    if context.check_mode:
        return _outcome(certificate, changed=True, reason=given.reason)
    until = given.acme.deadline()
    reason = REASONS[given.reason]
    if by_certificate:
        client = AcmeClient(given.acme.transport(until, context), given.acme.directory)
        word = acme_certificate.revoke(client, certificate.der, reason=reason, certificate_key=key)
    else:
        client = given.acme.client(until, given.acme.account_key(), context)
        word = acme_certificate.revoke(client, certificate.der, reason=reason)
    return _outcome(certificate, changed=word != "already_revoked", reason=given.reason)


def _certificate_and_key(given: RevokeOptions) -> tuple[pki_certificate.Certificate, t.Any]:
    """The certificate, and its private key if one was given."""
    if given.pkcs12_path is not None:
        source = f"pkcs12_path {given.pkcs12_path}"
        data = atomic.read_file(given.pkcs12_path, what="pkcs12_path")
        pair = pkcs12.read(data, passphrase=given.pkcs12_passphrase, source=source)[0]
        return pair.certificate, pair.key
    data = given.certificate.read() or b""
    certificate = pki_certificate.load_certificate(data, source=given.certificate.source)
    pem = given.privatekey.read()
    if pem is None:
        return certificate, None
    key = keys.load_private_key(pem, passphrase=given.privatekey_passphrase, source=given.privatekey.source)
    return certificate, key


def _outcome(certificate: pki_certificate.Certificate, *, changed: bool, reason: str) -> Outcome:
    before = "valid" if changed else "revoked"
    return Outcome(
        changed=changed,
        result=RevokeResult(certificate.fingerprint, certificate.serial, certificate.addresses, reason),
        before=f"certificate {certificate.serial}: {before}\n",
        after=f"certificate {certificate.serial}: revoked\n",
    )


TASK = Task(
    run=run,
    argument_spec=RevokeOptions.spec(),
    result=RevokeResult,
    libraries=(*ACME, *PKI),
    mutually_exclusive=(
        connection.ACCOUNT_KEY_EXCLUSIVE,
        ("certificate_path", "certificate_content", "pkcs12_path"),
        ("privatekey_path", "privatekey_content", "pkcs12_path"),
    ),
    required_one_of=(("certificate_path", "certificate_content", "pkcs12_path"),),
)
