# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must be true in the end, wherever runs were killed (invariants 1 and 2; rules 11, 15, 16 and 34)."""

from __future__ import annotations

import collections
import datetime
import hashlib
import json
import os
import pathlib
import re
import stat
import typing as t

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12

# all that a store may hold (docs/store.md) once all runs have ended well: what is not named here was left behind
_HASH, _ADDRESS, _LINE = "[0-9a-f]{16,64}", "[^/@]+%40[^/@]+", "mailboxes/[^/@]+%40[^/@]+/dual"
_KNOWN = re.compile(
    "|".join(
        (
            r"store\.json|secret|keys|locks|replies|accounts|mailboxes",
            r"locks/.+",
            rf"keys/[0-9a-f]{{2}}(/{_HASH})?",
            r"accounts/[^/]+(/renewal\.json|/throttle(/throttle\.json|/orders\.json|/[^/]*\.?lock)?)?",
            rf"accounts/[^/]+/default(/account\.json|/account\.key(\.{_HASH})?|/attempts\.json|/\.(account|orders)\.lock)?",
            rf"replies/{_ADDRESS}(/{_HASH}\.json|/turns(/{_HASH}(\.json)?)?|(/turns)?/[^/]*\.?lock)?",
            rf"mailboxes/{_ADDRESS}(/address)?",
            rf"{_LINE}(/current|/lock|/renewal\.json|/identity\.(p12|json))?",
            rf"{_LINE}/identity\.p12\.[^/]+\.bak",
            # of a run that failed, where the one that came to the end was killed between the switch and its removal: it
            # holds no one whose certificate is not due, and the next order takes it away
            rf"{_LINE}/attempts\.json",
            rf"{_LINE}/\d{{4}}(/(privkey|cert|chain|fullchain)\.pem|/request\.csr|/(record|journal)\.json|/(journal\.json|privkey\.pem)\.lock)?",
        )
    )
)


