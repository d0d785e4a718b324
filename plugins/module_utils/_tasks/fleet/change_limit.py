# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The change limit: a mistake in group_vars must not reissue all certificates of a fleet (docs/rules.md, rule 25)."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError, TooManyChangesError

DEFAULT = "10%"
# the least limit of a percentage: ten per cent of a small fleet would be too few
LEAST = 5
# names in the message; ``details`` has all of them
SHOWN = 20
_NUMBER = re.compile(r"([0-9]{1,9})(%?)", re.ASCII)


@dataclass(frozen=True)
class ChangeLimit:
    """The maximal number of mailboxes that may be reissued for another reason than time.

    :ivar text: the option of the user. :ivar number: of mailboxes, or per cent of the fleet.
    """

    text: str
    number: int
    is_percentage: bool

    @classmethod
    def parse(cls, text: str) -> ChangeLimit:
        """The limit.

        :arg text: a number of mailboxes, or a part of the fleet as ``10%``.
        :raises InputError: the text has another form.
        """
        found = _NUMBER.fullmatch(text.strip())
        if found is None or (found[2] and int(found[1]) > 100):
            raise InputError(
                f"max_changes (smime_max_changes) is a number of mailboxes, or a part such as 10%, not {text!r}."
            )
        return cls(text, int(found[1]), bool(found[2]))

    def allowed(self, fleet: int) -> int:
        """The limit as a number of mailboxes; a percentage is never less than five of them.

        :arg fleet: the mailboxes that the run looks at.
        """
        return max(LEAST, fleet * self.number // 100) if self.is_percentage else self.number

    def check(self, fleet: int, changes: t.Mapping[str, str]) -> None:
        """Stop the run, before it changes anything, if too many mailboxes would be reissued.

        :arg changes: the change, by the name of the mailbox.
        :raises TooManyChangesError: names the mailboxes.
        """
        most = self.allowed(fleet)
        if len(changes) <= most:
            return
        shown = [f"{name} ({detail})" for name, detail in list(changes.items())[:SHOWN]]
        if len(changes) > SHOWN:
            shown.append(f"and {len(changes) - SHOWN} more")
        raise TooManyChangesError(
            f"{len(changes)} of {fleet} mailboxes would be reissued because their variables or their key changed, not"
            f" because their time has come; smime_max_changes ({self.text}) allows {most}. Nothing was done. If you"
            f" want this, run once with -e smime_max_changes=100%. The mailboxes are {', '.join(shown)}.",
            details={"allowed": most, "fleet": fleet, "mailboxes": dict(changes)},
        )
