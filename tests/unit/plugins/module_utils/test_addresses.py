# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mail addresses: what is one, what is none, and when two are the same."""

from __future__ import annotations

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils import _address
from ansible_collections.mailcert.acme.plugins.module_utils._errors import AddressError
from ansible_collections.mailcert.acme.plugins.module_utils._libs.require import MISSING
from hypothesis import given, settings
from hypothesis import strategies as st

GOOD = {
    "alice@example.com": ("alice", "example.com"),
    "Alice@EXAMPLE.Com": ("Alice", "example.com"),
    "a.b+c-d_e=f@mail.example.com": ("a.b+c-d_e=f", "mail.example.com"),
    "o'neil@example.com": ("o'neil", "example.com"),
    "a@Bücher.example": ("a", "xn--bcher-kva.example"),
    "a@bücher.example": ("a", "xn--bcher-kva.example"),
    "a@xn--bcher-kva.example": ("a", "xn--bcher-kva.example"),
    "a@XN--BCHER-KVA.example": ("a", "xn--bcher-kva.example"),
    "a@faß.example": ("a", "xn--fa-hia.example"),
    "a@例え。テスト": ("a", "xn--r8jz45g.xn--zckzah"),
    "jürgen@example.com": ("jürgen", "example.com"),
    "l" * 64 + "@example.com": ("l" * 64, "example.com"),
}

BAD = {
    "": "local@domain",
    "alice": "local@domain",
    "@example.com": "local@domain",
    "alice@": "local@domain",
    "*@example.com": "wildcard",
    "a*b@example.com": "wildcard",
    "a@*.example.com": "wildcard",
    "Alice <alice@example.com>": "display name",
    "<alice@example.com>": "angle brackets",
    "alice@example.com (Alice)": "comment",
    '"al ice"@example.com': "space",
    '"alice"@example.com': "quoted",
    "al ice@example.com": "space",
    " alice@example.com": "space",
    "alice@example.com\n": "control",
    "al\0ice@example.com": "control",
    "al\x7fice@example.com": "control",
    "alice\u200b@example.com": "invisible",
    "alice\u202e@example.com": "invisible",
    "alice\ud800@example.com": "invisible",
    "alice@exa\u00admple.com": "invisible",
    "a@b@example.com": "more than one @",
    ".a@example.com": "local part",
    "a.@example.com": "local part",
    "a..b@example.com": "local part",
    "a,b@example.com": "local part",
    "a:b@example.com": "local part",
    "a@example.com.": "domain",
    "a@.example.com": "domain",
    "a@-x.example": "domain",
    "a@x-.example": "domain",
    "a@b,c.example": "domain",
    "a@under_score.example": "domain",
    "a@" + "x" * 64 + ".example": "domain",
    "a@localhost": "one label",
    "a@[192.0.2.1]": "IP address",
    "a@[IPv6:2001:db8::1]": "IP address",
    "a@192.0.2.1": "IP address",
    "a@xn--zzzz.example": "IDNA2008",
    "a@xn--.example": "domain",
    "a@☃️.example": "IDNA2008",
    "l" * 65 + "@example.com": "64 octets",
    "ü" * 33 + "@example.com": "64 octets",
    "a@" + "b." * 126 + "example": "254 octets",
    "a" * 100000: "254 octets",
}


@pytest.mark.parametrize("address", GOOD)
def test_an_address(address: str) -> None:
    parsed = _address.parse(address)
    assert (parsed.local, parsed.domain) == GOOD[address]
    assert parsed.ascii == str(parsed) == "@".join(GOOD[address])
    assert parsed.is_ascii == parsed.local.isascii()


@pytest.mark.parametrize("address", BAD)
def test_no_address_gives_one_sentence(address: str) -> None:
    with pytest.raises(AddressError) as caught:
        _address.parse(address)
    assert BAD[address] in caught.value.message
    assert caught.value.error_code == "invalid_address"
    assert caught.value.message.isprintable() and len(caught.value.message) < 400


@pytest.mark.parametrize("value", [None, 5, b"a@example.com", ["a@example.com"], {}])
def test_what_is_no_text(value: object) -> None:
    with pytest.raises(AddressError, match="is text, not"):
        _address.parse(value)  # type: ignore[arg-type]


def test_a_subclass_of_str_leaves_no_trace() -> None:
    class Tagged(str):
        pass

    parsed = _address.parse(Tagged("tagged@example.com"))
    assert type(parsed.local) is type(parsed.domain) is type(parsed.ascii) is str


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("a@example.com", "a@EXAMPLE.COM", True),
        ("a@bücher.example", "a@xn--bcher-kva.example", True),
        ("A@example.com", "a@example.com", False),
        ("a@example.com", "a@example.org", False),
        ("a+x@example.com", "a@example.com", False),
        ("jürgen@example.com", "jürgen@EXAMPLE.com", True),
        # the same to the eye, and other octets: nothing is normalized or folded (RFC 9598, section 5)
        ("j\u00fcrgen@example.com", "ju\u0308rgen@example.com", False),
        ("Jürgen@example.com", "jürgen@example.com", False),
        ("医生@xn--bcher-kva.example", "医生@bücher.example", True),
        ("no address", "no address", False),
        ("", "", False),
    ],
)
def test_same(a: str, b: str, expected: bool) -> None:
    for one, other in ((a, b), (b, a)):
        assert _address.same(one, other) is expected


def test_without_idna_ascii_still_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MISSING, "idna", "")
    _address._parse.cache_clear()
    try:
        assert str(_address.parse("a@XN--BCHER-kva.example")) == "a@xn--bcher-kva.example"
        with pytest.raises(AddressError, match="-m pip install 'idna"):
            _address.parse("a@bücher.example")
    finally:
        _address._parse.cache_clear()


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.text(max_size=40), st.from_regex(r"[^@]{1,8}@[^@]{1,20}", fullmatch=True)))
def test_any_text_is_an_address_or_refused(text: str) -> None:
    try:
        parsed = _address.parse(text)
    except AddressError as error:
        assert error.message.isprintable()
        return
    assert _address.parse(parsed.ascii) == parsed
    assert parsed.domain.isascii() and parsed.domain == parsed.domain.lower()
    assert _address.same(text, parsed.ascii)
