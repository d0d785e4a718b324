# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._errors import AddressError, InputError
from ansible_collections.mailcert.acme.plugins.module_utils._pki import certificate, keys, lint, lint_profile
from ansible_collections.mailcert.acme.tests.helpers.pki_objects import DAY, NOW, SPECS, Ca
from cryptography import x509


@pytest.fixture
def check(intermediate: Ca, root: Ca, ec_key: t.Any) -> t.Callable[..., lint.LintReport]:
    """Lint a certificate that is right, but for what the arguments say of the certificate (``issued``) and the wish."""

    def run(issued: dict[str, t.Any] | None = None, **wish: t.Any) -> lint.LintReport:
        key = (issued or {}).pop("key", ec_key)
        arguments = {
            "leaf": intermediate.issue(key, **(issued or {})),
            "chain": [intermediate.certificate, root.certificate],
            "public_fingerprint": keys.public_fingerprint(ec_key),
            "addresses": ["user@example.com"],
            "usage": "dual",
            "now": NOW,
            **wish,
        }
        return lint.lint(arguments.pop("leaf"), arguments.pop("chain"), **arguments)

    return run


def only(report: lint.LintReport, words: str) -> None:
    """One error, of these words."""
    assert len(report.errors) == 1 and words in report.errors[0], report.errors
    assert all(sentence.endswith(".") and "\n" not in sentence for sentence in report.errors + report.warnings)


@pytest.mark.parametrize("usage", ["dual", "sign", "encrypt"])
@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_right_for_every_key_and_usage(spec: keys.KeySpec, usage: str, key_of: t.Any, check: t.Any) -> None:
    key = key_of(spec)
    issued = {"key": key, "usage": usage, "common_name": "user@example.com"}
    report = check(issued, usage=usage, public_fingerprint=keys.public_fingerprint(key))
    assert report == lint.LintReport(errors=(), warnings=())


def test_another_key(check: t.Any, rsa_key: t.Any) -> None:
    only(check(public_fingerprint=keys.public_fingerprint(rsa_key)), "for another key")


def test_addresses(check: t.Any) -> None:
    only(check(addresses=["user@example.com", "b@example.com"]), "lacks the address 'b@example.com'")
    only(check({"addresses": ["user@example.com", "b@example.com"]}), "names 'b@example.com', which was not asked for")
    assert len(check({"addresses": ["User@example.com"]}).errors) == 2
    only(check({"addresses": []}), "lacks the address")
    only(check({"addresses": ["user@example.com", "b\x07"]}), r"names 'b\x07'")
    assert not check({"addresses": ["user@EXAMPLE.com"]}).errors
    assert not check({"addresses": ["u@xn--bcher-kva.example"]}, addresses=["u@bücher.example"]).errors


def test_purposes(check: t.Any) -> None:
    only(check({"purposes": None}), "lacks the extended key usage emailProtection")
    only(check({"purposes": ["1.3.6.1.5.5.7.3.2"]}), "lacks the extended key usage emailProtection")
    assert not check({"purposes": ["1.3.6.1.5.5.7.3.4", "1.3.6.1.5.5.7.3.2"]}).errors


@pytest.mark.parametrize(
    ("has", "usage", "words"),
    [
        ("sign", "dual", "No mail can be encrypted"),
        ("sign", "encrypt", "No mail can be encrypted"),
        ("encrypt", "dual", "cannot sign"),
        ("encrypt", "sign", "cannot sign"),
    ],
)
def test_key_usage_unfit(has: str, usage: str, words: str, check: t.Any) -> None:
    only(check({"usage": has}, usage=usage), words)


def test_key_usage_of_the_other_kind_of_key(check: t.Any, rsa_key: t.Any) -> None:
    bits = frozenset({"digitalSignature", "keyEncipherment"})
    only(check({"bits": bits}), "No mail can be encrypted")
    bits = frozenset({"digitalSignature", "keyAgreement"})
    fingerprint = keys.public_fingerprint(rsa_key)
    only(check({"bits": bits, "key": rsa_key}, public_fingerprint=fingerprint), "No mail can be encrypted")


