# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The header block of a mail, split into instances in the one way in which all programs agree.

Programs differ where a mail breaks the format: a bare CR or LF, NUL, a blank before the colon, a line of blanks only,
an mbox line. The signer, the verifier and the reader may then see three different mails. So a mail that is not plain
RFC 5322, section 2.2 is refused here first, and all other code takes the values from here.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from ansible_collections.mailcert.acme.plugins.module_utils import _address
from ansible_collections.mailcert.acme.plugins.module_utils._errors import AddressError
from ansible_collections.mailcert.acme.plugins.module_utils._text import quote

from .refusal import Refusal

# A challenge mail is a few kilobytes; the limits leave room for HTML bodies and for what mail filters add.
MAX_MESSAGE = 256 * 1024
MAX_HEADER_BLOCK = 128 * 1024
MAX_INSTANCES = 500
MAX_LINES = 2000
MAX_LINE = 16 * 1024
MAX_ADDRESS_HEADER = 2000

# field-name of RFC 5322, section 3.6.8, and the colon at once after it
_FIELD = re.compile(rb"([\x21-\x39\x3b-\x7e]{1,200}):")
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
# CR and LF occur only together, also in a body (RFC 5322, section 2.3); dkimpy, for one, reads a bare LF as a line end
_BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n")

_ATEXT = r"A-Za-z0-9!#$%&'*+/=?^_`{|}~\-\u0080-\U0010ffff"
_ADDR_SPEC = rf"[{_ATEXT}]+(?:\.[{_ATEXT}]+)*@[A-Za-z0-9.\-\u0080-\U0010ffff]+"
# One mailbox (RFC 5322, section 3.4) without comments and groups; of obsolete syntax, only dots inside the display name
_MAILBOX = re.compile(
    rf'(?:(?!\.)(?:"(?:[^"\\]|\\.)*"|[{_ATEXT}. \t])*<(?P<angle>{_ADDR_SPEC})>|(?P<bare>{_ADDR_SPEC}))', re.DOTALL
)


@dataclass(frozen=True)
class Instance:
    """One header as it is in the mail.

    :ivar name: in lower case.
    :ivar value: all after the colon, folds included, without the CRLF that ends it.
    """

    name: str
    value: bytes

    @property
    def text(self) -> str:
        """The value unfolded (RFC 5322, section 2.2.3), without blanks around it.

        :raises Refusal: where it is not UTF-8 (RFC 6532, section 3.1).
        """
        try:
            return self.value.replace(b"\r\n", b"").decode("utf-8").strip(" \t")
        except UnicodeDecodeError:
            raise Refusal("malformed", f"The header {self.name} holds bytes that are not UTF-8.") from None


@dataclass(frozen=True)
class Message:
    """A mail in parts.

    :ivar raw: the whole mail, with CRLF line ends in its header block; the octets to verify.
    :ivar headers: all instances, from top to bottom.
    :ivar body: all after the empty line.
    """

    raw: bytes
    headers: tuple[Instance, ...]
    body: bytes

    def all(self, name: str) -> list[Instance]:
        """The instances of a header (*name* in lower case), from top to bottom."""
        return [instance for instance in self.headers if instance.name == name]


def split(raw: bytes) -> Message:
    """Split a mail into its headers and its body.

    :raises Refusal: ``too_large`` or ``malformed``.
    """
    if len(raw) > MAX_MESSAGE:
        raise Refusal("too_large", f"The mail has {len(raw)} bytes; a challenge has at most {MAX_MESSAGE}.")
    if b"\r" not in raw:
        # files keep mails with LF as the only line end; mixed line ends are refused below
        raw = raw.replace(b"\n", b"\r\n")
    end = raw.find(b"\r\n\r\n")
    if end < 0:
        raise Refusal("malformed", "The mail has no empty line that ends its headers.")
    if end > MAX_HEADER_BLOCK:
        raise Refusal("too_large", f"The headers have {end} bytes; at most {MAX_HEADER_BLOCK} are read.")
    lines = raw[:end].split(b"\r\n")
    if len(lines) > MAX_LINES:
        raise Refusal("too_large", f"The headers have {len(lines)} lines; at most {MAX_LINES} are read.")
    headers = tuple(_instances(lines))
    if _BARE.search(raw, end):
        raise Refusal("malformed", "The body holds a bare CR or LF.")
    if len(headers) > MAX_INSTANCES:
        raise Refusal("too_large", f"The mail has {len(headers)} headers; at most {MAX_INSTANCES} are read.")
    return Message(raw=raw, headers=headers, body=raw[end + 4 :])


def one_address(instance: Instance) -> str:
    """The one address of a From, To or Reply-To header, ``local@domain`` with the domain in A-labels.

    :raises Refusal: ``address_syntax`` for none, several, a group, a comment, or what is no address.
    """
    text = instance.text
    match = _MAILBOX.fullmatch(text) if len(text) <= MAX_ADDRESS_HEADER else None
    address = match["angle"] or match["bare"] if match else ""
    # "=?": a program that decodes encoded words would see another address
    if not address or "=?" in address:
        raise Refusal("address_syntax", f"The header {instance.name} is not one plain address: {quote(text)}.")
    try:
        return str(_address.parse(address))
    except AddressError as error:
        raise Refusal("address_syntax", f"The header {instance.name} holds no address: {error.message}") from None


def is_for_another(top: bytes, recipient: str) -> bool:
    """Whether a header block shows that the mail is for another recipient. In doubt the mail is read and checked."""
    try:
        wanted = split(top.rstrip(b"\r\n") + b"\r\n\r\n").all("to")
        return len(wanted) == 1 and not _address.same(one_address(wanted[0]), recipient)
    except Refusal:
        return False


def _instances(lines: list[bytes]) -> t.Iterator[Instance]:
    started: list[bytes] = []
    for line in lines:
        _check_line(line)
        if line[:1] in (b" ", b"\t"):
            if not started:
                raise Refusal("malformed", "The first header line is a continuation of nothing.")
            started.append(line)
            continue
        if started:
            yield _instance(started)
        started = [line]
    yield _instance(started)


def _check_line(line: bytes) -> None:
    if len(line) > MAX_LINE:
        raise Refusal("too_large", f"A header line has {len(line)} bytes; at most {MAX_LINE} are read.")
    if _CONTROL.search(line):
        raise Refusal("malformed", f"A header line holds a control character: {quote(line)}.")
    if not line.strip(b" \t"):
        # obsolete folding: some programs read such a line as the end of the headers
        raise Refusal("malformed", "A header line has only blanks.")


def _instance(lines: list[bytes]) -> Instance:
    match = _FIELD.match(lines[0])
    if match is None:
        raise Refusal("malformed", f"A header line has no field name: {quote(lines[0])}.")
    value = b"\r\n".join([lines[0][match.end() :], *lines[1:]])
    return Instance(name=match[1].decode("ascii").lower(), value=value)
