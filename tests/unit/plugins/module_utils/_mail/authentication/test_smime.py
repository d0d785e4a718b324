# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which S/MIME signatures prove a challenge mail, and which do not and why (docs/rules.md, rule 8)."""

from __future__ import annotations

import datetime
import time
import typing as t

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError
from ansible_collections.mailcert.acme.plugins.module_utils._mail.authentication import smime
from ansible_collections.mailcert.acme.plugins.module_utils._mail.message import refusal
from ansible_collections.mailcert.acme.plugins.module_utils._mail.message.refusal import Refusal
from ansible_collections.mailcert.acme.tests.helpers import smime_mails as made
from asn1crypto import cms, core
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding

FROM, TOKEN, NOW = made.FROM, made.TOKEN, made.NOW


@pytest.fixture(scope="module")
def sm() -> t.Any:
    return made.kit()


def refused(sm, raw, **options):
    with pytest.raises(Refusal) as caught:
        sm.prove(raw, **options)
    assert caught.value.reason in refusal.REASONS
    assert caught.value.message.isascii() and "\n" not in caught.value.message
    return caught.value.reason


def signed_mail(party, **options):
    """A mail whose signature is made with options of the kit's sign()."""
    content = made.inner("rfc9788", made.fields())
    signature = made.sign(party, content, **options)
    if options.get("opaque"):
        return made.opaque_mail(made.fields(), signature)
    return made.multipart(made.fields(), content, signature)


# --- genuine ones ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("opaque", [False, True])
@pytest.mark.parametrize("form", made.FORMS)
def test_each_form_proves_the_headers(sm, form, opaque):
    proof = sm.prove(sm.mail(form, opaque=opaque, reply_to="reply@elsewhere.test"))
    assert proof.method == f"smime {FROM} 'Test Issuer' ecdsa-sha256"
    assert proof.signed_at == NOW
    assert {name: [i.text for i in instances] for name, instances in proof.covered.items()} == {
        name.lower(): [value] for name, value in made.fields(reply_to="reply@elsewhere.test")
    }


PSS = ("-keyopt", "rsa_padding_mode:pss")


@pytest.mark.parametrize("opaque", [False, True])
@pytest.mark.parametrize(
    "key, options, algorithm",
    [
        ("rsa", (), "rsa-sha256"),
        ("rsa", ("-md", "sha512"), "rsa-sha512"),
        ("rsa", ("-keyid",), "rsa-sha256"),
        ("rsa", PSS, "rsapss-sha256"),
        ("rsa", (*PSS, "-md", "sha384", "-keyopt", "rsa_pss_saltlen:-1"), "rsapss-sha384"),
        ("ec", (), "ecdsa-sha256"),
        ("ec", ("-md", "sha384", "-nosmimecap"), "ecdsa-sha384"),
    ],
)
def test_what_openssl_signs(sm, key, options, algorithm, opaque):
    party = made.mailbox(sm.issuer, made.rsa_key()) if key == "rsa" else sm.party
    content = made.inner("rfc9788", made.fields())
    # "-stream": in pieces of BER, as openssl writes while it reads; its own RSASSA-PSS fails with that
    inside = ["-nodetach"] if options[:2] == PSS else ["-nodetach", "-stream"]
    signature = made.openssl(party, content, *options, *(inside if opaque else []))
    lines = made.fields()
    raw = made.opaque_mail(lines, signature) if opaque else made.multipart(lines, content, signature)
    assert sm.prove(raw).method.endswith(algorithm)


@pytest.mark.parametrize("curve", [ec.SECP384R1, ec.SECP521R1])
def test_other_curves(sm, curve):
    party = made.mailbox(sm.issuer, ec.generate_private_key(curve()))
    assert sm.prove(signed_mail(party, digest="sha512")).method.endswith("ecdsa-sha512")


def test_ed25519(sm):
    party = made.mailbox(sm.issuer, ed25519.Ed25519PrivateKey.generate())
    assert sm.prove(signed_mail(party, digest="sha512")).method.endswith("ed25519-sha512")


