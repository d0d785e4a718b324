# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""smime_revoke: tell the CA that a certificate is no longer valid (RFC 8555, section 7.6)."""

from __future__ import annotations

import typing as t

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

# What a subscriber may give (S/MIME BR 4.9.1.1 with RFC 5280, section 5.3.1); "unspecified" is sent by leaving it out
REASONS = {
    "unspecified": None,
    "key_compromise": 1,
    "affiliation_changed": 3,
    "superseded": 4,
    "cessation_of_operation": 5,
    "privilege_withdrawn": 9,
}

ARGUMENT_SPEC: dict[str, t.Any] = {
    **connection.acme_options(),
    "account_record_path": {"type": "path"},
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


def run(params: dict[str, t.Any], context: Context) -> Outcome:
    """Revoke; that it is revoked already is known only from the CA, so in check mode the answer is "changed"."""
    options.check_paths(params, "certificate_path", "pkcs12_path", "privatekey_path", "account_key_src")
    certificate, key = _certificate_and_key(params)
    if params["revoke_by"] == "certificate_key":
        if key is None:
            raise InputError("revoke_by: certificate_key needs privatekey_path, privatekey_content or pkcs12_path.")
        if keys.public_fingerprint(key) != certificate.public_fingerprint:
            raise KeyMismatchError("The private key does not belong to the certificate.", stage="revocation")
    elif params["account_key_src"] is None and params["account_key_content"] is None:
        raise InputError("revoke_by: account_key needs account_key_src or account_key_content.")
    if context.check_mode:
        return _outcome(certificate, changed=True, reason=params["reason"])
    until = options.deadline(params)
    if params["revoke_by"] == "certificate_key":
        client = AcmeClient(connection.transport(params, until, context), params["acme_directory"])
        word = acme_certificate.revoke(client, certificate.der, reason=REASONS[params["reason"]], certificate_key=key)
    else:
        client = connection.client(params, until, connection.account_key(params), context)
        word = acme_certificate.revoke(client, certificate.der, reason=REASONS[params["reason"]])
    return _outcome(certificate, changed=word != "already_revoked", reason=params["reason"])


def _certificate_and_key(params: dict[str, t.Any]) -> tuple[pki_certificate.Certificate, t.Any]:
    """The certificate, and its private key where one was given."""
    if params["pkcs12_path"] is not None:
        source = f"pkcs12_path {params['pkcs12_path']}"
        data = atomic.read_file(params["pkcs12_path"], what="pkcs12_path")
        pair = pkcs12.read(data, passphrase=params["pkcs12_passphrase"], source=source)[0]
        return pair.certificate, pair.key
    data = options.input_bytes(params, "certificate") or b""
    source = "certificate_content" if params["certificate_path"] is None else f"certificate_path {params['certificate_path']}"
    certificate = pki_certificate.load_certificate(data, source=source)
    pem = options.input_bytes(params, "privatekey")
    if pem is None:
        return certificate, None
    source = "privatekey_content" if params["privatekey_path"] is None else f"privatekey_path {params['privatekey_path']}"
    return certificate, keys.load_private_key(pem, passphrase=params["privatekey_passphrase"], source=source)


def _outcome(certificate: pki_certificate.Certificate, *, changed: bool, reason: str) -> Outcome:
    before = "valid" if changed else "revoked"
    return Outcome(
        changed=changed,
        values={
            "fingerprint": certificate.fingerprint,
            "serial_number": certificate.serial,
            "addresses": list(certificate.addresses),
            "reason": reason,
        },
        before=f"certificate {certificate.serial}: {before}\n",
        after=f"certificate {certificate.serial}: revoked\n",
    )


TASK = Task(
    run=run,
    argument_spec=ARGUMENT_SPEC,
    libraries=(*ACME, *PKI),
    mutually_exclusive=(
        connection.ACCOUNT_KEY_EXCLUSIVE,
        ("certificate_path", "certificate_content", "pkcs12_path"),
        ("privatekey_path", "privatekey_content", "pkcs12_path"),
    ),
    required_one_of=(("certificate_path", "certificate_content", "pkcs12_path"),),
)
