# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the CA and the mail servers do by choice: every switch, its default and what it takes.

A behaviour is lawful (some real CA does it); what goes wrong by accident is a fault (faults.py).
"""

from __future__ import annotations

import dataclasses
import typing as t

_CHOICES: dict[str, tuple[t.Any, ...]] = {
    "token_join": ("string", "bytes"),
    "part1_padding": ("none", "keep", "drop"),
    "mail_moment": ("order", "authorization", "post"),
    "subject_form": ("plain", "folded", "encoded"),
    "dkim": ("rsa", "ed25519", "none", "broken", "foreign"),
    "smime": ("none", "good", "unprotected", "other_name", "foreign", "broken"),
    "smime_form": ("rfc9788", "rfc822", "rfc7508", "rfc9788-opaque", "rfc822-opaque", "rfc7508-opaque"),
    "msa_dkim": ("rsa", "ed25519", "none", "broken"),
    "imap_special_use": ("extended", "plain", "xlist", "none"),
    "retry_after_form": ("seconds", "date"),
    "reuse_orders": (False, True, "any"),
    "subject": ("cn", "empty"),
    "wrong_certificate": ("", "key", "address", "usage", "expired", "future", "no_email_protection", "chain"),
    "ari_broken": ("", "window", "json"),
    "replaces": ("check", "refuse", "malformed"),
    "validity_wishes": ("take", "refuse", "ignore"),
    "unknown_profiles": ("refuse", "ignore"),
}


def _eab_keys() -> dict[str, str]:
    # "lab external account binding key" in base64url; a test key, no secret
    return {"lab-kid": "bGFiIGV4dGVybmFsIGFjY291bnQgYmluZGluZyBrZXk"}


def _profiles() -> dict[str, dict[str, t.Any]]:
    return {
        "smime": {"description": "S/MIME, one year", "validity_days": 365},
        "shortlived": {"description": "S/MIME, six days", "validity_days": 6},
    }


@dataclasses.dataclass
class Behaviour:
    """The switches of the lab. Times are in seconds unless the name says otherwise."""

    # -- the challenge mail (RFC 8823, section 3.1)
    token_join: str = "string"  # how token-part1 and token-part2 are joined
    part1_bytes: int = 20  # not a multiple of 3, so that the two ways of joining differ
    part2_bytes: int = 16
    part1_padding: str = "none"  # "keep" and "drop": the Subject shows "="; only "keep" joins with it
    mail_moment: str = "authorization"  # "order": on newOrder; "authorization": on its first fetch; "post": on POST
    mail_delay: float = 0.0
    from_unique: bool = True  # each challenge has a From of its own by plus addressing
    reply_to: str = ""  # an address at the CA's domain: the mail has a (signed) Reply-To
    subject_form: str = "plain"  # "folded" inside the token, "encoded" by RFC 2047
    auto_submitted: str = "auto-generated; type=acme"  # "" leaves the field out
    date_header: bool = True
    message_id_header: bool = True
    dkim: str = "rsa"  # "foreign": signed by another domain
    dkim_oversign: bool = True  # h= names absent fields too, as RFC 8823 asks and few signers do
    smime: str = "none"  # S/MIME signature of the challenge mail; set dkim to "none" to have it alone
    smime_form: str = "rfc9788"  # how the headers are protected; "-opaque": the signed part is inside the signature
    deliver_to: str = ""  # folder that challenge mails go to; "" is the folder of the address
    # -- validation
    validation_delay: float = 0.0  # from "the reply is here and the challenge was POSTed" to the verdict
    validation_timeout: float = 0.0  # after a POST without a reply the challenge turns invalid; 0 waits for ever
    invalid_on_early_post: bool = False  # a POST before the reply has arrived ends the challenge
    repeat_post_allowed: bool = False  # a second POST of a challenge is no violation
    # -- orders
    reuse_orders: t.Any = False  # True: newOrder returns an open order of the same identifiers; "any": any status
    reuse_authorizations: bool = False  # a valid authorization counts for later orders
    order_lifetime: float = 7 * 86400.0
    authorization_lifetime: float = 30 * 86400.0
    validity_wishes: str = "take"  # what becomes of notBefore and notAfter in newOrder
    # "ignore": a profile that the CA does not have is passed over, as by a CA without profiles
    unknown_profiles: str = "refuse"
    finalize_delay: float = 0.0  # the order stays "processing" so long
    retry_after: float = 1.0  # sent with objects in processing; 0 sends none
    retry_after_form: str = "seconds"
    orders_page: int = 50
    reject_identifiers: list[str] = dataclasses.field(default_factory=list)
    # -- accounts
    eab_required: bool = False
    eab_keys: dict[str, str] = dataclasses.field(default_factory=_eab_keys)
    terms: str = "https://ca.test/terms/v1"  # "" is a CA without terms
    terms_required: bool = True
    terms_enforced: bool = False  # an account that agreed to other terms gets nothing until it agrees to these
    contact_required: bool = False
    profiles: dict[str, dict[str, t.Any]] = dataclasses.field(default_factory=_profiles)
    # -- certificates
    validity_days: float = 365.0
    backdate: float = 300.0  # how far notBefore lies in the past
    subject: str = "cn"
    chain_includes_root: bool = False
    alternate_chains: bool = True
    wrong_certificate: str = ""
    revocation_reasons: list[int] = dataclasses.field(default_factory=lambda: [0, 1, 3, 4, 5])
    # -- renewal information (RFC 9773)
    ari: bool = True
    ari_window: list[float] | None = None  # [start, end] relative to now; None: from 2/3 of the lifetime
    ari_retry_after: float = 21600.0
    ari_explanation: str = ""
    ari_broken: str = ""
    replaces: str = "check"
    # -- mail servers
    idle: bool = True
    imap_uidplus: bool = True
    imap_move: bool = True
    imap_special_use: str = "extended"  # told by LIST RETURN (SPECIAL-USE), by every LIST, by XLIST, or not at all
    imap_special_uses: dict[str, str] = dataclasses.field(default_factory=lambda: {"Junk": "Junk"})  # by folder
    imap_quota_full: bool = False  # no mail can be copied, moved or appended by a client
    # SASL mechanisms of PLAIN, LOGIN, XOAUTH2, OAUTHBEARER and EXTERNAL
    imap_auth: list[str] = dataclasses.field(default_factory=lambda: ["PLAIN", "LOGIN"])
    smtp_auth: list[str] = dataclasses.field(default_factory=lambda: ["PLAIN", "LOGIN"])
    masters: dict[str, str] = dataclasses.field(default_factory=dict)  # master users and their passwords
    tokens: dict[str, str] = dataclasses.field(default_factory=dict)  # access tokens and whose they are; "*": all
    introspection: str = ""  # the URL of an endpoint that knows further tokens (RFC 7662), asked as "lab", "lab-secret"
    starttls: bool = True  # offered on the IMAP and the submission port
    smtputf8: bool = True  # whether the submission server takes addresses outside ASCII (RFC 6531)
    msa_dkim: str = "rsa"  # how the submission server signs what it sends
    # -- the CA's clock, in seconds ahead of ours
    clock_offset: float = 0.0

    def update(self, changes: dict[str, t.Any]) -> None:
        """Set several switches, all or none. Raises ValueError with a sentence for what is unknown or unfit."""
        fields = {field.name: field for field in dataclasses.fields(self)}
        for name, value in changes.items():
            if name not in fields:
                raise ValueError(f"There is no behaviour {name!r}. Known: {', '.join(sorted(fields))}.")
            if name in _CHOICES:
                if not any(value is choice or (value == choice and type(value) is type(choice))
                           for choice in _CHOICES[name]):
                    raise ValueError(f"The behaviour {name} is one of {list(_CHOICES[name])}, not {value!r}.")
                continue
            current = getattr(self, name)
            wanted: tuple[type, ...] = (type(current),)
            if isinstance(current, float):
                wanted = (int, float)
            elif current is None or name == "ari_window":
                wanted = (list, type(None))
            if not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted):
                raise ValueError(f"The behaviour {name} is {type(current).__name__}, not {value!r}.")
        for name, value in changes.items():
            setattr(self, name, value)

    def as_dict(self) -> dict[str, t.Any]:
        return dataclasses.asdict(self)