def test_the_older_names_of_the_types(sm):
    content = made.inner("rfc9788", made.fields())
    detached, opaque = made.sign(sm.party, content), made.sign(sm.party, content, opaque=True)
    assert sm.prove(made.multipart(made.fields(), content, detached, kind="application/x-pkcs7-signature"))
    assert sm.prove(made.opaque_mail(made.fields(), opaque, kind="application/x-pkcs7-mime"))


def test_text_around_the_parts_is_no_part(sm):
    raw = sm.mail().replace(b"\r\n\r\n--b+1", b"\r\n\r\nThis is signed.\r\n--b+1  ", 1)
    assert sm.prove(raw + b"--\r\nA footer of a list\r\n")


def test_a_mail_from_a_file_whose_lines_end_in_lf(sm):
    assert sm.prove(sm.mail().replace(b"\r\n", b"\n"))


def test_other_folds_and_blanks_outside_say_the_same(sm):
    raw = sm.mail().replace(b"Subject: ACME: ", b"SUBJECT:\r\n ACME:\r\n\t ", 1).replace(b"To: ", b"To:\t", 1)
    assert sm.prove(raw).the("subject").text == f"ACME: {TOKEN}"


def test_headers_that_nobody_reads_outside_may_differ(sm):
    outside = made.fields(date="Mon, 1 Jan 2001 00:00:00 +0000", auto_submitted="no", Cc="x@y.test", received="by x")
    proof = sm.prove(sm.mail(outside=outside))
    assert proof.the("auto-submitted").text == "auto-generated; type=acme"
    assert "cc" not in proof.covered and "2001" not in proof.the("date").text


def test_what_only_stands_inside_is_proved(sm):
    assert sm.prove(sm.mail(outside=made.fields(message_id=None))).the("message-id").text == "<challenge.1@ca.test>"


def test_a_header_is_proved_inside_and_in_the_attribute(sm):
    content = made.inner("rfc9788", made.fields(date=None))
    attributes = [*made.plain_attributes(content), made.secure_headers(made.fields(), "simple")]
    raw = made.multipart(made.fields(), content, made.sign(sm.party, content, attributes=attributes))
    assert {"date", "subject"} <= set(sm.prove(raw).covered)


def test_without_a_signing_time(sm):
    content = made.inner("rfc9788", made.fields())
    raw = signed_mail(sm.party, attributes=made.plain_attributes(content, signing_time=None))
    assert sm.prove(raw).signed_at is None


# --- the mail --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        'multipart/signed; protocol="application/pgp-signature"; boundary=b',
        "multipart/signed",
        "application/pkcs7-mime; smime-type=enveloped-data",
        "application/pkcs7-mime; smime-type=certs-only",
        'multipart/mixed; boundary="b+1"',
        "",
    ],
)
def test_what_is_not_signed(sm, kind):
    assert refused(sm, made.render([*made.fields(), ("Content-Type", kind)])) == "smime_missing"


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: raw.replace(b"--b+1--", b""),
        lambda raw: raw.replace(b"--b+1--", b"--b+1"),
        lambda raw: raw.replace(b"\r\n\r\n--b+1\r\n", b"\r\n\r\n--b+1\r\n\r\nx\r\n--b+1\r\n"),
        lambda raw: raw.replace(b"Please", b"--b+1more"),
        lambda raw: raw.replace(b'boundary="b+1"', b""),
        lambda raw: raw.replace(b'boundary="b+1"', b'boundary=""'),
        lambda raw: raw.replace(b"b+1", b""),
        lambda raw: raw.replace(b"b+1", b"b+1 "),
        lambda raw: raw.replace(b"b+1", b"b" * 71),
        lambda raw: raw.replace(b'boundary="b+1"', b"boundary*=utf-8''b%2B1"),
        lambda raw: raw.replace(b"Content-Type: application/pkcs7-signature", b"Content-Type: text/plain"),
        lambda raw: raw.replace(b"Encoding: base64", b"Encoding: binary"),
        lambda raw: raw.replace(b"base64\r\n\r\nM", b"base64\r\n\r\n!"),
        lambda raw: raw.replace(b"base64\r\n\r\nM", b"base64\r\n\r\n!M"),
        lambda raw: raw.replace(b"base64\r\n\r\nM", b"base64\r\n\r\nN"),
        lambda raw: raw.replace(b"base64\r\n\r\nM", b"base64\r\n\r\nMIIA\r\n--b+1--\r\n"),
    ],
)
def test_a_mail_that_is_signed_in_a_bent_way(sm, change):
    raw = sm.mail()
    assert change(raw) != raw
    assert refused(sm, change(raw)) == "smime_syntax"


