# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Criteria for a chain, as community.crypto takes them."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError
from ansible_collections.mailcert.acme.plugins.module_utils._pki import select_chain
from ansible_collections.mailcert.acme.tests.helpers.pki_objects import Ca, assert_one_sentence
from cryptography import x509


def criterion(**value: t.Any) -> select_chain.Criterion:
    (read,) = select_chain.read_criteria([value])
    return read


@pytest.fixture(scope="module")
def issuers() -> list[t.Any]:
    """Two of a chain: the nearer one signed by the further one, whose root is not there."""
    root = Ca("Root")
    upper = Ca("Upper", root)
    return [Ca("Lower", upper).certificate, upper.certificate]


@pytest.mark.parametrize(
    "value, matches",
    [
        ({"subject": {"commonName": "Lower"}}, True),
        ({"subject": {"CN": "Lower"}}, True),
        ({"subject": {"2.5.4.3": "Lower"}}, True),
        ({"subject": {"cn": "lower"}}, False),
        ({"subject": {"CN": "Lower", "O": "Someone"}}, False),
        ({"issuer": {"CN": "Root"}}, True),
        ({"issuer": {"CN": "Root"}, "test_certificates": "last"}, True),
        ({"issuer": {"CN": "Root"}, "test_certificates": "first"}, False),
        ({"subject": {"CN": "Lower"}, "test_certificates": "last"}, False),
        # all conditions are for the same certificate
        ({"subject": {"CN": "Lower"}, "issuer": {"CN": "Root"}}, False),
        ({"subject": {"CN": "Lower"}, "issuer": {"CN": "Upper"}}, True),
    ],
)
def test_names(issuers: list[t.Any], value: dict[str, t.Any], matches: bool) -> None:
    assert criterion(**value).matches(issuers) is matches


def test_identifiers(issuers: list[t.Any]) -> None:
    digest = issuers[0].extension(x509.SubjectKeyIdentifier).value.digest
    with_colons = ":".join(f"{octet:02X}" for octet in digest)
    for text in (with_colons, digest.hex()):
        assert criterion(subject_key_identifier=text).matches(issuers)
        assert not criterion(subject_key_identifier=text, test_certificates="last").matches(issuers)
        assert not criterion(authority_key_identifier=text).matches(issuers)
    leaf = Ca("Lower").issue(Ca("Key").key)
    authority = leaf.extension(x509.AuthorityKeyIdentifier).value.key_identifier
    assert criterion(authority_key_identifier=authority.hex()).matches([leaf])


def test_chain_without_issuers_meets_nothing() -> None:
    assert not criterion(issuer={"CN": "Root"}).matches([])
    assert not criterion(issuer={"CN": "Root"}, test_certificates="first").matches([])


@pytest.mark.parametrize(
    "value, says",
    [
        ({}, "entry 1 has no condition"),
        ({"issuer": {}, "test_certificates": "first"}, "entry 1 has no condition"),
        ({"issuer": {"common_name": "x"}}, "issuer names 'common_name'"),
        ({"subject": {"2.5.": "x"}}, "subject names '2.5.'"),
        ({"subject_key_identifier": "A8:4"}, "subject_key_identifier must be hex digits"),
        ({"authority_key_identifier": "keyid:A8"}, "authority_key_identifier must be hex digits"),
    ],
)
def test_what_is_no_criterion_is_told(value: dict[str, t.Any], says: str) -> None:
    with pytest.raises(InputError, match=says) as error:
        criterion(**value)
    assert_one_sentence(error.value)
