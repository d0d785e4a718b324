# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mail addresses: what this chain certifies, and when two of them are the same.

An address here is a Mailbox (RFC 5321, section 4.1.2) without quotes: no display name, no comment, no angle brackets.
The domain is kept as lower-case A-labels, the form that certificates and comparisons use (RFC 5280, section 7.5;
RFC 9598, section 5). Orders use the same form: RFC 8823, section 3 allows U-labels, but the CA compares the order with
the request, and some CAs compare the text. The local part is kept as given, octet for octet: its case can matter
(RFC 5321, section 2.4), and RFC 9598, section 5 forbids to normalize it.
"""

from __future__ import annotations

import functools
import re
import sys
import unicodedata
from dataclasses import dataclass

from ansible_collections.mailcert.acme.plugins.module_utils._errors import AddressError
from ansible_collections.mailcert.acme.plugins.module_utils._libs.idna import idna
from ansible_collections.mailcert.acme.plugins.module_utils._libs.require import REQUIREMENTS, is_missing
from ansible_collections.mailcert.acme.plugins.module_utils._text import quote

# RFC 5321, section 4.5.3.1: octets of the local part; a path has 256 octets, 254 of them between its angle brackets
MAX_LOCAL = 64
MAX_ADDRESS = 254

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})+", re.ASCII)
_DOT_STRING = re.compile(r"[A-Za-z0-9!#$%&'+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'+/=?^_`{|}~-]+)*", re.ASCII)
# controls, format characters (bidi marks, zero-width joiners), surrogates, unassigned ones, and every kind of space
_REFUSED_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zs", "Zl", "Zp"})


@dataclass(frozen=True, order=True)
class Address:
    """A mail address.

    :ivar local: the local part as given; not ASCII where :attr:`is_ascii` is false.
    :ivar domain: lower-case A-labels, at least two of them, without a final dot.
    """

    local: str
    domain: str

    @property
    def ascii(self) -> str:
        """``local@domain``, the domain in A-labels; all of it is ASCII where :attr:`is_ascii` is true."""
        return f"{self.local}@{self.domain}"

    @property
    def is_ascii(self) -> bool:
        """Whether an rfc822Name can hold it; if not, only a SmtpUTF8Mailbox can (RFC 9598, section 3)."""
        return self.local.isascii()

    def __str__(self) -> str:
        return self.ascii


def parse(address: str) -> Address:
    """Read one mail address.

    :arg address: ``local@domain``; the domain as U-labels or A-labels in any case.
    :raises AddressError: with one sentence, for whatever is no such address. What was given is shown escaped.
    """
    if not isinstance(address, str):
        raise AddressError(f"A mail address is text, not {type(address).__name__}.")
    # a plain string, so that no mark of Ansible's (tags, unsafe) is kept in the cache
    return _parse(str.__str__(address))


def same(a: str, b: str) -> bool:
    """Whether two addresses name the same mailbox: local parts equal, case included; domains equal as A-labels.

    A text that is no address equals nothing, not even itself.
    """
    try:
        return parse(a) == parse(b)
    except AddressError:
        return False


@functools.lru_cache(maxsize=16384)
def _parse(address: str) -> Address:
    _check_characters(address)
    local, at, domain = address.rpartition("@")
    if not at or not local or not domain:
        raise _refused(address, "is no mail address: it needs the form local@domain")
    if local.startswith('"') or local.endswith('"'):
        raise _refused(address, "has a quoted local part, which cannot be certified; use an address without quotes")
    if "*" in address:
        raise _refused(address, "is a wildcard; a certificate names single addresses, so list each of them")
    if "@" in local:
        raise _refused(address, "has more than one @; give one address each")
    if len(local.encode("utf-8")) > MAX_LOCAL:
        raise _refused(address, f"has a local part of more than {MAX_LOCAL} octets (RFC 5321, section 4.5.3.1.1)")
    # an atom may hold characters that are not ASCII, in addition to atext (RFC 6531, section 3.3)
    if not _DOT_STRING.fullmatch("".join(c if c.isascii() else "x" for c in local)):
        raise _refused(address, "is no mail address: its local part has a character or a dot that is not allowed there")
    parsed = Address(local=local, domain=_domain(address, domain))
    if len(parsed.ascii.encode("utf-8")) > MAX_ADDRESS:
        raise _refused(address, f"is longer than {MAX_ADDRESS} octets (RFC 5321, section 4.5.3.1.3)")
    return parsed


def _check_characters(address: str) -> None:
    if len(address) > MAX_ADDRESS:
        raise _refused(address, f"is longer than {MAX_ADDRESS} octets (RFC 5321, section 4.5.3.1.3)")
    if address.startswith("<") or address.endswith(">") or "(" in address:
        raise _refused(address, "has a display name, a comment or angle brackets; give the bare address, local@domain")
    if address.isascii() and address.isprintable() and " " not in address:
        return
    for char in address:
        if unicodedata.category(char) in _REFUSED_CATEGORIES:
            raise _refused(address, "holds a space, a control character or an invisible character")


def _domain(address: str, domain: str) -> str:
    if domain.startswith("["):
        raise _refused(address, "has an IP address for its domain; a certificate needs a domain name")
    a_labels = domain.lower() if domain.isascii() else _to_a_labels(address, domain)
    if not _DOMAIN.fullmatch(a_labels) or len(a_labels) > 253:
        if "." not in a_labels:
            raise _refused(address, "has a domain of one label; give a fully qualified one, such as example.com")
        raise _refused(address, "is no mail address: its domain is no domain name")
    if a_labels.rpartition(".")[2].isdigit():
        raise _refused(address, "has an IP address for its domain; a certificate needs a domain name")
    if "xn--" in a_labels and not is_missing("idna"):
        _check_a_labels(address, a_labels)
    return a_labels


def _to_a_labels(address: str, domain: str) -> str:
    if is_missing("idna"):
        raise AddressError(
            f"The mail address {quote(address, limit=80)} has a domain that is not ASCII, and the Python library idna"
            f" is not installed for {sys.executable}. Give the domain as A-labels (xn--...), or install it: "
            f"{sys.executable} -m pip install '{REQUIREMENTS['idna']}'"
        )
    try:
        # upper case and compatibility forms are mapped as for what a user types (RFC 5895), then IDNA2008 judges
        return idna.encode(domain, uts46=True).decode("ascii").lower()
    except (UnicodeError, ValueError, IndexError):  # idna raises these three for bad input
        raise _refused(address, "has an internationalised domain that IDNA2008 does not allow") from None


def _check_a_labels(address: str, domain: str) -> None:
    """Refuse A-labels that decode to nothing, so that one domain has one form."""
    for label in domain.split("."):
        if label.startswith("xn--"):
            try:
                valid = idna.alabel(idna.ulabel(label)).decode("ascii") == label
            except (UnicodeError, ValueError, IndexError):
                valid = False
            if not valid:
                raise _refused(address, "has an internationalised domain that IDNA2008 does not allow")


def _refused(address: str, why: str) -> AddressError:
    return AddressError(f"The mail address {quote(address, limit=80)} {why}.")