class OutcomeCheck:
    """What the CA and the mail server saw, asked once, and what is in a store.

    :arg lab: the lab, after all runs.
    """

    def __init__(self, lab: t.Any) -> None:
        self.certificates: dict[str, list[x509.Certificate]] = collections.defaultdict(list)
        # serial numbers
        self.revoked: set[int] = set()
        for item in lab.certificates():
            certificate = x509.load_pem_x509_certificates(item["pem"].encode())[0]
            for address in item["addresses"]:
                self.certificates[address].append(certificate)
            if item["revoked"]:
                self.revoked.add(certificate.serial_number)
        self.orders: collections.Counter[str] = collections.Counter()
        for event in lab.log("order"):
            self.orders.update(event["addresses"])
        self._replies = lab.replies()

    def complaints_of_replies(self) -> list[str]:
        """Challenge mails that got more than one reply."""
        seen = collections.Counter(reply["in_reply_to"] for reply in self._replies)
        return [f"{message_id} was answered {count} times" for message_id, count in seen.items() if count > 1]

    def complaints(
        self,
        store: pathlib.Path,
        address: str,
        *,
        passphrase: str,
        most_orders: int,
        curve: str = "",
        revoked: bool = False,
    ) -> list[str]:
        """What is not as it must be of one mailbox.

        :arg most_orders: how many the CA may have seen.
        :arg curve: of the key that is wished for, so that a renewal that never came is told; empty for any.
        :arg revoked: whether the certificate must be revoked.
        """
        line = store / "mailboxes" / address.replace("@", "%40") / "dual"
        found = list(self._complaints_of_pair(line, address, passphrase, curve, revoked))
        keys = {
            _fingerprint(_private_key(path).public_key())
            for path in line.glob("*/privkey.pem")
            if not path.parent.is_symlink()
        }
        for certificate in self.certificates[address]:
            if _fingerprint(certificate.public_key()) not in keys:
                found.append(f"the key of certificate {certificate.serial_number:x} is lost")
        if self.orders[address] > most_orders:
            found.append(f"{self.orders[address]} orders, {most_orders} are the most")
        return [f"{address}: {sentence}" for sentence in found]

    def _complaints_of_pair(
        self, line: pathlib.Path, address: str, passphrase: str, curve: str, revoked: bool
    ) -> t.Iterator[str]:
        current = line / "current"
        if not current.is_symlink() or not (current / "cert.pem").is_file():
            yield "there is no certificate"
            return
        certificate = x509.load_pem_x509_certificate((current / "cert.pem").read_bytes())
        key = _private_key(current / "privkey.pem")
        if _fingerprint(key.public_key()) != _fingerprint(certificate.public_key()):
            yield "key and certificate do not match"
        if curve and getattr(getattr(key, "curve", None), "name", "") != curve:
            yield f"the key is not of {curve}"
        if certificate not in self.certificates[address]:
            yield "the CA knows nothing of the certificate"
        if revoked != (certificate.serial_number in self.revoked):
            yield "the certificate is not revoked" if revoked else "the certificate is revoked"
        now = datetime.datetime.now(datetime.timezone.utc)
        if not certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc:
            yield "the certificate is not valid now"
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        if names.get_values_for_type(x509.RFC822Name) != [address]:
            yield "the certificate is another address's"
        missing = [
            name
            for name in ("chain.pem", "fullchain.pem", "record.json", "request.csr")
            if not (current / name).is_file()
        ]
        yield from (f"{name} is missing" for name in missing)
        if not missing:
            yield from _complaints_of_chain(current, certificate)
        yield from _complaints_of_versions(line)
        try:
            opened = pkcs12.load_key_and_certificates((line / "identity.p12").read_bytes(), passphrase.encode())
        except (OSError, ValueError) as error:
            yield f"identity.p12 cannot be opened: {error}"
            return
        if opened[1] != certificate or opened[0] is None:
            yield "identity.p12 holds another certificate"
        elif _fingerprint(opened[0].public_key()) != _fingerprint(key.public_key()):
            yield "identity.p12 holds another key"


def complaints_of_files(store: pathlib.Path) -> list[str]:
    """Files that have no place in a store, above all temporary ones, and files that others may use."""
    found = []
    for folder, folders, files in os.walk(store):
        for name in [*folders, *files]:
            path = pathlib.Path(folder, name)
            if not _KNOWN.fullmatch(path.relative_to(store).as_posix()):
                found.append(f"{path} is left")
            elif not path.is_symlink() and stat.S_IMODE(path.stat().st_mode) & 0o077:
                found.append(f"others may use {path}")
    return found


def _complaints_of_chain(current: pathlib.Path, certificate: x509.Certificate) -> t.Iterator[str]:
    chain = x509.load_pem_x509_certificates((current / "chain.pem").read_bytes())
    if x509.load_pem_x509_certificates((current / "fullchain.pem").read_bytes()) != [certificate, *chain]:
        yield "fullchain.pem is not the certificate and its chain"
    try:
        certificate.verify_directly_issued_by(chain[0])
    except (InvalidSignature, ValueError, TypeError):
        yield "chain.pem is another certificate's"


def _complaints_of_versions(line: pathlib.Path) -> t.Iterator[str]:
    """Nothing is in the making any more."""
    versions = sorted(path for path in line.iterdir() if path.name.isdigit())
    if (line / "current").readlink().name != versions[-1].name:
        yield f"{versions[-1].name} never came to be in use"
    for version in versions:
        journal = version / "journal.json"
        state = json.loads(journal.read_bytes())["state"] if journal.is_file() else "missing"
        # a run that is killed between the switch and the end of its journal leaves it so, and nothing has to be done
        if state not in ("closed", "issued"):
            yield f"the journal of {version.name} is {state}"


def _private_key(path: pathlib.Path) -> t.Any:
    return serialization.load_pem_private_key(path.read_bytes(), None)


def _fingerprint(key: t.Any) -> str:
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()
