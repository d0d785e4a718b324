# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""smime_csr: make a private key if it is absent, and a request that the key signs."""

from __future__ import annotations

import os
import typing as t
from dataclasses import dataclass, field

from ansible_collections.mailcert.acme.plugins.module_utils._errors import CsrError, KeyMismatchError, KeyPolicyError
from ansible_collections.mailcert.acme.plugins.module_utils._libs.require import PKI
from ansible_collections.mailcert.acme.plugins.module_utils._pki import csr as requests
from ansible_collections.mailcert.acme.plugins.module_utils._pki import csr_build, csr_check, keys
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs import atomic, locks
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context, Outcome, Task
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.common import options


@dataclass(frozen=True)
class CsrOptions:
    """The options of the module.

    :ivar privatekey_path: :ivar csr_path: absolute.
    :ivar regenerate: the action for a key of another kind: ``fail``, ``partial_idempotence``, or ``always``.
    :ivar common_name: an address, or ``None`` for an empty subject.
    """

    privatekey_path: str
    privatekey_passphrase: str | None = field(repr=False)
    key_spec: keys.KeySpec
    regenerate: str
    csr_path: str
    common_name: str | None
    return_content: bool
    certificate: options.CertificateOptions
    files: options.FileOptions

    @staticmethod
    def spec() -> options.Params:
        """The argument spec."""
        return {
            "privatekey_path": {"type": "path", "required": True},
            "privatekey_passphrase": {"type": "str", "no_log": True},
            **options.KeyOptions.spec(),
            "regenerate": {"type": "str", "choices": ["fail", "partial_idempotence", "always"], "default": "fail"},
            "csr_path": {"type": "path", "required": True},
            "common_name": {"type": "str"},
            "return_content": {"type": "bool", "default": False},
            **options.CertificateOptions.spec(),
            **options.FileOptions.spec(),
        }

    @classmethod
    def parse(cls, params: options.Params) -> CsrOptions:
        """The options.

        :raises InputError, AddressError, KeyPolicyError: an invalid option; names it.
        """
        options.check_paths(params, "privatekey_path", "csr_path")
        certificate = options.CertificateOptions.parse(params)
        key_spec = options.KeyOptions.parse(params)
        files = options.FileOptions.parse(params)
        files.secret_mode()
        common_name = params["common_name"]
        if common_name is not None:
            common_name = options.checked_addresses([common_name], option="common_name")[0]
        return cls(
            privatekey_path=params["privatekey_path"],
            privatekey_passphrase=params["privatekey_passphrase"],
            key_spec=key_spec,
            regenerate=params["regenerate"],
            csr_path=params["csr_path"],
            common_name=common_name,
            return_content=params["return_content"],
            certificate=certificate,
            files=files,
        )


@dataclass(frozen=True)
class CsrResult:
    """The return keys of the module."""

    privatekey_path: str
    csr_path: str
    addresses: tuple[str, ...]
    usage: str
    privatekey_type: str
    privatekey_size: int
    privatekey_curve: str
    public_key_fingerprint: str
    csr: str
    backup_files: tuple[str, ...]
    would_exist: bool

    def describe(self, request: str) -> str:
        """One side of a diff. ``request``: the state of the request."""
        detail = self.privatekey_curve if self.privatekey_type == "ECC" else self.privatekey_size
        return (
            f"private key: {self.privatekey_type} {detail}\nrequest: {request}\n"
            f"addresses: {', '.join(self.addresses)}\nusage: {self.usage}\n"
        )


class _Key(t.NamedTuple):
    """The private key as it is or would be; ``pem`` if it has to be written."""

    key: t.Any
    pem: bytes | None
    overwrites: bool


def run(params: options.Params, context: Context) -> Outcome:
    """Make or check the key and the request.

    The key of a path is made once. An existing key is used, and a key of another kind is an error, unless
    ``regenerate`` says otherwise; then a copy of the old key is kept (docs/rules.md, rule 15).
    """
    given = CsrOptions.parse(params)
    if context.check_mode:
        return _work(given, context)
    atomic.ensure_folder(os.path.dirname(given.privatekey_path))
    # two runs at the same time must use the same key
    with locks.lock(given.privatekey_path + ".lock", timeout=60):
        return _work(given, context)


