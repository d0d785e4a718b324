# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which host is this machine, and which URLs get a request."""

from __future__ import annotations

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._net import check_url, host_of, is_loopback, origin


@pytest.mark.parametrize(
    "url, words",
    [
        (None, "is no URL"),
        ("", "is no URL"),
        ("https://", "names no host"),
        ("https://h:0/", "names no host"),
        ("https://h:x/", "is no URL"),
        ("https://[::1/", "is no URL"),
        ("ftp://h/", "https://"),
        ("http://ca.test/", "https://"),
        ("http://localhost/", "explicit option"),
        ("http://127.0.0.1.evil.test/", "https"),
        ("https://u:p@h/", "user name or password"),
        ("https://h/a b", "characters"),
        ("https://h/\r\nX: y", "characters"),
        ("https://b\u00fccher.test/", "xn--"),
        ("https://h\\@evil/", "characters"),
        ("//h/x", "https://"),
    ],
)
def test_urls_that_are_refused(url, words):
    with pytest.raises(ValueError, match=words):
        check_url(url, allow_http_loopback=False)


def test_urls_that_are_taken():
    for url in ("https://h/%7e?x=1", "https://[::1]:99/", "HTTPS://H/"):
        assert check_url(url, allow_http_loopback=False) == url
    for url in ("http://localhost:1/", "http://127.8.9.1/", "http://[::1]/"):
        assert check_url(url, allow_http_loopback=True) == url
    with pytest.raises(ValueError):
        check_url("http://192.0.2.1/", allow_http_loopback=True)


def test_a_fragment_is_refused_where_it_is_not_wanted():
    assert check_url("https://h/#x", allow_http_loopback=False) == "https://h/#x"
    with pytest.raises(ValueError, match="fragment"):
        check_url("https://h/#x", allow_http_loopback=False, fragment=False)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "localhost.", "127.0.0.1", "127.8.9.1", "::1", "[::1]"])
def test_loopback(host):
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["", "localhost.evil.test", "127.0.0.1.evil.test", "192.0.2.1", "[::2]", "127.1", "::"]
)
def test_no_loopback(host):
    assert not is_loopback(host)


def test_an_origin_has_one_spelling():
    assert origin("HTTPS://Ca.Test/x") == origin("https://ca.test:443/y") == ("https", "ca.test", 443)
    assert origin("http://ca.test/") == ("http", "ca.test", 80)
    assert origin("https://ca.test:x/") == origin("https://[::1") == ("", "", 0)
    assert host_of("https://CA.test/directory") == "ca.test:443"
    assert host_of("https://[::1") == host_of("directory") == ""
