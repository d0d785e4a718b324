# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records: the inputs of a finished version and of a PKCS#12.

With them a run finds from public data alone that there is nothing to do: it parses no private key and decrypts nothing.
A record has a passphrase only as an HMAC under a secret key (docs/rules.md, rule 21).
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import hmac
import json
import os
import stat
import typing as t
from dataclasses import dataclass, field

from ansible_collections.mailcert.acme.plugins.module_utils._errors import StoreError
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs import atomic
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs import document as fs_document
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs.document import Damaged, Document
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs.paths import failed
from ansible_collections.mailcert.acme.plugins.module_utils._time import format_iso


@dataclass(frozen=True)
class FileStat:
    """The metadata of a file when a record was made; if they are the same now, the file was not changed.

    :ivar size: octets.
    :ivar mtime_ns: time of the last change of its data, nanoseconds since 1970.
    :ivar inode: its number in the file system.
    :ivar mode: its permissions.
    :ivar digest: SHA-256 of its content, hex; empty where it was not read. After a restore from a backup a file has
        another inode and time, and the same content.
    """

    size: int
    mtime_ns: int
    inode: int
    mode: int
    digest: str = ""

    @classmethod
    def of(cls, path: str, *, digest: bool = False) -> FileStat | None:
        """The metadata of a file now; None if there is no such file.

        :arg digest: whether to read the file for its digest.
        :raises StoreError: the metadata cannot be read.
        """
        try:
            found = os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError) as error:
            raise failed(path, "cannot be looked at", error) from error
        return cls(
            size=found.st_size,
            mtime_ns=found.st_mtime_ns,
            inode=found.st_ino,
            mode=stat.S_IMODE(found.st_mode),
            digest=_digest(path) if digest else "",
        )

    def matches(self, path: str, *, mode: bool = True) -> bool:
        """Whether the file is the same now: by its metadata, or by its content where only time or inode differ.

        :arg mode: whether its permissions have to be the same too.
        """
        found = FileStat.of(path)
        if found is None or found.size != self.size or (mode and found.mode != self.mode):
            return False
        if (found.mtime_ns, found.inode) == (self.mtime_ns, self.inode):
            return True
        return bool(self.digest) and _digest(path) == self.digest

    @classmethod
    def read(cls, fields: t.Mapping[str, t.Any]) -> FileStat | None:
        """The metadata in a document's object; None for an empty object."""
        if not fields:
            return None
        document = Document(fields)
        return cls(
            size=document.number("size"),
            mtime_ns=document.number("mtime_ns"),
            inode=document.number("inode"),
            mode=document.number("mode"),
            digest=document.text("digest"),
        )

    def fields(self) -> dict[str, t.Any]:
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class VersionRecord:
    """The contents of a complete version; written last, before the version becomes current.

    :ivar public_fingerprint: SHA-256 of the key's SubjectPublicKeyInfo, hex.
    :ivar certificate_fingerprint: SHA-256 of the certificate's DER, hex.
    :ivar addresses: all addresses of the certificate.
    :ivar usage: ``dual``, ``sign`` or ``encrypt``.
    :ivar key_spec: type, size and curve of the key, JSON-able.
    :ivar directory: the directory URL of the CA.
    :ivar profile: the profile of the order; empty without one.
    :ivar not_before: and not_after: validity, aware.
    :ivar privatekey: the metadata of the key file; None where the key is on another machine.
    :ivar common_name: the CN of the request; empty without one.
    :ivar serial: serial number, hex. ``issuer``: RFC 4514. ``ari_id``: RFC 9773, section 4.1.
    :ivar account_uri: the ACME account that ordered it.
    :ivar extra: further public facts, JSON-able.
    """

    public_fingerprint: str
    certificate_fingerprint: str
    addresses: tuple[str, ...]
    usage: str
    key_spec: t.Mapping[str, t.Any]
    directory: str
    not_before: datetime.datetime
    not_after: datetime.datetime
    profile: str = ""
    privatekey: FileStat | None = None
    common_name: str = ""
    serial: str = ""
    issuer: str = ""
    ari_id: str = ""
    account_uri: str = ""
    extra: t.Mapping[str, t.Any] = field(default_factory=dict)

    @classmethod
    def load(cls, path: str) -> VersionRecord | None:
        """Read a record; None if there is none.

        :raises StoreError: it is damaged.
        """
        remedy = "restore it from a backup, or remove it and the next run makes it again"
        return fs_document.load(path, cls._read, what="The record of a certificate", remedy=remedy)

    def save(self, path: str) -> None:
        """Write the record, 0600; raises as :func:`atomic.write_atomic`."""
        atomic.write_atomic(path, fs_document.encode(self._fields()))

    @classmethod
    def _read(cls, document: Document) -> VersionRecord:
        for name in ("public_fingerprint", "certificate_fingerprint", "usage"):
            if not document.text(name):
                raise Damaged(f"{name} is missing")
        return cls(
            public_fingerprint=document.text("public_fingerprint"),
            certificate_fingerprint=document.text("certificate_fingerprint"),
            addresses=document.texts("addresses"),
            usage=document.text("usage"),
            key_spec=document.mapping("key_spec"),
            directory=document.text("directory"),
            not_before=document.present_moment("not_before"),
            not_after=document.present_moment("not_after"),
            profile=document.text("profile"),
            privatekey=FileStat.read(document.mapping("privatekey")),
            common_name=document.text("common_name"),
            serial=document.text("serial"),
            issuer=document.text("issuer"),
            ari_id=document.text("ari_id"),
            account_uri=document.text("account_uri"),
            extra=document.mapping("extra"),
        )

    def _fields(self) -> dict[str, t.Any]:
        return {
            "public_fingerprint": self.public_fingerprint,
            "certificate_fingerprint": self.certificate_fingerprint,
            "addresses": list(self.addresses),
            "usage": self.usage,
            "key_spec": dict(self.key_spec),
            "directory": self.directory,
            "not_before": format_iso(self.not_before),
            "not_after": format_iso(self.not_after),
            "profile": self.profile,
            "privatekey": self.privatekey.fields() if self.privatekey else {},
            "common_name": self.common_name,
            "serial": self.serial,
            "issuer": self.issuer,
            "ari_id": self.ari_id,
            "account_uri": self.account_uri,
            "extra": dict(self.extra),
        }


