# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mail addresses as names of a subjectAltName: rfc822Name, or SmtpUTF8Mailbox (RFC 9598, section 3).

An address whose local part is ASCII is always an rfc822Name; any other is an otherName of the type
id-on-SmtpUTF8Mailbox. Both have the domain in lower-case A-labels, and the local part exactly as in the mail system: it
must not be normalized or folded, and names are compared octet for octet (section 5).
"""

from __future__ import annotations

import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._address import Address
from ansible_collections.mailcert.acme.plugins.module_utils._libs.asn1crypto import core
from ansible_collections.mailcert.acme.plugins.module_utils._libs.cryptography import x509

if t.TYPE_CHECKING:
    from cryptography.x509 import GeneralName, OtherName

#: id-on-SmtpUTF8Mailbox
SMTP_UTF8_MAILBOX = "1.3.6.1.5.5.7.8.9"


def general_name(address: Address) -> GeneralName:
    """The name of a subjectAltName for this address."""
    if address.is_ascii:
        return x509.RFC822Name(address.ascii)
    return x509.OtherName(x509.ObjectIdentifier(SMTP_UTF8_MAILBOX), core.UTF8String(address.ascii).dump())


def address_of(name: GeneralName) -> str | None:
    """The address in a name, unchanged; None for a name without one.

    A SmtpUTF8Mailbox that is no UTF8String, or whose local part is ASCII, is not accepted: software that does not know
    this form would not find the address, so section 3 forbids it.
    """
    if isinstance(name, x509.RFC822Name):
        return name.value
    if isinstance(name, x509.OtherName) and name.type_id.dotted_string == SMTP_UTF8_MAILBOX:
        text = _text_of(name)
        return None if text is None or text.rpartition("@")[0].isascii() else text
    return None


def _text_of(name: OtherName) -> str | None:
    try:
        return t.cast(str, core.UTF8String.load(name.value, strict=True).native)
    except ValueError:
        return None
