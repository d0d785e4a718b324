# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small ACME and mail client for the lab's own tests: every member of a request can be spoiled."""

from __future__ import annotations

import base64
import email
import email.header
import hashlib
import http.client
import imaplib
import json
import smtplib
import ssl
import time
import typing as t
import urllib.parse

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.x509.oid import NameOID


def kinds(lab: t.Any) -> list[str]:
    """The kinds of the violations so far, sorted and without repetition."""
    return sorted({item["kind"] for item in lab.violations()})


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def jwk(key: t.Any) -> dict[str, str]:
    numbers = key.public_key().public_numbers()
    if isinstance(key, rsa.RSAPrivateKey):
        return {"e": b64(numbers.e.to_bytes(3, "big")), "kty": "RSA",
                "n": b64(numbers.n.to_bytes((numbers.n.bit_length() + 7) // 8, "big"))}
    size = (key.curve.key_size + 7) // 8
    return {"crv": f"P-{key.curve.key_size}", "kty": "EC", "x": b64(numbers.x.to_bytes(size, "big")),
            "y": b64(numbers.y.to_bytes(size, "big"))}


def thumbprint(key: t.Any) -> str:
    return b64(hashlib.sha256(json.dumps(jwk(key), separators=(",", ":"), sort_keys=True).encode()).digest())


def sign(key: t.Any, data: bytes) -> bytes:
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(data, padding.PKCS1v15(), hashes.SHA256())
    algorithm = {256: hashes.SHA256, 384: hashes.SHA384, 521: hashes.SHA512}[key.curve.key_size]()
    first, second = utils.decode_dss_signature(key.sign(data, ec.ECDSA(algorithm)))
    size = (key.curve.key_size + 7) // 8
    return first.to_bytes(size, "big") + second.to_bytes(size, "big")


def algorithm(key: t.Any) -> str:
    if isinstance(key, rsa.RSAPrivateKey):
        return "RS256"
    return {256: "ES256", 384: "ES384", 521: "ES512"}[key.curve.key_size]


def new_key() -> t.Any:
    return ec.generate_private_key(ec.SECP256R1())


class Response:
    def __init__(self, status: int, headers: t.Any, body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self) -> t.Any:
        return json.loads(self.body)

    @property
    def kind(self) -> str:
        """The token of a problem document."""
        return self.json["type"].rpartition(":")[2]


class Client:
    def __init__(self, lab: t.Any, key: t.Any = None) -> None:
        self.lab = lab
        self.key = key or new_key()
        self.kid = ""
        self.nonce = ""
        self.context = ssl.create_default_context(cafile=lab.ca_file)
        self.directory = self.plain("GET", lab.directory).json

    def plain(self, method: str, url: str, body: t.Any = None, headers: dict[str, str] | None = None) -> Response:
        parts = urllib.parse.urlsplit(url)
        connection = http.client.HTTPSConnection(parts.hostname, parts.port, context=self.context, timeout=20)
        connection.putrequest(method, parts.path + ("?" + parts.query if parts.query else ""))
        for name, value in {"User-Agent": "lab-tests", **(headers or {})}.items():
            if value:
                connection.putheader(name, value)
        connection.putheader("Content-Length", str(len(body or b"")))
        connection.endheaders(body)
        response = connection.getresponse()
        answer = Response(response.status, response.headers, response.read())
        connection.close()
        self.nonce = response.headers.get("Replay-Nonce") or self.nonce
        return answer

    def jws(self, url: str, payload: t.Any, *, key: t.Any = None, protected: dict[str, t.Any] | None = None,
            with_jwk: bool = False, nonce: bool = True) -> dict[str, str]:
        """A flattened JWS; members of ``protected`` replace the right ones, None removes them."""
        key = key or self.key
        header: dict[str, t.Any] = {"alg": algorithm(key), "url": url}
        if nonce:
            header["nonce"] = self.take_nonce()
        if with_jwk:
            header["jwk"] = jwk(key)
        else:
            header["kid"] = self.kid
        header.update(protected or {})
        header = {name: value for name, value in header.items() if value is not None}
        first = b64(json.dumps(header).encode())
        second = "" if payload is None else b64(payload if isinstance(payload, bytes) else json.dumps(payload).encode())
        return {"protected": first, "payload": second, "signature": b64(sign(key, f"{first}.{second}".encode()))}

    def take_nonce(self) -> str:
        if not self.nonce:
            self.plain("HEAD", self.directory["newNonce"])
        nonce, self.nonce = self.nonce, ""
        return nonce

    def post(self, url: str, payload: t.Any = None, *, headers: dict[str, str] | None = None,
             **options: t.Any) -> Response:
        body = json.dumps(self.jws(url, payload, **options)).encode()
        return self.raw(url, body, headers)

    def raw(self, url: str, body: bytes, headers: dict[str, str] | None = None) -> Response:
        return self.plain("POST", url, body, {"Content-Type": "application/jose+json", **(headers or {})})

    # -- ACME

    def register(self, **members: t.Any) -> Response:
        response = self.post(self.directory["newAccount"], {"termsOfServiceAgreed": True, **members}, with_jwk=True)
        self.kid = response.headers.get("Location") or self.kid
        return response

    def order(self, *addresses: str, **members: t.Any) -> Response:
        return self.post(self.directory["newOrder"], {
            "identifiers": [{"type": "email", "value": address} for address in addresses], **members})

    def challenge(self, order: t.Any, index: int = 0) -> dict[str, t.Any]:
        return self.post(order["authorizations"][index]).json["challenges"][0]

    def issue(self, user: t.Mapping[str, t.Any], *addresses: str, key: t.Any = None, **members: t.Any) -> str:
        """The whole way; returns the PEM chain."""
        wanted = addresses or (user["address"],)
        order = self.order(*wanted, **members)
        for index, address in enumerate(wanted):
            challenge = self.challenge(order.json, index)
            self.answer(user, challenge, address=address)
            assert self.post(challenge["url"], {}).json["status"] == "valid"
        final = self.post(order.json["finalize"], {"csr": b64(csr(key or new_key(), *wanted))})
        assert final.json["status"] == "valid", final.json
        return self.post(final.json["certificate"]).body.decode()

    # -- mail

    def find_mail(self, user: t.Mapping[str, t.Any], sender: str, folder: str = "INBOX") -> t.Any:
        """The newest mail from ``sender``, waiting up to five seconds."""
        connection = imaplib.IMAP4_SSL(self.lab.imaps["host"], self.lab.imaps["port"], ssl_context=self.context)
        try:
            connection.login(user["user"], user["password"])
            for _dummy in range(100):
                connection.select(folder, readonly=True)
                found = connection.search(None, "FROM", f'"{sender}"')[1][0].split()
                if found:
                    return email.message_from_bytes(connection.fetch(found[-1].decode(), "(BODY.PEEK[])")[1][0][1])
                time.sleep(0.05)
            raise AssertionError(f"no mail from {sender}")
        finally:
            connection.logout()

    def digest(self, mail: t.Any, challenge: t.Mapping[str, t.Any], join: str = "string", key: t.Any = None) -> str:
        subject = str(email.header.make_header(email.header.decode_header(mail["Subject"])))
        part1 = "".join(subject.partition("ACME:")[2].split())
        token = part1 + challenge["token"]
        if join == "bytes":
            token = b64(unb64(part1.rstrip("=")) + unb64(challenge["token"]))
        return b64(hashlib.sha256(f"{token}.{thumbprint(key or self.key)}".encode()).digest())

    def reply(self, mail: t.Any, digest: str, *, sender: str, changes: dict[str, t.Any] | None = None,
              body: str = "") -> bytes:
        """A right reply; ``changes`` replaces header fields, None removes them."""
        subject = "".join(str(email.header.make_header(email.header.decode_header(mail["Subject"]))).split()[1:])
        fields: dict[str, t.Any] = {
            "From": sender, "To": mail["Reply-To"] or mail["From"], "Subject": "Re: ACME: " + subject,
            "Date": "Sat, 21 Nov 2026 22:27:42 +0000", "Message-ID": f"<{digest[:20]}@lab.test>",
            "In-Reply-To": mail["Message-ID"], "References": mail["Message-ID"], "MIME-Version": "1.0",
            "Content-Type": "text/plain; charset=us-ascii", "Content-Transfer-Encoding": "7bit",
        }
        fields.update(changes or {})
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items() if value is not None)
        body = body or f"-----BEGIN ACME RESPONSE-----\r\n{digest}\r\n-----END ACME RESPONSE-----\r\n"
        return (head + "\r\n" + body).encode()

    def submit(self, user: t.Mapping[str, t.Any], recipient: str, raw: bytes, *, sender: str = "",
               implicit: bool = False) -> None:
        if implicit:
            end = self.lab.submissions
            connection: t.Any = smtplib.SMTP_SSL(end["host"], end["port"], context=self.context, timeout=20)
        else:
            end = self.lab.submission
            connection = smtplib.SMTP(end["host"], end["port"], timeout=20)
            connection.starttls(context=self.context)
        try:
            connection.login(user["user"], user["password"])
            connection.sendmail(sender or user["address"], [recipient], raw)
        finally:
            connection.close()

    def answer(self, user: t.Mapping[str, t.Any], challenge: t.Mapping[str, t.Any], *, address: str = "",
               join: str = "string", folder: str = "INBOX", implicit: bool = False, **changes: t.Any) -> t.Any:
        """Find the mail and reply to it; returns the mail."""
        mail = self.find_mail(user, challenge["from"], folder)
        address = address or user["address"]
        raw = self.reply(mail, self.digest(mail, challenge, join), sender=address, **changes)
        self.submit(user, mail["Reply-To"] or mail["From"], raw, sender=address, implicit=implicit)
        return mail


def csr(key: t.Any, *addresses: str, usage: t.Sequence[str] | None = None, subject: str = "",
        names: t.Sequence[t.Any] = ()) -> bytes:
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, subject)] if subject else []
    general = [x509.RFC822Name(address) for address in addresses] + list(names)
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(attributes))
    if general:
        builder = builder.add_extension(x509.SubjectAlternativeName(general), critical=not attributes)
    if usage is not None:
        bits = dict.fromkeys((
            "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
            "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"), False)
        bits.update(dict.fromkeys(usage, True))
        builder = builder.add_extension(x509.KeyUsage(**bits), critical=True)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