@pytest.mark.parametrize("form", ["rfc9788", "rfc822"])
@pytest.mark.parametrize(
    "change, reason",
    [
        (lambda inner: inner.replace(b"Subject: ", b"Subject: ACME: x\r\nSubject: "), "header_duplicated"),
        (lambda inner: inner.replace(b"Subject: ", b"Subject : "), "malformed"),
        (lambda inner: inner.replace(b"Subject: ", b"X: y\rSubject: "), "malformed"),
        (lambda inner: inner.replace(b"Please", b"\rPlease"), "malformed"),
    ],
)
def test_the_inside_is_read_as_strictly_as_the_outside(sm, form, change, reason):
    content = change(made.inner(form, made.fields()))
    # inside the signature, where no look at the outside finds it
    assert refused(sm, made.opaque_mail(made.fields(), made.sign(sm.party, content, opaque=True))) == reason


@pytest.mark.parametrize("parameter", [b"\xc3\xa4=x", b'x="' + b"y" * 2000 + b'"'])
def test_a_content_type_inside_that_is_too_much(sm, parameter):
    content = made.inner("rfc9788", made.fields()).replace(b"hp=", parameter + b"; hp=")
    assert refused(sm, made.multipart(made.fields(), content, made.sign(sm.party, content))) == "malformed"


# --- protected headers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        made.inner("rfc7508", ()),
        b"\r\nJust text\r\n",
        made.inner("rfc9788", made.fields()).replace(b' hp="clear"', b' protected-headers="v1"'),
        made.inner("rfc9788", made.fields()).replace(b' hp="clear"', b" hp=maybe"),
        made.inner("rfc9788", made.fields()).replace(b' hp="clear"', b""),
        made.inner("rfc822", made.fields()).replace(b"message/rfc822", b"text/rfc822-headers"),
        b"Content-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n" + made.inner("rfc9788", made.fields()) + b"--c--",
    ],
)
@pytest.mark.parametrize("opaque", [False, True])
def test_a_signature_over_the_body_alone(sm, content, opaque):
    signature = made.sign(sm.party, content, opaque=opaque)
    lines = made.fields()
    raw = made.opaque_mail(lines, signature) if opaque else made.multipart(lines, content, signature)
    with pytest.raises(Refusal, match="protects no header") as caught:
        sm.prove(raw)
    assert caught.value.reason == "smime_unprotected"


def test_a_wrapped_mail_that_is_encoded(sm):
    content = b"Content-Transfer-Encoding: base64\r\n" + made.inner("rfc822", made.fields())
    assert refused(sm, made.multipart(made.fields(), content, made.sign(sm.party, content))) == "smime_syntax"


@pytest.mark.parametrize("form", made.FORMS)
@pytest.mark.parametrize("name", ["From", "To", "Subject", "Message-ID", "Reply-To"])
def test_another_value_outside(sm, form, name):
    reply = {"reply_to": "reply@ca.test"}
    outside = made.fields(**{**reply, name: "<other@ca.test>"})
    assert refused(sm, sm.mail(form, outside=outside, **reply)) == "smime_mismatch"


