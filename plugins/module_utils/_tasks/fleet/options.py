# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options and the return keys of smime_select."""

from __future__ import annotations

import typing as t
import uuid
from dataclasses import dataclass

from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.common import options

from . import change_limit


@dataclass(frozen=True)
class SelectOptions:
    """The options of the module.

    :ivar store_path: absolute.
    :ivar variables: the variables of the inventory, by the name of the mailbox. They are not checked yet, because a
        mistake fails one mailbox and not the task.
    :ivar max_changes: the maximal number of mailboxes that may be reissued for another reason than time.
    :ivar run_id: a name for the run.
    :ivar accounts_only: whether to return only the accounts.
    :ivar complete: whether the inventory names all mailboxes of the store.
    """

    store_path: str
    variables: t.Mapping[str, t.Any]
    max_changes: change_limit.ChangeLimit
    run_id: str
    accounts_only: bool
    complete: bool

    @staticmethod
    def spec() -> options.Params:
        """The argument spec."""
        return {
            "store_path": {"type": "path", "required": True},
            "desired_states": {"type": "dict"},
            "max_changes": {"type": "str", "default": change_limit.DEFAULT},
            "run_id": {"type": "str"},
            "accounts_only": {"type": "bool", "default": False},
            "complete": {"type": "bool", "default": False},
        }

    @classmethod
    def parse(cls, params: options.Params) -> SelectOptions:
        """The options.

        :raises InputError: an invalid option, or no mailboxes.
        """
        if params["desired_states"] is None:
            raise InputError(
                "desired_states is not set. Set it, or run smime_select in a play over the hosts of the mailboxes."
            )
        return cls(
            store_path=params["store_path"],
            variables=params["desired_states"],
            max_changes=change_limit.ChangeLimit.parse(params["max_changes"]),
            run_id=params["run_id"] or uuid.uuid4().hex,
            accounts_only=params["accounts_only"],
            complete=params["complete"],
        )


@dataclass(frozen=True)
class SelectResult:
    """The return keys of the module; dictionaries are by the name of the mailbox.

    :ivar plans: of the due mailboxes. :ivar on_hold: why mailboxes are on hold. :ivar untouched: a number of mailboxes.
    """

    run_id: str
    due: tuple[str, ...]
    failed_mailboxes: dict[str, dict[str, t.Any]]
    on_hold: dict[str, dict[str, t.Any]]
    plans: dict[str, dict[str, t.Any]]
    accounts: tuple[dict[str, str], ...]
    orphans: tuple[dict[str, t.Any], ...]
    untouched: int
