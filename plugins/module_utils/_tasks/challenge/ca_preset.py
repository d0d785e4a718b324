# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How CAs implement RFC 8823.

A preset describes one CA where the RFC allows a choice, or where the CA does not follow the RFC.
The facts are from public code and measurements; docs/interoperability.md says which CAs this project tested.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._mail.authentication import authenticate
from ansible_collections.mailcert.acme.plugins.module_utils._mail.message import key_authorization
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.common.options import Params

POST_MOMENTS = ("after_reply", "before_mail")


@dataclasses.dataclass(frozen=True)
class CaPreset:
    """The behavior of a CA; the defaults are RFC 8823.

    :ivar token_join: how it joins the two parts of the token, which section 3 (6) does not define.
    :ivar post_moment: when it is notified: ``after_reply`` (section 3 (7)), or ``before_mail`` for a CA that sends its
        mail only after the notice.
    :ivar settle_delay: seconds between the reply and the notice, for a CA that needs the reply before the notice.
    :ivar post_again: whether it may be notified a second time (docs/rules.md, rule 12).
    :ivar absent_headers: the headers that a challenge must have and that its mails do not have.
    """

    token_join: str = "string"
    post_moment: str = "after_reply"
    settle_delay: float = 0.0
    post_again: bool = False
    absent_headers: tuple[str, ...] = ()

    @staticmethod
    def spec() -> Params:
        """The part of the argument spec: the preset, and each part of it."""
        return {
            "ca_preset": {"type": "str", "choices": list(PRESETS), "default": "rfc8823"},
            "token_join": {"type": "str", "choices": list(key_authorization.JOINS), "no_log": False},
            "post_moment": {"type": "str", "choices": list(POST_MOMENTS)},
            "settle_delay": {"type": "float"},
            "post_again": {"type": "bool"},
            "absent_headers": {"type": "list", "elements": "str", "choices": list(authenticate.MAY_BE_ABSENT)},
        }

    @classmethod
    def parse(cls, params: Params) -> CaPreset:
        """The preset. A part that is set has precedence over that of the preset."""
        parts = {field.name: params[field.name] for field in dataclasses.fields(cls)}
        if parts["absent_headers"] is not None:
            parts["absent_headers"] = tuple(parts["absent_headers"])
        return dataclasses.replace(
            PRESETS[params["ca_preset"]], **{name: value for name, value in parts.items() if value is not None}
        )


PRESETS: t.Mapping[str, CaPreset] = {
    "rfc8823": CaPreset(),
    # a challenge is invalid for good where the notice comes before the reply; 30 s was enough by direct SMTP
    "castle": CaPreset(token_join="bytes", settle_delay=30.0),
    # looks five times in two seconds, then says invalid, and looks again at a second notice
    "acme2certifier": CaPreset(settle_delay=1.0, post_again=True, absent_headers=("auto-submitted", "date")),
    # sends its mail only after the notice
    "akamu": CaPreset(post_moment="before_mail"),
}