@pytest.mark.parametrize("form", made.FORMS)
@pytest.mark.parametrize("name", ["From", "To", "Subject", "Message-ID"])
def test_a_header_that_only_stands_outside(sm, form, name):
    assert refused(sm, sm.mail(form, outside=made.fields(), **{name: None})) == "smime_unprotected"


@pytest.mark.parametrize("form", made.FORMS)
def test_a_reply_to_that_only_stands_outside(sm, form):
    assert refused(sm, sm.mail(form, outside=made.fields(reply_to="acme@evil.test"))) == "reply_to_uncovered"


def listed(sm, fields, canonical="relaxed"):
    """A mail whose signature lists these fields (RFC 7508)."""
    content = made.inner("rfc7508", ())
    attributes = [*made.plain_attributes(content), made.secure_headers(fields, canonical)]
    return made.multipart(made.fields(), content, made.sign(sm.party, content, attributes=attributes))


@pytest.mark.parametrize("canonical", ["simple", "relaxed"])
def test_names_and_blanks_of_listed_headers(sm, canonical):
    fields = [(name.upper(), f" {value}\r\n " if canonical == "simple" else value) for name, value in made.fields()]
    assert sm.prove(listed(sm, [*fields, ("X-Other", "not there")], canonical)).the("to").text == "user@lab.test"


@pytest.mark.parametrize(
    "change, reason",
    [
        ([("Subject", f"ACME: {TOKEN}", 1)], "smime_mismatch"),
        ([("Subject", f"ACME: {TOKEN}", 2)], "smime_mismatch"),
        ([("Subject", f"ACME: {TOKEN}", 7)], "smime_mismatch"),
        ([("Subject", f"ACME: {TOKEN}x")], "smime_mismatch"),
        ([("Subject", f"ACME: {TOKEN}")] * 2, "header_duplicated"),
        ([("Reply-To", "reply@ca.test")], "smime_mismatch"),
        ([("X", "y")] * 101, "smime_syntax"),
    ],
)
def test_listed_headers_that_do_not_stand_outside(sm, change, reason):
    fields = [field for field in made.fields() if field[0] != "Subject"] + change
    assert refused(sm, listed(sm, fields)) == reason


def test_a_list_of_headers_that_is_none(sm):
    content = made.inner("rfc7508", ())
    value = core.UTF8String("From: acme").dump()
    good = made.secure_headers(made.fields())["values"][0].dump()
    for values in ([value], [good, good], []):
        attributes = [*made.plain_attributes(content), made.raw_attribute(made.SECURE_HEADERS, *values)]
        raw = made.multipart(made.fields(), content, made.sign(sm.party, content, attributes=attributes))
        assert refused(sm, raw) == "smime_syntax"


# --- the signature ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", made.FORMS)
def test_a_body_that_was_changed(sm, form):
    assert refused(sm, sm.mail(form).replace(b"Please reply", b"Please repay")) == "smime_broken"


def test_a_signature_by_another_key(sm):
    other = made.Party(ec.generate_private_key(ec.SECP256R1()), sm.party.certificate, sm.party.chain)
    assert refused(sm, signed_mail(other)) == "smime_broken"


def test_a_signature_of_the_content_and_not_of_the_attributes(sm):
    def edit(body):
        content = made.inner("rfc9788", made.fields())
        body["signer_infos"][0]["signature"] = sm.party.key.sign(content, ec.ECDSA(hashes.SHA256()))

    assert refused(sm, signed_mail(sm.party, edit=edit)) == "smime_broken"


def drop_attributes(body):
    old = body["signer_infos"][0]
    names = ("version", "sid", "digest_algorithm", "signature_algorithm", "signature")
    body["signer_infos"] = [cms.SignerInfo({name: old[name] for name in names})]


def two_signers(body):
    body["signer_infos"] = [body["signer_infos"][0]] * 2


