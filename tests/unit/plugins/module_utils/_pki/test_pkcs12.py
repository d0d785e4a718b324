# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re
import typing as t

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._errors import (
    KeyMismatchError,
    PassphraseError,
    Pkcs12Error,
    SmimeError,
)
from ansible_collections.mailcert.acme.plugins.module_utils._pki import certificate, keys, pkcs12, pkcs12_cipher
from ansible_collections.mailcert.acme.tests.helpers.pki_objects import (
    SPECS,
    Ca,
    assert_one_sentence,
)
from asn1crypto import pkcs12 as asn1_pkcs12
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12 as library

PASSPHRASES = ["secret-1", "pässwörd 密码 😀", "with 'quotes\" $and spaces "]
ENCODINGS = ["modern", "compatible"]


@pytest.fixture(scope="module")
def pair_of(intermediate: Ca, root: Ca, key_of: t.Any) -> t.Callable[..., pkcs12.KeyPair]:
    def make(spec: keys.KeySpec, name: str = "user@example.com 2026", **issued: t.Any) -> pkcs12.KeyPair:
        key = key_of(spec)
        chain = [intermediate.certificate, root.certificate]
        return pkcs12.KeyPair(key=key, certificate=intermediate.issue(key, **issued), chain=chain, friendly_name=name)

    return make


@pytest.fixture(scope="module")
def three(pair_of: t.Any) -> list[pkcs12.KeyPair]:
    """A key of today and two old ones, of different kinds."""
    wanted = [("RSA", 2048, None), ("ECC", None, "secp256r1"), ("ECC", None, "secp384r1")]
    return [pair_of(keys.key_spec(*one), f"user@example.com {2026 - n}") for n, one in enumerate(wanted)]


def read(data: bytes, passphrase: str | None = None) -> list[pkcs12.KeyPair]:
    return pkcs12.read(data, passphrase=passphrase, source="pkcs12_path /x/y")


def told(pairs: t.Iterable[pkcs12.KeyPair]) -> list[t.Any]:
    """What has to come out as it went in."""
    return [
        (keys.public_fingerprint(pair.key), pair.certificate, tuple(pair.chain), pair.friendly_name) for pair in pairs
    ]


def bags(output: str) -> list[dict[str, str]]:
    """The bags of `openssl pkcs12`, in order."""
    found: list[dict[str, str]] = []
    for block in re.split(r"(?m)^(?=Bag Attributes|Certificate bag$)", output):
        kind = re.search(r"-----BEGIN ([A-Z ]+)-----", block)
        if kind:
            name = re.search(r"friendlyName: (.*)", block)
            key_id = re.search(r"localKeyID: (.*)", block)
            found.append(
                {
                    "kind": kind.group(1),
                    "name": name.group(1).strip() if name else "",
                    "id": key_id.group(1).strip() if key_id else "",
                }
            )
    return found


@pytest.mark.parametrize("passphrase", PASSPHRASES)
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_openssl_reads_it(encoding: str, passphrase: str, three: t.Any, openssl: t.Any, write: t.Any) -> None:
    path = write("identity.p12", pkcs12.build(three, passphrase=passphrase, encoding=encoding))
    secret = write("pass", passphrase)
    arguments = ("pkcs12", "-in", path, "-passin", f"file:{secret}", "-nodes")
    shown = openssl(*arguments, "-info")
    if encoding == "modern":
        assert "MAC: sha256, Iteration 20000" in shown.stderr
        assert shown.stderr.count("PBES2, PBKDF2, AES-256-CBC, Iteration 20000, PRF hmacWithSHA256") == 4
    else:
        assert "MAC: sha1, Iteration 10000" in shown.stderr
        assert shown.stderr.count("pbeWithSHA1And3-KeyTripleDES-CBC, Iteration 10000") == 4
        assert openssl(*arguments, "-legacy").stdout == openssl(*arguments).stdout
    found = bags(shown.stdout)
    certificate_bags = [bag for bag in found if bag["kind"] == "CERTIFICATE"]
    key_bags = [bag for bag in found if bag["kind"] == "PRIVATE KEY"]
    assert [bag["name"] for bag in key_bags] == [pair.friendly_name for pair in three]
    # three pairs, and the two issuers once, without a name
    assert [bag["name"] for bag in certificate_bags] == [pair.friendly_name for pair in three] + ["", ""]
    assert [bag["id"] for bag in certificate_bags[:3]] == [bag["id"] for bag in key_bags]
    assert len({bag["id"] for bag in key_bags}) == 3
    assert openssl("pkcs12", "-in", path, "-passin", "pass:wrong", "-noout", check=False).returncode != 0


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_every_kind_of_key(spec: keys.KeySpec, encoding: str, pair_of: t.Any, openssl: t.Any, write: t.Any) -> None:
    pair = pair_of(spec)
    data = pkcs12.build([pair], passphrase="secret-1", encoding=encoding)
    assert told(read(data, "secret-1")) == told([pair])
    made = openssl("pkcs12", "-in", write("p12", data), "-passin", "pass:secret-1", "-nodes", "-nocerts").stdout
    opened = keys.load_private_key(made[made.index("-----BEGIN") :].encode(), passphrase=None, source="it")
    assert keys.public_fingerprint(opened) == keys.public_fingerprint(pair.key)


