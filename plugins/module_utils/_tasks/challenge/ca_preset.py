# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How CAs read RFC 8823: where it leaves something open, or they take a liberty, one name stands for all of it.

Facts from public code and measurements; docs/interoperability.md tells which ones this project tried.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._mail.authentication import authenticate
from ansible_collections.mailcert.acme.plugins.module_utils._mail.message import key_authorization

POST_MOMENTS = ("after_reply", "before_mail")


@dataclasses.dataclass(frozen=True)
class Behaviour:
    """What a CA does; the defaults are RFC 8823 as written.

    :ivar token_join: how it joins the two parts of the token, which section 3 (6) leaves open.
    :ivar post_moment: ``after_reply`` (section 3 (7)), or ``before_mail``: it sends its mail only once it was told.
    :ivar settle_delay: seconds between reply and POST, where the reply must have arrived when the CA is told.
    :ivar repost: whether it may be told a second time (docs/rules.md, rule 12).
    :ivar absent_headers: what its mails lack of the headers that a challenge must have.
    """

    token_join: str = "string"
    post_moment: str = "after_reply"
    settle_delay: float = 0.0
    repost: bool = False
    absent_headers: tuple[str, ...] = ()


PRESETS: t.Mapping[str, Behaviour] = {
    "rfc8823": Behaviour(),
    # a challenge that is told of before the reply has arrived is invalid for good; 30 s was enough by direct SMTP
    "castle": Behaviour(token_join="bytes", settle_delay=30.0),
    # looks five times in two seconds, then says invalid, and looks again when told again
    "acme2certifier": Behaviour(settle_delay=1.0, repost=True, absent_headers=("auto-submitted", "date")),
    # sends its mail only once it is told
    "akamu": Behaviour(post_moment="before_mail"),
}


def options() -> dict[str, t.Any]:
    """The preset, and each part of it, which wins over the preset where it is set."""
    return {
        "ca_preset": {"type": "str", "choices": list(PRESETS), "default": "rfc8823"},
        "token_join": {"type": "str", "choices": list(key_authorization.JOINS), "no_log": False},
        "post_moment": {"type": "str", "choices": list(POST_MOMENTS)},
        "settle_delay": {"type": "float"},
        "repost": {"type": "bool"},
        "absent_headers": {"type": "list", "elements": "str", "choices": list(authenticate.MAY_BE_ABSENT)},
    }


def behaviour_of(params: dict[str, t.Any]) -> Behaviour:
    """The preset with the parts that are set on top."""
    parts = {field.name: params[field.name] for field in dataclasses.fields(Behaviour)}
    if parts["absent_headers"] is not None:
        parts["absent_headers"] = tuple(parts["absent_headers"])
    return dataclasses.replace(
        PRESETS[params["ca_preset"]], **{name: value for name, value in parts.items() if value is not None}
    )
