# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must be true in the end, wherever runs were killed (DESIGN 3; RULES 11, 15, 16 and 34)."""

from __future__ import annotations

import collections
import datetime
import hashlib
import os
import pathlib
import stat
import typing as t

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12

from ansible_collections.mailcert.acme.plugins.module_utils._store import leftovers


# a run that is killed before it has noted when it may ask again cannot know it
ASKED_EARLY = "ari_early"


def assert_clean(lab: t.Any, *, unnoted: int) -> None:
    """The lab counted no violations, but for renewal information that had to be asked for once more.

    :arg unnoted: how often that may have been.
    """
    found = [violation["kind"] for violation in lab.violations()]
    early = found.count(ASKED_EARLY)
    assert len(found) == early <= unnoted, lab.violations()


class Judge:
    """What the CA and the mail server saw, asked once, and what is in a store.

    :arg lab: the lab, after all runs.
    """

    def __init__(self, lab: t.Any) -> None:
        self.certificates: dict[str, list[x509.Certificate]] = collections.defaultdict(list)
        for item in lab.certificates():
            for address in item["addresses"]:
                self.certificates[address].append(x509.load_pem_x509_certificates(item["pem"].encode())[0])
        self.orders: collections.Counter[str] = collections.Counter()
        for event in lab.log("order"):
            self.orders.update(event["addresses"])
        self._replies = lab.replies()

    def complaints_of_replies(self) -> list[str]:
        """Challenge mails that got more than one reply."""
        seen = collections.Counter(reply["in_reply_to"] for reply in self._replies)
        return [f"{message_id} was answered {count} times" for message_id, count in seen.items() if count > 1]

    def complaints(
        self, store: pathlib.Path, address: str, *, passphrase: str, most_orders: int, usage: str = "dual"
    ) -> list[str]:
        """What is not as it must be of one mailbox.

        :arg most_orders: how many the CA may have seen.
        """
        line = store / "mailboxes" / address.replace("@", "%40") / usage
        found = list(_complaints_of_pair(line, address, passphrase))
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


def complaints_of_files(store: pathlib.Path) -> list[str]:
    """Temporary files that are left, and files that others may use."""
    found = []
    for folder, folders, files in os.walk(store):
        for name in [*folders, *files]:
            path = pathlib.Path(folder, name)
            if leftovers.is_temporary(name):
                found.append(f"{path} is left")
            elif not path.is_symlink() and stat.S_IMODE(path.stat().st_mode) & 0o077:
                found.append(f"others may use {path}")
    return found


def _complaints_of_pair(line: pathlib.Path, address: str, passphrase: str) -> t.Iterator[str]:
    current = line / "current"
    if not current.is_symlink() or not (current / "cert.pem").is_file():
        yield "there is no certificate"
        return
    certificate = x509.load_pem_x509_certificate((current / "cert.pem").read_bytes())
    key = _private_key(current / "privkey.pem")
    if _fingerprint(key.public_key()) != _fingerprint(certificate.public_key()):
        yield "key and certificate do not match"
    now = datetime.datetime.now(datetime.timezone.utc)
    if not certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc:
        yield "the certificate is not valid now"
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    if names.get_values_for_type(x509.RFC822Name) != [address]:
        yield "the certificate is another address's"
    for name in ("chain.pem", "fullchain.pem", "record.json", "request.csr"):
        if not (current / name).is_file():
            yield f"{name} is missing"
    try:
        opened = pkcs12.load_key_and_certificates((line / "identity.p12").read_bytes(), passphrase.encode())
    except (OSError, ValueError) as error:
        yield f"identity.p12 cannot be opened: {error}"
        return
    if opened[1] != certificate or opened[0] is None:
        yield "identity.p12 holds another certificate"


def _private_key(path: pathlib.Path) -> t.Any:
    return serialization.load_pem_private_key(path.read_bytes(), None)


def _fingerprint(key: t.Any) -> str:
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()