@pytest.mark.parametrize(
    "edit",
    [
        drop_attributes,
        two_signers,
        lambda body: body.__setitem__("signer_infos", []),
        lambda body: body["encap_content_info"].__setitem__("content_type", "enveloped_data"),
        lambda body: body["encap_content_info"].__setitem__("content", made.inner("rfc9788", made.fields())),
        lambda body: body.__setitem__("certificates", [body["certificates"][0]] * 11),
    ],
)
def test_a_structure_that_is_refused(sm, edit):
    assert refused(sm, signed_mail(sm.party, edit=edit)) == "smime_syntax"


def test_attributes_that_are_refused(sm):
    content = made.inner("rfc9788", made.fields())
    good = made.plain_attributes(content)
    many = [made.raw_attribute(f"1.2.3.{number}", b"\x05\x00") for number in range(1000)]
    for attributes in (
        made.plain_attributes(content, message_digest=None),
        made.plain_attributes(content, content_type=None),
        made.plain_attributes(content, content_type="signed_data"),
        [*good, good[0]],
        [*good, made.attribute("signing_time", cms.Time({"utc_time": NOW}))],
        [*good[:2], made.attribute("signing_time", *[cms.Time({"utc_time": NOW})] * 2)],
        [good[0], made.attribute("message_digest", b"x", b"y")],
        [*good[:2], made.raw_attribute("1.2.840.113549.1.9.5", b"\x17\x01x")],
        [*good, *many[:28]],
    ):
        assert refused(sm, signed_mail(sm.party, attributes=attributes)) == "smime_syntax"
    assert refused(sm, signed_mail(sm.party, attributes=[*good, *many])) == "smime_syntax"
    other = made.plain_attributes(content, message_digest=b"x" * 32)
    assert refused(sm, signed_mail(sm.party, attributes=other)) == "smime_broken"


def test_a_certificate_that_is_too_large(sm):
    comment = (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x04\x82\x42\x00" + bytes(0x4200)), False)
    assert refused(sm, signed_mail(made.mailbox(sm.issuer, more=[comment]))) == "smime_syntax"


def test_the_content_is_in_one_place(sm):
    content = made.inner("rfc9788", made.fields())
    assert refused(sm, made.opaque_mail(made.fields(), made.sign(sm.party, content))) == "smime_syntax"


def test_another_kind_of_structure(sm):
    for data in (
        cms.ContentInfo({"content_type": "data", "content": b"x"}).dump(),
        made.sign(sm.party, b"x") + b"\x00",
        made.sign(sm.party, b"x")[:-1],
        b"\x00",
        core.Sequence(contents=b"").dump(),
    ):
        assert refused(sm, made.multipart(made.fields(), b"x", data)) == "smime_syntax"


# --- algorithms and keys ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key, options",
    [
        ("ec", {"digest": "sha1"}),
        ("ec", {"digest": "sha256", "algorithm": {"algorithm": "sha512_ecdsa"}}),
        ("ec", {"algorithm": {"algorithm": "rsassa_pkcs1v15"}}),
        ("ec", {"algorithm": {"algorithm": "ed25519"}}),
        ("ec", {"algorithm": {"algorithm": "1.2.3.4"}}),
        ("rsa", {"algorithm": {"algorithm": "sha1_rsa"}}),
        ("rsa", {"algorithm": {"algorithm": "sha384_rsa"}}),
        ("rsa", {"algorithm": {"algorithm": "sha256_ecdsa"}}),
        ("rsa", {"algorithm": made.pss("sha512")}),
        ("rsa", {"algorithm": made.pss("sha512", mask="sha256")}),
        ("rsa", {"algorithm": made.pss(mask="sha1")}),
        ("rsa", {"algorithm": made.pss(salt=0)}),
        ("rsa", {"algorithm": made.pss(salt=5000)}),
        ("rsa", {"algorithm": made.pss(trailer=2)}),
        ("rsa1024", {}),
        ("brainpool", {}),
        ("secp256k1", {}),
        ("ed25519", {"digest": "sha256"}),
    ],
)
def test_algorithms_and_keys_that_are_refused(sm, key, options):
    keys = {
        "ec": made.signing_key,
        "rsa": made.rsa_key,
        "rsa1024": lambda: made.rsa_key(1024),
        "brainpool": lambda: ec.generate_private_key(ec.BrainpoolP256R1()),
        "secp256k1": lambda: ec.generate_private_key(ec.SECP256K1()),
        "ed25519": ed25519.Ed25519PrivateKey.generate,
    }
    assert refused(sm, signed_mail(made.mailbox(sm.issuer, keys[key]()), **options)) == "smime_algorithm"


