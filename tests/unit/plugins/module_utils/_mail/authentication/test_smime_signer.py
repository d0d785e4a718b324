# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose S/MIME signatures count: the chain to the root, what the certificate is for, and whom it names (rule 8)."""

from __future__ import annotations

import datetime

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._mail.authentication import smime
from ansible_collections.mailcert.acme.plugins.module_utils._mail.message.refusal import Refusal
from ansible_collections.mailcert.acme.tests.helpers import smime_mails as made
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID as Purpose

FROM, NOW = made.FROM, made.NOW


def judge(party, root, *, sender=FROM, now=NOW, certificates=None):
    """The method of the proof, or the reason of the refusal."""
    content = made.inner("rfc9788", made.fields(From=sender))
    digest = "sha512" if isinstance(party.key, ed25519.Ed25519PrivateKey) else "sha256"
    signature = made.sign(party, content, digest=digest, certificates=certificates)
    raw = made.multipart(made.fields(From=sender), content, signature)
    try:
        return made.kit().prove(raw, root=root, sender=sender, now=now).method
    except Refusal as refusal:
        assert refusal.message.isascii() and "\n" not in refusal.message
        return refusal.reason


def constraint(permitted=None, excluded=None):
    def names(values):
        return [x509.RFC822Name(value) for value in values] if values else None

    return x509.NameConstraints(names(permitted), names(excluded)), True


ROOT = made.ca("Root")
UNKNOWN = (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), True)


# --- chains ----------------------------------------------------------------------------------------------------------


def rsa_root():
    root = made.ca("RSA Root", made.rsa_key())
    return made.mailbox(root, made.rsa_key()), root


def three_between():
    issuer = ROOT
    for number in range(3):
        issuer = made.ca(f"Issuer {number}", None, issuer)
    return made.mailbox(issuer), ROOT


def plain_root():
    root = made.ca("Plain Root", bits=None)
    return made.mailbox(root), root


def with_constraint(*permitted):
    issuer = made.ca("Bound", None, ROOT, more=[constraint(permitted)])
    return made.mailbox(issuer), ROOT


def self_signed():
    party = made.mailbox(None)
    return party, party


@pytest.mark.parametrize(
    "make",
    [
        lambda: (made.mailbox(ROOT), ROOT),
        lambda: (made.mailbox(made.ca("Issuer", None, ROOT, path_length=0)), ROOT),
        rsa_root,
        three_between,
        plain_root,
        self_signed,
        lambda: with_constraint("ca.test"),
        lambda: with_constraint("other.test", FROM),
        lambda: (made.mailbox(made.ca("I", None, ROOT, purposes=[Purpose.EMAIL_PROTECTION])), ROOT),
        lambda: (made.mailbox(made.ca("I", None, ROOT, purposes=[Purpose.ANY_EXTENDED_KEY_USAGE])), ROOT),
        lambda: (made.mailbox(made.ca("I", ec.generate_private_key(ec.SECP384R1()), ROOT)), ROOT),
        lambda: (made.mailbox(ROOT, ed25519.Ed25519PrivateKey.generate()), ROOT),
        lambda: (made.mailbox(ROOT, name=""), ROOT),
    ],
)
def test_chains_of_ordinary_cas(make):
    party, root = make()
    assert judge(party, root).startswith(f"smime {FROM} ")


def test_an_intermediate_may_be_the_root():
    issuer = made.ca("Issuer", None, ROOT)
    assert judge(made.mailbox(issuer), issuer).startswith("smime ")


def test_several_roots():
    content = made.inner("rfc9788", made.fields())
    raw = made.multipart(made.fields(), content, made.sign(made.mailbox(ROOT), content))
    roots = smime.load_roots(made.ca("Other").pem + ROOT.pem)
    mail = made.challenge.parse(raw)
    assert smime.verify_smime(mail, sender=FROM, roots=roots, now=NOW).method.startswith("smime ")


def issued_by(**options):
    return lambda: (made.mailbox(made.ca("Issuer", None, ROOT, **options)), ROOT)


def four_between():
    issuer = ROOT
    for number in range(4):
        issuer = made.ca(f"Issuer {number}", None, issuer)
    return made.mailbox(issuer), ROOT


def impostor():
    """An issuer of the right name whose certificate no one signed but himself."""
    fake = made.ca("Root")
    return made.mailbox(fake), ROOT


def issued_by_a_mailbox():
    return made.mailbox(made.mailbox(ROOT, name="Somebody"), name="Other"), ROOT


def root_with(**options):
    def make():
        root = made.ca("Special", **options)
        return made.mailbox(root), root

    return make


def too_deep():
    root = made.ca("Root 0", path_length=0)
    return made.mailbox(made.ca("Issuer", None, root)), root