def _work(given: CsrOptions, context: Context) -> Outcome:
    found = _private_key(given)
    request = _fitting_request(given, found)
    changed_request = request is None
    wanted = given.certificate
    if request is None:
        request = csr_build.build_csr(
            found.key, addresses=wanted.addresses, usage=wanted.usage, common_name=given.common_name
        )
    backups: list[str] = []
    if not context.check_mode:
        mode = given.files.secret_mode()
        if found.pem is not None:
            backups += _write(given, given.privatekey_path, found.pem, mode=mode, backup=found.overwrites)
        if changed_request:
            atomic.ensure_folder(os.path.dirname(given.csr_path))
            backups += _write(given, given.csr_path, request, mode=mode | 0o600, backup=given.files.backup)
    would_exist = context.check_mode and found.pem is not None
    result = CsrResult(
        privatekey_path=given.privatekey_path,
        csr_path=given.csr_path,
        addresses=wanted.addresses,
        usage=wanted.usage,
        privatekey_type=given.key_spec.type,
        privatekey_size=given.key_spec.size or 0,
        privatekey_curve=given.key_spec.curve or "",
        # in check mode a new key has no fingerprint yet
        public_key_fingerprint="" if would_exist else keys.public_fingerprint(found.key),
        csr=request.decode() if given.return_content and not would_exist else "",
        backup_files=tuple(backups),
        would_exist=would_exist,
    )
    return Outcome(
        changed=found.pem is not None or changed_request,
        result=result,
        before="" if found.pem is not None else result.describe("to be made" if changed_request else "present"),
        after=result.describe("present"),
    )


def _write(given: CsrOptions, path: str, data: bytes, *, mode: int, backup: bool) -> list[str]:
    kept = atomic.write_atomic(
        path, data, mode=mode, owner=given.files.owner, group=given.files.group, backup=backup
    )
    return [kept] if kept else []


def _private_key(given: CsrOptions) -> _Key:
    """The key of ``privatekey_path``, or a new one.

    :raises KeyMismatchError: a key of another kind, which is overwritten only if the user asks for that.
    """
    path, passphrase = given.privatekey_path, given.privatekey_passphrase
    present = os.path.lexists(path)
    if present and given.regenerate != "always":
        # a key that cannot be read is never replaced: it may be the only key that decrypts old mail
        key = keys.load_private_key(
            atomic.read_file(path, what="privatekey_path"), passphrase=passphrase, source=f"privatekey_path {path}"
        )
        has = keys.spec_of(key)
        if has == given.key_spec:
            return _Key(key, None, False)
        if given.regenerate == "fail":
            raise KeyMismatchError(
                f"The key at privatekey_path {path} is {has}, and the options ask for {given.key_spec}. Choose another"
                " path, change the options of the key, or set regenerate: partial_idempotence, which keeps a copy of"
                " the old key."
            )
    key = keys.generate(given.key_spec)
    return _Key(key, keys.private_pem(key, passphrase=passphrase), present)


def _fitting_request(given: CsrOptions, found: _Key) -> bytes | None:
    """The request at ``csr_path`` if it fits the options and is signed by this key; otherwise ``None``."""
    data = atomic.read_optional(given.csr_path, what="csr_path")
    if data is None or found.pem is not None:
        return None
    try:
        request = requests.load_csr(data, source=f"csr_path {given.csr_path}")
        csr_check.check_csr(request, addresses=given.certificate.addresses, usage=given.certificate.usage)
    except (CsrError, KeyPolicyError):
        return None  # a request can always be made again
    if request.public_fingerprint != keys.public_fingerprint(found.key):
        return None
    if request.common_names != ((given.common_name,) if given.common_name else ()):
        return None
    return request.pem


TASK = Task(run=run, argument_spec=CsrOptions.spec(), result=CsrResult, libraries=PKI)
