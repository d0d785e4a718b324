# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificate of an order and the chains that the CA offers for it (RFC 8555, section 7.4.2)."""

from __future__ import annotations

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._acme import certificate
from ansible_collections.mailcert.acme.plugins.module_utils._acme import order as orders
from ansible_collections.mailcert.acme.plugins.module_utils._errors import NotAcmeError, OrderError

PEM = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"


@pytest.fixture
def order(ca, client):
    def make(status):
        return orders.Order(
            url=ca.url("/order/1"),
            status=status,
            identifiers=(),
            authorization_urls=(),
            finalize_url=ca.url("/order/1/finalize"),
            certificate_url=ca.url("/cert/1") if status == "valid" else "",
        )

    return make


def test_download(ca, client, order, tools):
    ca.on("/cert/1", tools.Reply(200, PEM, {"Content-Type": certificate.PEM_CHAIN}))
    assert certificate.download(client, order("valid")) == certificate.Download(PEM)
    assert ca.requests[-1].headers["Accept"] == certificate.PEM_CHAIN and ca.requests[-1].jws(client.key)[1] is None
    ca.on("/cert/1", tools.Reply(200, b"\x30\x82"))
    with pytest.raises(NotAcmeError, match="no certificate in PEM form"):
        certificate.download(client, order("valid"))
    with pytest.raises(OrderError, match="is ready and has no certificate yet"):
        certificate.download(client, order("ready"))


def test_alternates_are_told_and_fetched_only_when_asked_for(ca, client, order, tools):
    links = ['</cert/2>;rel="alternate"', f"<{ca.url('/cert/3')}>; rel=alternate; title=x, </up>;rel=up", "nonsense"]
    ca.on("/cert/1", tools.Reply(200, PEM, {"Link": links}))
    ca.on("/cert/2", tools.Reply(200, PEM + b"2"))
    found = certificate.download(client, order("valid"))
    assert found.alternates == (ca.url("/cert/2"), ca.url("/cert/3"))
    assert ca.seen("/cert/2") == []
    assert certificate.alternate(client, found.alternates[0]) == PEM + b"2"
    assert ca.requests[-1].headers["Accept"] == certificate.PEM_CHAIN


@pytest.mark.parametrize("url", ["ftp://x", "http://ca.test/", ""])
def test_an_alternate_that_leads_elsewhere_is_not_fetched(ca, client, url):
    with pytest.raises(NotAcmeError, match="an alternate chain"):
        certificate.alternate(client, url)


def test_no_more_alternates_than_any_ca_has(ca, client, order, tools):
    links = [f'</cert/{number}>;rel="alternate"' for number in range(2, 500)]
    ca.on("/cert/1", tools.Reply(200, PEM, {"Link": ", ".join(links[:300])}))
    assert len(certificate.download(client, order("valid")).alternates) == certificate.MOST_ALTERNATES