def test_key_usage_that_allows_more_is_a_warning(check: t.Any) -> None:
    report = check({"usage": "dual"}, usage="sign")
    assert not report.errors and any("more than was asked for (sign): 'keyAgreement'" in one for one in report.warnings)
    report = check({"bits": frozenset()}, usage="encrypt")
    assert not report.errors and any("has no key usage" in one for one in report.warnings)
    bits = frozenset({"digitalSignature", "nonRepudiation"})
    assert not any("more than" in one for one in check({"bits": bits}, usage="sign").warnings)


def test_time(check: t.Any, ec_key: t.Any, intermediate: Ca) -> None:
    only(check(now=NOW - 11 * DAY), "is not valid before 2026-05-22T12:00:00+00:00; it is 2026-05-21")
    only(check(now=NOW + 81 * DAY), "expired on 2026-08-20")
    for edge in (NOW - 10 * DAY, NOW + 80 * DAY):
        assert not check(now=edge).errors
    late = NOW + 3000 * DAY
    errors = check({"not_after": NOW + 4000 * DAY}, now=late).errors
    assert [error for error in errors if "of the chain is not valid now: 'CN=Test intermediate'" in error]


def test_chain(check: t.Any, root: Ca, intermediate: Ca) -> None:
    only(check(chain=[root.certificate]), "did not sign")
    only(check(chain=[intermediate.certificate, Ca("Test root").certificate]), "did not sign 'CN=Test intermediate'")
    report = check(chain=[])
    assert not report.errors and any("sent no chain" in one for one in report.warnings)


def test_all_errors_are_told_at_once(check: t.Any) -> None:
    report = check(
        {"addresses": ["b@example.com"], "purposes": None, "usage": "sign"},
        public_fingerprint="00",
        now=NOW + 100 * DAY,
        chain=[Ca("X").certificate],
    )
    assert len(report.errors) == 7


def test_damaged(check: t.Any, intermediate: Ca, ec_key: t.Any) -> None:
    der = intermediate.issue(ec_key).der.replace(b"\x81\x10user@", b"\x81\x7fuser@")
    leaf = certificate.load_certificate(der, source="the answer")
    only(check(leaf=leaf), "The certificate in the answer is damaged")


def test_wish_that_is_none(check: t.Any) -> None:
    with pytest.raises(InputError):
        check(usage="both")
    with pytest.raises(AddressError):
        check(addresses=["user"])


@pytest.mark.parametrize(
    ("issued", "words"),
    [
        ({"not_after": NOW + 815 * DAY}, "more than 825 days"),
        ({"policies": []}, "names 0 S/MIME BR policies"),
        ({"policies": ["1.2.3.4"]}, "names 0 S/MIME BR policies"),
        ({"policies": ["2.23.140.1.5.1.3", "2.23.140.1.5.1.2"]}, "names 2 S/MIME BR policies"),
        ({"policies": ["2.23.140.1.5.1.1"]}, "Legacy generation"),
        ({"aki": False}, "no authority key identifier"),
        ({"common_name": "boss@example.com"}, "names 'boss@example.com', which its subjectAltName lacks"),
        (
            {"purposes": ["1.3.6.1.5.5.7.3.4", "1.3.6.1.5.5.7.3.1"]},
            "of the certificate holds 'serverAuth'",
        ),
        ({"purposes": ["1.3.6.1.5.5.7.3.4", "1.3.6.1.5.5.7.3.2"]}, "holds 'clientAuth'; the Strict profile"),
        ({"general_names": [x509.DNSName("example.com")]}, "no mail addresses: 'DNSName'"),
        ({"extra": [(x509.BasicConstraints(ca=True, path_length=None), True)]}, "marked as a CA"),
        ({"bits": frozenset({"digitalSignature", "keyAgreement", "cRLSign"})}, "holds 'cRLSign' (S/MIME BR 7.1.2.3 e)"),
    ],
)
def test_baseline_requirements_are_warnings(issued: dict[str, t.Any], words: str, check: t.Any) -> None:
    report = check(issued)
    assert not report.errors
    assert [one for one in report.warnings if words in one], report.warnings


def test_policies(intermediate: Ca, ec_key: t.Any) -> None:
    assert lint_profile.policy_oids(intermediate.issue(ec_key, policies=["1.2.3", "2.23.140.1.5.1.2"])) == (
        "2.23.140.1.5.1.2",
    )
    assert lint_profile.policy_oids(intermediate.issue(ec_key, policies=[])) == ()
