# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The subject of a challenge mail as a person pastes it (RFC 8823, section 3.1 (1)).

Mail programs show a subject in many forms: with the name of the header, over several lines, encoded, with blanks around
it. These are removed. The rest must be the subject of a challenge, and is checked as strictly as in a mail.
"""

from __future__ import annotations

import re

from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError
from ansible_collections.mailcert.acme.plugins.module_utils._mail.message import challenge
from ansible_collections.mailcert.acme.plugins.module_utils._mail.message.headers import Instance
from ansible_collections.mailcert.acme.plugins.module_utils._mail.message.refusal import Refusal

_FIELD_NAME = re.compile(r"\Asubject[ \t]*:", re.IGNORECASE)
# no subject is longer; a longer text is a whole mail
MAX_PASTED = challenge.MAX_SUBJECT


def token_part1(pasted: str) -> str:
    """token-part1 of the pasted subject, with the padding that it has there.

    :raises InputError: with one sentence that says what is wrong with it.
    """
    # splitlines and split know more line ends and blanks than mail has: mail programs may show those
    subject = " ".join(" ".join(pasted[: MAX_PASTED + 1].splitlines()).split())
    subject = _FIELD_NAME.sub("", subject).strip()
    if not subject:
        raise InputError("The subject is empty; give that of the challenge mail, which begins with ACME:.")
    try:
        return challenge.token_part1(Instance("subject", subject.encode("utf-8", "surrogatepass")))
    except Refusal as refusal:
        hint = {
            "is_reply": "Give the subject of the mail that the CA sent, not of a reply to it",
            "token_invalid": "It may be cut off: give the whole subject",
        }.get(refusal.reason, "Give the whole subject, from ACME: to the last character")
        raise InputError(f"{refusal.message} {hint}.") from None