@pytest.mark.parametrize("passphrase", [PASSPHRASES[1], None])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_out_and_in(encoding: str, passphrase: str | None, three: t.Any) -> None:
    data = pkcs12.build(three, passphrase=passphrase, encoding=encoding)
    assert told(read(data, passphrase)) == told(three)
    first = library.load_pkcs12(data, passphrase.encode() if passphrase else None)
    assert first.key is not None and len(first.additional_certs) == 4


@pytest.mark.parametrize("count", [1, 3])
def test_without_passphrase(count: int, three: t.Any, openssl: t.Any, write: t.Any) -> None:
    path = write("open.p12", pkcs12.build(three[:count], passphrase=None, encoding="modern"))
    shown = openssl("pkcs12", "-in", path, "-passin", "pass:", "-nodes", "-info")
    assert len([bag for bag in bags(shown.stdout) if bag["kind"] == "PRIVATE KEY"]) == count
    assert "Shrouded" not in shown.stderr


def test_a_name_beyond_ascii(pair_of: t.Any) -> None:
    pair = pair_of(SPECS[-1], "Jürgen 密码")
    assert read(pkcs12.build([pair], passphrase="x1", encoding="modern"), "x1")[0].friendly_name == "Jürgen 密码"


def test_many_old_keys(pair_of: t.Any, intermediate: Ca) -> None:
    made = []
    for number in range(12):
        key = keys.generate(keys.key_spec("ECC"))
        leaf = intermediate.issue(key)
        made.append(pkcs12.KeyPair(key, leaf, [intermediate.certificate], f"user@example.com {number}"))
    data = pkcs12.build(made, passphrase="secret-1", encoding="modern")
    assert told(read(data, "secret-1")) == told(made)
    assert data.count(b"\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x0a\x01\x02") == 12


def test_different_each_time(three: t.Any) -> None:
    first, second = (pkcs12.build(three, passphrase="secret-1", encoding="modern") for _number in range(2))
    salts = [asn1_pkcs12.Pfx.load(data)["mac_data"]["mac_salt"].native for data in (first, second)]
    assert first != second and salts[0] != salts[1]


def test_no_key_in_the_clear(three: t.Any) -> None:
    private = three[1].key.private_numbers().private_value.to_bytes(32, "big")
    for encoding in ENCODINGS:
        assert private not in pkcs12.build(three, passphrase="secret-1", encoding=encoding)
    assert all("key=" not in repr(pair) for pair in three)


def test_key_derivation_vectors() -> None:
    """The vectors of the PKCS#12 key derivation that OpenSSL's and Bouncy Castle's tests use: passphrase `smeg`."""
    vectors = [
        (1, "0A58CF64530D823F", 24, "8AAAE6297B6CB04642AB5B077851284EB7128F1A2A7FBCA3"),
        (2, "0A58CF64530D823F", 8, "79993DFE048D3B76"),
        (3, "3D83C0E4546AC140", 20, "8D967D88F6CAA9D714800AB3D48051D63F73A312"),
    ]
    for purpose, salt, length, expected in vectors:
        got = pkcs12_cipher.derive(b"smeg", bytes.fromhex(salt), 1, purpose=purpose, length=length, hash_name="sha1")
        assert got.hex().upper() == expected


