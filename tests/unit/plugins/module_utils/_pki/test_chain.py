# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import itertools
import typing as t

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._errors import CertificateError
from ansible_collections.mailcert.acme.plugins.module_utils._pki import certificate
from ansible_collections.mailcert.acme.plugins.module_utils._pki import chain as chains
from ansible_collections.mailcert.acme.tests.helpers.pki_objects import Ca, assert_one_sentence


@pytest.fixture(scope="module")
def leaf(intermediate: Ca, ec_key: t.Any) -> certificate.Certificate:
    return intermediate.issue(ec_key)


def test_any_order_becomes_leaf_first(root: Ca, intermediate: Ca, leaf: t.Any) -> None:
    right = [leaf, intermediate.certificate, root.certificate]
    for mixed in itertools.permutations(right):
        assert chains.order_chain(mixed) == right
    assert chains.order_chain([root.certificate, leaf, leaf, intermediate.certificate]) == right
    assert chains.order_chain([intermediate.certificate, leaf]) == right[:2]
    assert chains.order_chain([leaf]) == [leaf]


def test_what_is_not_on_the_way_is_left_out(root: Ca, intermediate: Ca, leaf: t.Any) -> None:
    stranger = Ca("Stranger")
    right = [leaf, intermediate.certificate, root.certificate]
    assert chains.order_chain([stranger.certificate, *right]) == right
    # same name as the intermediate, another key: it did not sign
    twin = Ca("Test intermediate", root)
    assert chains.order_chain([twin.certificate, *right]) == right


def test_cross_signed(root: Ca, intermediate: Ca, leaf: t.Any) -> None:
    other_root = Ca("Other root")
    cross = Ca("Test root", other_root, key=root.key)
    one_way = [leaf, intermediate.certificate, root.certificate]
    other_way = [leaf, intermediate.certificate, cross.certificate, other_root.certificate]
    assert chains.order_chain([*one_way, *other_way]) == one_way
    assert chains.order_chain([*other_way, root.certificate]) == other_way
    for way in (one_way, other_way):
        chains.verify_chain_links(way[0], way[1:])


def test_no_single_leaf(intermediate: Ca, leaf: t.Any, rsa_key: t.Any) -> None:
    other = intermediate.issue(rsa_key)
    with pytest.raises(CertificateError, match="2 certificates that could be the leaf") as caught:
        chains.order_chain([leaf, other, intermediate.certificate])
    assert_one_sentence(caught.value)
    with pytest.raises(CertificateError, match="0 certificates"):
        chains.order_chain([])


def test_links_hold(root: Ca, intermediate: Ca, leaf: t.Any, openssl: t.Any, write: t.Any) -> None:
    chains.verify_chain_links(leaf, [])
    chains.verify_chain_links(leaf, [intermediate.certificate])
    chains.verify_chain_links(leaf, [intermediate.certificate, root.certificate])
    openssl(
        *("verify", "-purpose", "smimesign", "-attime", "1780315200", "-CAfile", write("root", root.certificate.pem)),
        *("-untrusted", write("chain", intermediate.certificate.pem), write("leaf", leaf.pem)),
    )


def test_links_broken(root: Ca, intermediate: Ca, leaf: t.Any, rsa_key: t.Any) -> None:
    broken: list[tuple[list[t.Any], str]] = [
        ([root.certificate], "'CN=Test root' did not sign 'user@example.com'"),
        ([root.certificate, intermediate.certificate], "'CN=Test root' did not sign"),
        ([intermediate.certificate, intermediate.certificate], "did not sign 'CN=Test intermediate'"),
        ([Ca("Test intermediate", root).certificate], "'CN=Test intermediate' did not sign"),
        ([intermediate.issue(rsa_key)], "is no CA certificate, but is the issuer of another"),
        ([leaf, intermediate.certificate], "is no CA certificate"),
    ]
    for chain, words in broken:
        with pytest.raises(CertificateError, match=words) as caught:
            chains.verify_chain_links(leaf, chain)
        assert_one_sentence(caught.value)
