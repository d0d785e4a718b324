# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Former addresses of a mailbox: their keys decrypt its old mail, so its PKCS#12 has them (rule 22)."""

from __future__ import annotations

from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError
from ansible_collections.mailcert.acme.plugins.module_utils._pki import certificate as pki_certificate
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs import atomic
from ansible_collections.mailcert.acme.plugins.module_utils._store.tree import layout, lineage, record

from .address_index import AddressIndex
from .desired import DesiredState


def check(desired: DesiredState, index: AddressIndex) -> None:
    """Refuse a former address that another mailbox names: only one mailbox gets the private keys of an address.

    :raises InputError: names the other mailbox.
    """
    for address in desired.former_addresses:
        others = index.others(address, desired)
        if others:
            raise InputError(
                f"smime_former_addresses: {address} is named by the mailbox {others[0]} too, and the private keys of an"
                " address go to one mailbox only; remove it from one of the two."
            )


def pairs(store: layout.Store, desired: DesiredState) -> list[lineage.Version]:
    """The versions of former addresses with keys that decrypt mail, by address, newest first."""
    if desired.usage == "sign":
        return []
    usages = [layout.line_name(usage, desired.staging) for usage in ("dual", "encrypt")]
    found: list[lineage.Version] = []
    for address in desired.former_addresses:
        folder = store.mailbox(address)
        for name in usages:
            found += [version for version in reversed(folder.line(name).versions()) if version.has_pair()]
    return found


def unknown(store: layout.Store, desired: DesiredState) -> list[str]:
    """The former addresses without a mailbox in the store."""
    return [address for address in desired.former_addresses if not store.mailbox(address).exists()]


def missing(store: layout.Store, desired: DesiredState, line: lineage.Line) -> str:
    """The missing keys of former addresses in the PKCS#12, for people; empty if there are none."""
    if not desired.pkcs12:
        return ""
    old = pairs(store, desired)
    if not old:
        return ""
    made = record.Pkcs12Record.load(line.pkcs12_record)
    for version in old:
        data = atomic.read_file(version.certificate, what="certificate")
        certificate = pki_certificate.load_certificate(data, source=version.certificate)
        if made is None or certificate.public_fingerprint not in made.keys:
            return f"the PKCS#12 lacks the key of {version.folder}, a former address"
    return ""