def test_key_derivation_agrees_with_openssl(openssl: t.Any) -> None:
    """Several blocks, and a passphrase that is not ASCII."""
    secret = "pässwörd 😀".encode()
    bmp = secret.decode().encode("utf-16-be") + b"\0\0"
    for hash_name, length in (("sha1", 70), ("sha256", 100)):
        out = openssl(
            *("kdf", "-keylen", length, "-kdfopt", f"hexpass:{bmp.hex()}", "-kdfopt", "hexsalt:0102030405060708"),
            *("-kdfopt", "id:1", "-kdfopt", "iter:7", "-kdfopt", f"digest:{hash_name.upper()}", "PKCS12KDF"),
        ).stdout
        ours = pkcs12_cipher.derive(secret, bytes(range(1, 9)), 7, purpose=1, length=length, hash_name=hash_name)
        assert out.strip().replace(":", "").lower() == ours.hex()


def test_bad_pairs(three: t.Any, pair_of: t.Any) -> None:
    def refused(pairs: list[pkcs12.KeyPair], words: str, kind: type[SmimeError] = Pkcs12Error) -> None:
        with pytest.raises(kind, match=words) as caught:
            pkcs12.build(pairs, passphrase="s3cret", encoding="modern")
        assert caught.value.stage == "pkcs12"
        assert_one_sentence(caught.value, "s3cret")

    one, two = three[:2]
    refused([], "at least one private key")
    mixed = pkcs12.KeyPair(one.key, two.certificate, [], "mixed")
    refused([mixed], "'mixed' does not belong to its certificate", KeyMismatchError)
    refused([one, pkcs12.KeyPair(one.key, one.certificate, [], "again")], "'again' is given twice")
    same_name = pkcs12.KeyPair(two.key, two.certificate, [], one.friendly_name.upper())
    refused([one, same_name], "is given to two keys")
    for name in ("", "a\nb", "x" * 256, "smile 😀"):
        refused([pkcs12.KeyPair(one.key, one.certificate, [], name)], "needs 1 to 255 printable characters")


@pytest.mark.parametrize("encoding", ["modern", "compatible"])
def test_the_encoding_is_told_without_the_passphrase(encoding: str, three: t.Any) -> None:
    data = pkcs12.build(three, passphrase="correct horse", encoding=encoding)
    assert pkcs12.encoding_of(data) == encoding
    assert pkcs12.encoding_of(data[:-9]) is None
    assert pkcs12.encoding_of(b"no PKCS#12") is None


def test_bad_encoding(three: t.Any) -> None:
    with pytest.raises(Pkcs12Error, match="modern or compatible, not 'rc2'") as caught:
        pkcs12.build(three, passphrase="s3cret", encoding="rc2")
    assert_one_sentence(caught.value, "s3cret")


@pytest.mark.parametrize(("passphrase", "words"), [("", "is empty"), ("s3\0cret", "cannot be used"), (1, "no text")])
def test_impossible_passphrase(passphrase: t.Any, words: str, three: t.Any) -> None:
    data = pkcs12.build(three, passphrase="right-one", encoding="modern")
    with pytest.raises(PassphraseError, match=words) as writing:
        pkcs12.build(three, passphrase=passphrase, encoding="modern")
    with pytest.raises(PassphraseError, match=words) as reading:
        read(data, passphrase)
    for caught in (writing, reading):
        assert caught.value.stage == "pkcs12"
        assert_one_sentence(caught.value, "s3", "right-one")


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_wrong_missing_superfluous(encoding: str, three: t.Any) -> None:
    data = pkcs12.build(three, passphrase="right-one", encoding=encoding)
    cases = [
        (data, "wr0ng", "cannot be decrypted: passphrase is wrong, or the file is damaged"),
        (data, None, "needs a passphrase; give it in passphrase"),
        (
            pkcs12.build(three, passphrase=None, encoding=encoding),
            "wr0ng",
            "is not encrypted; remove the option passphrase",
        ),
    ]
    for given, passphrase, words in cases:
        with pytest.raises(PassphraseError, match=f"^pkcs12_path /x/y {words}") as caught:
            read(given, passphrase)
        assert caught.value.stage == "pkcs12"
        assert_one_sentence(caught.value, "wr0ng", "right-one")