@pytest.mark.parametrize(
    "make",
    [
        impostor,
        issued_by_a_mailbox,
        four_between,
        too_deep,
        lambda: (made.mailbox(None), ROOT),
        lambda: (made.mailbox(ROOT), made.ca("Other")),
        issued_by(bits=("digital_signature",)),
        issued_by(is_ca=False),
        issued_by(purposes=[Purpose.SERVER_AUTH]),
        issued_by(days=(-100, -1)),
        issued_by(days=(1, 100)),
        issued_by(more=[UNKNOWN]),
        issued_by(more=[constraint(["other.test"])]),
        issued_by(more=[constraint(None, ["ca.test"])]),
        root_with(days=(-100, -1)),
        root_with(days=(1, 100)),
        root_with(bits=("crl_sign",)),
        root_with(is_ca=False),
        root_with(purposes=[Purpose.SERVER_AUTH]),
        root_with(key=made.rsa_key(1024)),
        lambda: (made.mailbox(ROOT, days=(-10, -1)), ROOT),
        lambda: (made.mailbox(ROOT, days=(1, 10)), ROOT),
        lambda: (made.mailbox(ROOT, more=[UNKNOWN]), ROOT),
        lambda: (made.mailbox(ROOT, addresses=()), ROOT),
    ],
)
def test_chains_that_are_refused(make):
    party, root = make()
    assert judge(party, root) == "smime_chain"


def test_what_was_not_sent_is_not_looked_for():
    issuer = made.ca("Issuer", None, ROOT)
    party = made.mailbox(issuer)
    assert judge(party, ROOT, certificates=[party.der]) == "smime_chain"
    assert judge(party, ROOT, certificates=[issuer.der]) == "smime_chain"


def test_a_root_may_be_sent_along():
    issuer = made.ca("Issuer", None, ROOT)
    party = made.mailbox(issuer)
    assert judge(party, ROOT, certificates=[ROOT.der, issuer.der, party.der]).startswith("smime ")


def test_a_root_that_was_sent_along_is_not_trusted():
    fake = made.ca("Fake Root")
    party = made.mailbox(fake)
    assert judge(party, ROOT, certificates=[party.der, fake.der]) == "smime_chain"


def test_the_chain_is_judged_at_its_time():
    party = made.mailbox(made.ca("Issuer", None, ROOT))
    assert judge(party, ROOT, now=NOW + datetime.timedelta(days=99)).startswith("smime ")
    assert judge(party, ROOT, now=NOW + datetime.timedelta(days=101)) == "smime_chain"
    assert judge(party, ROOT, now=NOW - datetime.timedelta(days=11)) == "smime_chain"


def test_cas_that_certify_each_other_cost_little():
    key = ec.generate_private_key(ec.SECP256R1())
    one, two = made.ca("One", key), made.ca("Two", key)
    party = made.mailbox(one)
    loop = [made.ca("One", key, two).der for _number in range(5)]
    loop += [made.ca("Two", key, one).der for _number in range(4)]
    assert judge(party, ROOT, certificates=[party.der, *loop]) == "smime_chain"


# --- usage -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"bits": None},
        {"bits": ("content_commitment",)},
        {"bits": ("digital_signature", "key_encipherment")},
        {"purposes": [Purpose.CLIENT_AUTH, Purpose.EMAIL_PROTECTION]},
    ],
)
def test_certificates_for_mail(options):
    assert judge(made.mailbox(ROOT, **options), ROOT).startswith("smime ")


@pytest.mark.parametrize(
    "options",
    [
        {"bits": ("key_encipherment",)},
        {"purposes": None},
        {"purposes": [Purpose.CLIENT_AUTH]},
        {"purposes": [Purpose.ANY_EXTENDED_KEY_USAGE]},
    ],
)
def test_certificates_that_are_not_for_mail(options):
    assert judge(made.mailbox(ROOT, **options), ROOT) == "smime_usage"


# --- the address -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("addresses", [["other@ca.test", FROM], [FROM.replace("ca.test", "CA.Test")]])
def test_the_certificate_names_the_sender(addresses):
    assert judge(made.mailbox(ROOT, addresses=addresses), ROOT).startswith(f"smime {FROM} ")


@pytest.mark.parametrize(
    "addresses",
    [
        ["other@ca.test"],
        [FROM.upper()],
        ["acme@ca.test"],
        ["ca.test"],
        ["@ca.test"],
        ["*@ca.test"],
        [f"<{FROM}>"],
        [f"{FROM}\x00.evil.test"],
        [f" {FROM}"],
    ],
)
def test_the_certificate_names_somebody_else(addresses):
    assert judge(made.mailbox(ROOT, addresses=addresses), ROOT) == "smime_address"


def test_an_address_in_the_subject_does_not_count():
    assert judge(made.mailbox(ROOT, name=FROM, addresses=["other@ca.test"]), ROOT) == "smime_address"


def test_the_name_of_the_issuer_is_shown_safely():
    root = made.ca("Evil\nRoot \u202e")
    assert judge(made.mailbox(root), root) == f"smime {FROM} 'Evil\\nRoot \\u202e' ecdsa-sha256"