@dataclass(frozen=True)
class Pkcs12Record:
    """The inputs of a PKCS#12 file. The file is written again only when they change.

    :ivar inputs: the public inputs, JSON-able: fingerprints, friendly names, encoding, generation. Never a secret.
    :ivar passphrase_hmac: HMAC-SHA-256, hex, over passphrase and inputs; empty if there was no key for it.
    :ivar file: the metadata of the file after it was written.
    :ivar keys: SHA-256, hex, of the SubjectPublicKeyInfo of each key in it.
    """

    inputs: t.Mapping[str, t.Any]
    passphrase_hmac: str
    file: FileStat | None
    keys: tuple[str, ...] = ()

    @classmethod
    def make(
        cls,
        inputs: t.Mapping[str, t.Any],
        *,
        passphrase: str | None,
        key: bytes | None,
        path: str,
        keys: t.Sequence[str] = (),
    ) -> Pkcs12Record:
        """The record of the file at ``path``, right after it was written.

        :arg key: the store's secret, or another random secret of at least 16 octets; with None there is no HMAC.
        """
        plain = json.loads(_canonical(inputs))
        return cls(
            inputs=plain,
            passphrase_hmac=_passphrase_hmac(plain, passphrase, key),
            file=FileStat.of(path, digest=True),
            keys=tuple(keys),
        )

    def matches_inputs(self, inputs: t.Mapping[str, t.Any]) -> bool:
        """Whether the public inputs are the same; smime_select uses this, without any secret."""
        return _canonical(inputs) == _canonical(self.inputs)

    def matches(self, inputs: t.Mapping[str, t.Any], *, passphrase: str | None, key: bytes | None, path: str) -> bool:
        """Whether the file need not be written again: same inputs, same passphrase, and the file is unchanged.

        Without a ``key``, or if the record was made without one, the passphrase cannot be compared and does not match.
        """
        expected = _passphrase_hmac(json.loads(_canonical(inputs)), passphrase, key)
        return (
            self.matches_inputs(inputs)
            and bool(expected)
            and hmac.compare_digest(expected.encode(), self.passphrase_hmac.encode())
            and self.file is not None
            and self.file.matches(path)
        )

    @classmethod
    def load(cls, path: str) -> Pkcs12Record | None:
        """Read a record; None if there is none.

        :raises StoreError: it is damaged.
        """
        remedy = "remove it and the next run writes the PKCS#12 again"
        return fs_document.load(path, cls._read, what="The record of a PKCS#12 file", remedy=remedy)

    def save(self, path: str) -> None:
        """Write the record, 0600; raises as :func:`atomic.write_atomic`."""
        fields = {
            "inputs": dict(self.inputs),
            "passphrase_hmac": self.passphrase_hmac,
            "file": self.file.fields() if self.file else {},
            "keys": list(self.keys),
        }
        atomic.write_atomic(path, fs_document.encode(fields))

    @classmethod
    def _read(cls, document: Document) -> Pkcs12Record:
        return cls(
            inputs=document.mapping("inputs"),
            passphrase_hmac=document.text("passphrase_hmac"),
            file=FileStat.read(document.mapping("file")),
            keys=document.texts("keys"),
        )


def _digest(path: str) -> str:
    return hashlib.sha256(atomic.read_optional(path) or b"").hexdigest()


def _canonical(inputs: t.Mapping[str, t.Any]) -> bytes:
    return json.dumps(dict(inputs), sort_keys=True, separators=(",", ":")).encode("ascii")


def _passphrase_hmac(inputs: t.Mapping[str, t.Any], passphrase: str | None, key: bytes | None) -> str:
    if key is None:
        return ""
    if len(key) < 16:
        raise StoreError("The key for the record of a PKCS#12 file is too short: 16 random octets are the least.")
    # with the inputs in it, the HMACs of two mailboxes with the same passphrase differ
    given = json.dumps({"inputs": inputs, "passphrase": passphrase}, sort_keys=True).encode("ascii")
    return hmac.new(key, b"mailcert.acme pkcs12 record\0" + given, hashlib.sha256).hexdigest()