def test_unreadable(three: t.Any) -> None:
    data = pkcs12.build(three, passphrase="right-one", encoding="modern")
    cuts = [data[:length] for length in range(0, len(data), 41)]
    for given in [b"", b"hello", three[0].certificate.pem, three[0].certificate.der, data + b"x", b"\x30\x80", *cuts]:
        with pytest.raises(Pkcs12Error, match="pkcs12_path /x/y is no PKCS#12 file, or a truncated one") as caught:
            read(given, "right-one")
        assert_one_sentence(caught.value, "right-one")
    with pytest.raises(Pkcs12Error, match="1048577 bytes long"):
        read(b"0" * (1024 * 1024 + 1))


def test_changed_anywhere_is_noticed(three: t.Any) -> None:
    data = pkcs12.build(three[1:2], passphrase="right-one", encoding="modern")
    for at in range(60, len(data) - 120, 37):
        with pytest.raises(SmimeError) as caught:
            read(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :], "right-one")
        assert_one_sentence(caught.value, "right-one")


def test_files_of_others(three: t.Any, openssl: t.Any, write: t.Any) -> None:
    """As openssl makes them: one key with its chain, certificates alone, a key alone; with old ciphers too."""
    pair = three[0]
    key, leaf = write("key", keys.private_pem(pair.key, passphrase=None)), write("leaf", pair.certificate.pem)
    chain = write("chain", b"".join(one.pem for one in pair.chain))
    make = ("pkcs12", "-export", "-passout", "pass:pässword")
    for extra in (("-inkey", key, "-in", leaf, "-certfile", chain, "-name", "Jürgen"),):
        for old in ((), ("-legacy",), ("-descert",)):
            out = leaf.with_name("made.p12")
            openssl(*make, *extra, *old, "-out", out)
            found = read(out.read_bytes(), "pässword")
            assert told(found)[0][:3] == told([pair])[0][:3]
    openssl(*make, "-nokeys", "-in", leaf, "-out", out)
    with pytest.raises(Pkcs12Error, match="holds no private key"):
        read(out.read_bytes(), "pässword")
    openssl(*make, "-nocerts", "-inkey", key, "-out", out)
    with pytest.raises(Pkcs12Error, match="a private key without its certificate"):
        read(out.read_bytes(), "pässword")
    openssl("pkcs12", "-export", "-passout", "pass:", "-inkey", key, "-in", leaf, "-out", out)
    assert read(out.read_bytes())[0].certificate == pair.certificate


def test_foreign_kind_of_key(openssl: t.Any, write: t.Any) -> None:
    key = write("key", openssl("genpkey", "-algorithm", "ed25519").stdout)
    leaf = write("leaf", openssl("req", "-x509", "-key", key, "-subj", "/CN=x").stdout)
    out = leaf.with_name("made.p12")
    openssl("pkcs12", "-export", "-passout", "pass:secret-1", "-inkey", key, "-in", leaf, "-out", out)
    with pytest.raises(Pkcs12Error, match="a private key of a foreign kind") as caught:
        read(out.read_bytes(), "secret-1")
    assert_one_sentence(caught.value, "secret-1")


def test_written_by_the_library(three: t.Any) -> None:
    pair = three[1]
    data = library.serialize_key_and_certificates(
        b"name",
        pair.key,
        pair.certificate.raw,
        [one.raw for one in pair.chain],
        serialization.BestAvailableEncryption(b"secret-1"),
    )
    found = read(data, "secret-1")
    assert told(found) == [(*told([pair])[0][:3], "name")]
    assert isinstance(found[0].certificate, certificate.Certificate)
