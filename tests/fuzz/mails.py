# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signed challenge mails of all kinds, as the start of each generated one."""

from __future__ import annotations

import dataclasses
import functools
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._mail.authentication import dkim_verify
from ansible_collections.mailcert.acme.plugins.module_utils._mail.message import challenge
from ansible_collections.mailcert.acme.tests.fuzz import examples, reference
from cryptography.hazmat.primitives.asymmetric import rsa

SINGLE = frozenset(name.encode("ascii") for name in challenge.SINGLE)
# what a signature has to cover where it stands in the mail
CRITICAL = frozenset(name.encode("ascii") for name in dkim_verify.MUST_COVER + dkim_verify.SHOULD_COVER)

TEXT = b"Please reply.\r\n  This is a\tchallenge  for you. \r\n\r\nYour CA\r\n"
MULTIPART = (
    b"--b1\r\nContent-Type: text/plain\r\n\r\nPlease reply.\r\n--b1\r\nContent-Type: text/html; charset=utf-8\r\n"
    b"Content-Transfer-Encoding: quoted-printable\r\n\r\n<p>Please =C3=A9 reply</p>\r\n--b1--\r\n"
)
FOLDED = "ACME: V4nE8NhYh6\r\n edBpfQTg5qqQ"
ENCODED = "=?utf-8?q?ACME:_V4nE8NhYh6?=\r\n\t=?UTF-8?B?ZWRCcGZRVGc1cXFR?="
MORE = {
    "Reply-To": '"The CA" <answers@ca.test>',
    "Cc": "archive@ca.test",
    "Sender": "robot@ca.test",
    "List-Id": "<acme.ca.test>",
    "Content-Transfer-Encoding": "7bit",
}


@dataclasses.dataclass(frozen=True)
class Signed:
    """A good mail.

    :ivar forms: how header and body are canonicalised.
    :ivar accepted: what it is judged to be.
    """

    kit: t.Any
    raw: bytes
    forms: tuple[bytes, bytes]
    zone: t.Mapping[str, t.Sequence[bytes]]
    accepted: t.Any = None

    @property
    def body_at(self) -> int:
        """Where the body begins."""
        return self.raw.index(b"\r\n\r\n") + 4

    @functools.cached_property
    def meaning(self) -> tuple[dict[bytes, list[reference.Field]], bytes]:
        """What is signed."""
        return reference.meaning(self.raw, self.forms, CRITICAL)

    @functools.cached_property
    def spans(self) -> list[tuple[bytes, int, int]]:
        """Where each header stands."""
        return reference.spans(self.raw)

    def judge(self, raw: bytes, **options: t.Any) -> t.Any:
        """What another mail is judged to be, or its Refusal."""
        return examples.outcome(self.kit.judge, raw, **{"txt": self.zone.get, **options})

    def check(self, raw: bytes, *, complete: bool = True) -> None:
        """A mail made out of this one is taken where it says the same, as what this one is, and refused where not.

        :arg complete: whether it must be taken then; not so where its signature was touched.
        """
        result = self.judge(raw)
        if b"\r" not in raw:
            raw = raw.replace(b"\n", b"\r\n")
        same = reference.meaning(raw, self.forms, CRITICAL) == self.meaning
        if examples.refused(result):
            assert not (complete and same and reference.is_plain(raw, SINGLE)), result.message
        else:
            assert same
            assert self.same(result)

    def same(self, result: t.Any) -> bool:
        """Whether a judgement says the same; of two signatures either may be the proof."""
        return dataclasses.replace(result, proof="") == dataclasses.replace(self.accepted, proof="")


@functools.cache
def all_of(kit: t.Any) -> tuple[Signed, ...]:
    """One of each kind, signed once; with the smallest keys that are good."""
    small = type(kit.key)(rsa.generate_private_key(65537, 1024), "small", "ca.test")
    zone = {key.name: [key.record()] for key in (small, kit.edward)}
    relaxed, simple = b"relaxed", b"simple"
    present = ["from", "to", "subject", "date", "message-id", "auto-submitted", "content-type"]
    everything = [*dkim_verify.MUST_COVER, *dkim_verify.SHOULD_COVER]
    kinds: tuple[tuple[t.Any, tuple[bytes, bytes], bytes, dict[str, t.Any], dict[str, t.Any]], ...] = (
        (kit.edward, (relaxed, relaxed), TEXT, {}, {}),
        (small, (relaxed, simple), TEXT, {"Subject": FOLDED}, {}),
        (kit.edward, (relaxed, simple), TEXT, {}, {"cover": present}),
        (small, (simple, relaxed), TEXT, {"Subject": FOLDED}, {"cover": present}),
        (kit.edward, (simple, simple), TEXT, {"Subject": ENCODED}, {}),
        (kit.edward, (relaxed, relaxed), MULTIPART, {"Content-Type": 'multipart/mixed; boundary="b1"'}, {}),
        (small, (relaxed, relaxed), TEXT, {"Subject": ENCODED, **MORE}, {"cover": everything}),
        (kit.edward, (relaxed, relaxed), b"", MORE, {"cover": [*present, *(name.lower() for name in MORE)]}),
    )
    made = []
    for key, forms, text, changes, options in kinds:
        raw = kit.sign(kit.mail(text, **changes), key, canonical=forms, **options)
        made.append(Signed(kit, raw, forms, zone))
    twice = kit.sign(kit.sign(kit.mail(TEXT), small, canonical=(relaxed, simple)), kit.edward)
    # either signature is enough, so the looser forms are what counts
    made.append(Signed(kit, twice, (relaxed, relaxed), zone))
    return tuple(dataclasses.replace(mail, accepted=kit.judge(mail.raw, txt=zone.get)) for mail in made)
