# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""smime_csr: a private key, made if absent, and the request that it signs."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._errors import CsrError, KeyMismatchError, KeyPolicyError
from ansible_collections.mailcert.acme.plugins.module_utils._libs.require import PKI
from ansible_collections.mailcert.acme.plugins.module_utils._pki import csr as requests
from ansible_collections.mailcert.acme.plugins.module_utils._pki import csr_build, csr_check, keys
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs import atomic, locks
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context, Outcome, Task
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.common import options

ARGUMENT_SPEC: dict[str, t.Any] = {
    "privatekey_path": {"type": "path", "required": True},
    "privatekey_passphrase": {"type": "str", "no_log": True},
    "privatekey_type": {"type": "str", "choices": ["RSA", "ECC"], "default": "RSA"},
    "privatekey_size": {"type": "int", "default": 3072},
    "privatekey_curve": {"type": "str", "choices": ["secp256r1", "secp384r1", "secp521r1"], "default": "secp256r1"},
    "regenerate": {"type": "str", "choices": ["fail", "partial_idempotence", "always"], "default": "fail"},
    "csr_path": {"type": "path", "required": True},
    "common_name": {"type": "str"},
    "return_content": {"type": "bool", "default": False},
    **options.certificate_wish_options(),
    **options.file_options(),
}


class _Key(t.NamedTuple):
    """The private key as it stands or would stand; ``pem`` where it has to be written."""

    key: t.Any
    pem: bytes | None
    overwrites: bool


def run(params: dict[str, t.Any], context: Context) -> Outcome:
    """Make or check key and request.

    The key of a path is made once: an existing one is used as it is, and one that does not fit the wish fails, unless
    ``regenerate`` says otherwise; then a copy of the old one stays beside it (RULES: no key is ever lost).
    """
    options.check_paths(params, "privatekey_path", "csr_path")
    addresses = options.checked_addresses(params["addresses"])
    spec = keys.key_spec(params["privatekey_type"], params["privatekey_size"], params["privatekey_curve"])
    mode = options.secret_mode(params)
    common_name = params["common_name"]
    if common_name is not None:
        common_name = options.checked_addresses([common_name], option="common_name")[0]
    if context.check_mode:
        return _work(params, context, addresses, spec, common_name, mode)
    atomic.ensure_folder(os.path.dirname(params["privatekey_path"]))
    # two runs at once must agree on one key
    with locks.lock(params["privatekey_path"] + ".lock", timeout=60):
        return _work(params, context, addresses, spec, common_name, mode)


def _work(
    params: dict[str, t.Any],
    context: Context,
    addresses: list[str],
    spec: keys.KeySpec,
    common_name: str | None,
    mode: int,
) -> Outcome:
    found = _private_key(params, spec)
    request = _fitting_request(params, found, addresses, common_name)
    changed_request = request is None
    if request is None:
        request = csr_build.build_csr(found.key, addresses=addresses, usage=params["usage"], common_name=common_name)
    backups: list[str] = []
    if not context.check_mode:
        owner = {"owner": params["owner"], "group": params["group"]}
        if found.pem is not None:
            backups += _write(params["privatekey_path"], found.pem, mode=mode, backup=found.overwrites, **owner)
        if changed_request:
            atomic.ensure_folder(os.path.dirname(params["csr_path"]))
            backups += _write(params["csr_path"], request, mode=mode | 0o600, backup=params["backup"], **owner)
    shown = {
        "privatekey_path": params["privatekey_path"],
        "csr_path": params["csr_path"],
        "addresses": addresses,
        "usage": params["usage"],
        "privatekey_type": spec.type,
        "privatekey_size": spec.size or 0,
        "privatekey_curve": spec.curve or "",
        "public_key_fingerprint": keys.public_fingerprint(found.key),
    }
    would_exist = context.check_mode and found.pem is not None
    if would_exist:
        # a key that only the real run makes has no fingerprint yet
        shown["public_key_fingerprint"] = ""
    return Outcome(
        changed=found.pem is not None or changed_request,
        values={
            **shown,
            "csr": request.decode() if params["return_content"] and not would_exist else "",
            "backup_files": backups,
            "would_exist": would_exist,
        },
        before="" if found.pem is not None else _describe(shown, "present" if not changed_request else "to be made"),
        after=_describe(shown, "present"),
    )


def _write(path: str, data: bytes, *, backup: bool, **how: t.Any) -> list[str]:
    kept = atomic.write_atomic(path, data, backup=backup, **how)
    return [kept] if kept else []


def _private_key(params: dict[str, t.Any], spec: keys.KeySpec) -> _Key:
    """The key of ``privatekey_path``, or a new one.

    :raises KeyMismatchError: for a key of another kind, which is never overwritten by itself.
    """
    path, passphrase = params["privatekey_path"], params["privatekey_passphrase"]
    present = os.path.lexists(path)
    if present and params["regenerate"] != "always":
        # one that cannot be read is never replaced: it may be the only key to somebody's mail
        key = keys.load_private_key(
            atomic.read_file(path, what="privatekey_path"), passphrase=passphrase, source=f"privatekey_path {path}"
        )
        has = keys.spec_of(key)
        if has == spec:
            return _Key(key, None, False)
        if params["regenerate"] == "fail":
            raise KeyMismatchError(
                f"The key at privatekey_path {path} is {has}, the wish is {spec}. Choose another path, change the"
                " wish, or set regenerate: partial_idempotence, which keeps a copy of the old key."
            )
    key = keys.generate(spec)
    return _Key(key, keys.private_pem(key, passphrase=passphrase), present)


def _fitting_request(
    params: dict[str, t.Any], found: _Key, addresses: list[str], common_name: str | None
) -> bytes | None:
    """The request at ``csr_path`` where it says what is wished, signed by this very key; else None."""
    data = atomic.read_optional(params["csr_path"], what="csr_path")
    if data is None or found.pem is not None:
        return None
    try:
        request = requests.load_csr(data, source=f"csr_path {params['csr_path']}")
        csr_check.check_csr(request, addresses=addresses, usage=params["usage"])
    except (CsrError, KeyPolicyError):
        return None  # a request can always be made anew; only keys are precious
    if request.public_fingerprint != keys.public_fingerprint(found.key):
        return None
    if request.common_names != ((common_name,) if common_name else ()):
        return None
    return request.pem


def _describe(shown: dict[str, t.Any], request: str) -> str:
    kind = shown["privatekey_type"]
    detail = shown["privatekey_curve"] if kind == "ECC" else shown["privatekey_size"]
    lines = [f"private key: {kind} {detail}", f"request: {request}", f"addresses: {', '.join(shown['addresses'])}"]
    return "\n".join([*lines, f"usage: {shown['usage']}"]) + "\n"


TASK = Task(run=run, argument_spec=ARGUMENT_SPEC, libraries=PKI)