@pytest.mark.parametrize("salt", [32, 64])
def test_a_salt_of_pss_is_what_it_says(sm, salt):
    party = made.mailbox(sm.issuer, made.rsa_key())
    scheme = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    raw = signed_mail(party, algorithm=made.pss(salt=salt), scheme=scheme)
    if salt == 32:
        assert sm.prove(raw).method.endswith("rsapss-sha256")
    else:
        assert refused(sm, raw) == "smime_broken"


def test_signatures_of_long_ago_and_of_the_future(sm):
    content = made.inner("rfc9788", made.fields())

    def signed(when):
        value = cms.Time({"generalized_time": when})
        return signed_mail(sm.party, attributes=made.plain_attributes(content, signing_time=value))

    assert sm.prove(signed(NOW + datetime.timedelta(hours=23))).signed_at > NOW
    assert sm.prove(signed(NOW - datetime.timedelta(days=9))).signed_at < NOW
    assert refused(sm, signed(NOW + datetime.timedelta(days=1, seconds=1))) == "date_invalid"


# --- what costs time -------------------------------------------------------------------------------------------------


def tlv(tag, data):
    size = len(data)
    length = bytes([size]) if size < 128 else b"\x83" + size.to_bytes(3, "big")
    return bytes([tag]) + length + data


def deep():
    data = b""
    while len(data) < 30_000:
        data = tlv(0x30, data)
    return data


@pytest.mark.parametrize(
    "data, reason",
    [
        (deep(), "smime_syntax"),
        (tlv(0x30, core.ObjectIdentifier("1.2.840.113549.1.7.2").dump() + tlv(0xA0, deep())), "smime_syntax"),
        (b"\x30\x80" * 15_000, "smime_syntax"),
        (b"\x24\x80" * 15_000, "smime_syntax"),
        (b"\x30\x84\x7f\xff\xff\xff" + b"A" * 30_000, "smime_syntax"),
        (tlv(0x30, tlv(0x06, b"\x2a" + b"\xff" * 30_000 + b"\x01") + b"\xa0\x00"), "smime_syntax"),
        (b"\x30\x80" * 20_000, "too_large"),
    ],
    ids=["deep", "deep within", "indefinite", "octets", "giant", "long name", "large"],
)
def test_structures_that_are_made_to_cost_time(sm, data, reason):
    raw = made.multipart(made.fields(), b"x", data)
    start = time.process_time()
    assert refused(sm, raw) == reason
    assert time.process_time() - start < 1


# --- the roots -------------------------------------------------------------------------------------------------------


def test_roots(sm):
    both = smime.load_roots(b"A comment\n" + sm.root.pem + b"\n\n" + made.ca("Other").pem)
    assert len(both.certificates) == 2
    assert smime.load_roots(sm.root.pem).certificates == (sm.root.certificate,)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"rubbish \xff\x00",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        b"-----BEGIN CERTIFICATE-----\n",
        made.kit().root.der,
        made.kit().root.pem.replace(b"CERTIFICATE", b"PRIVATE KEY"),
        made.kit().root.pem + b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ],
)
def test_rubbish_is_no_root(data):
    with pytest.raises(InputError, match=r"^The roots for S/MIME .*\.$") as caught:
        smime.load_roots(data)
    assert caught.value.message.isascii() and "\n" not in caught.value.message
