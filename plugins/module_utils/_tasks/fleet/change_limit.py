# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The brake: a slip of a key in group_vars must not have a whole fleet reissued (docs/rules.md, rule 25)."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError, TooManyChangesError

DEFAULT = "10%"
# of a small fleet ten per cent would be nothing
LEAST = 5
# names in the sentence; details has all of them
SHOWN = 20
_NUMBER = re.compile(r"([0-9]{1,9})(%?)", re.ASCII)


def allowed(limit: str, fleet: int) -> int:
    """How many mailboxes may be reissued for another reason than time.

    :arg limit: a number of mailboxes, or a part of the fleet as ``10%``, which is never less than five mailboxes.
    :arg fleet: the mailboxes that the run looks at.
    :raises InputError: it is neither.
    """
    found = _NUMBER.fullmatch(limit.strip())
    if found is None or (found[2] and int(found[1]) > 100):
        raise InputError(f"max_changes (smime_max_changes) is a number of mailboxes, or a part such as 10%, not {limit!r}.")
    return max(LEAST, fleet * int(found[1]) // 100) if found[2] else int(found[1])


def check(limit: str, fleet: int, changes: t.Mapping[str, str]) -> None:
    """Stop the run before anything is done if too many would be reissued.

    :arg changes: for each such mailbox what changed.
    :raises TooManyChangesError: it lists them.
    """
    most = allowed(limit, fleet)
    if len(changes) <= most:
        return
    shown = [f"{name} ({detail})" for name, detail in list(changes.items())[:SHOWN]]
    if len(changes) > SHOWN:
        shown.append(f"and {len(changes) - SHOWN} more")
    raise TooManyChangesError(
        f"{len(changes)} of {fleet} mailboxes would be reissued because their wish or their key changed, not because it is"
        f" time; smime_max_changes ({limit}) allows {most}. Nothing was done. If it is meant, run once with"
        f" -e smime_max_changes=100%. They are {', '.join(shown)}.",
        details={"allowed": most, "fleet": fleet, "mailboxes": dict(changes)},
    )
