# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""smime_select: of a whole fleet, the mailboxes that need work, in one task."""

from __future__ import annotations

import os
import typing as t
import uuid

from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError, SmimeError
from ansible_collections.mailcert.acme.plugins.module_utils._libs.require import PKI
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs import temporaries
from ansible_collections.mailcert.acme.plugins.module_utils._store.tree import layout, lineage
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context, Outcome, Task
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.common import run_id as common_run_id
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.common import throttle
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.fleet import (
    backoff,
    change_limit,
    former_addresses,
    store_check,
)
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.fleet import (
    orphans as fleet_orphans,
)
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.fleet import (
    state as fleet_state,
)
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.fleet.address_index import Names
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.fleet.desired import Wish, read_wish
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.renewal import renewal_info

ARGUMENT_SPEC: dict[str, t.Any] = {
    "store_path": {"type": "path", "required": True},
    "wishes": {"type": "dict"},
    "max_changes": {"type": "str", "default": change_limit.DEFAULT},
    "run_id": {"type": "str"},
    "accounts_only": {"type": "bool", "default": False},
    "complete": {"type": "bool", "default": False},
}

# a mailbox, its wish, what the store holds for it
Found = t.Tuple[Wish, fleet_state.State, lineage.Line]


def run(params: dict[str, t.Any], context: Context) -> Outcome:
    """Sort the fleet into due, untouched and failed. One bad wish fails alone."""
    if params["wishes"] is None:
        raise InputError("wishes is not set; without it smime_select works only in a play over the mailboxes.")
    change_limit.allowed(params["max_changes"], 0)
    store = layout.Store(params["store_path"], option="store_path")
    run_id = params["run_id"] or uuid.uuid4().hex
    failed: dict[str, t.Any] = {}
    store.check()
    names = Names()
    wishes = _read_all(params["wishes"], failed, names)
    accounts: dict[str, dict[str, t.Any]] = {}
    if params["accounts_only"]:
        for name, wish in wishes.items():
            account = fleet_state.account_of(store, wish)
            accounts.setdefault(account["account_key_path"], {"host": name, **account})
        return _outcome(run_id=run_id, failed=failed, accounts=accounts, untouched=len(wishes))
    if not context.check_mode:
        temporaries.sweep_store(store.path)
    found = _look_at_all(wishes, store, context, failed)
    if not context.check_mode:
        _ask_cas(store, found, context)
    found = {name: entry for name, entry in found.items() if entry[1].due or entry[1].rebuild}
    holding = backoff.Holding(store, context.now(), throttle.finder_of(context))
    held = _hold_back(store, found, holding, names, failed)
    # what is held is not reissued now: it must not keep the others from being renewed
    change_limit.check(params["max_changes"], len(params["wishes"]), fleet_state.changes(found))
    due: list[str] = []
    plans: dict[str, t.Any] = {}
    prepared = False
    for name, (wish, state, where) in found.items():
        try:
            lost = store_check.pending_damage(where) if state.due else ""
            if lost:
                context.warn(f"{name}: {lost}")
            if not context.check_mode:
                holding.reopen(wish)
                prepared |= _prepare(store, wish, state, where, run_id, give_up=bool(lost))
            plan = fleet_state.plan_of(store, wish, state, where)
            for sentence in store_check.damages(store, wish, state, where):
                context.warn(f"{name}: {sentence}")
        except SmimeError as error:
            failed[name] = _failure(error)
            continue
        due.append(name)
        plans[name] = plan
        if state.due:
            # the first host of an account stands for it: its variables say how the account is made
            account = fleet_state.account_of(store, wish)
            accounts.setdefault(account["account_key_path"], {"host": name, **account})
    return _outcome(
        changed=prepared,
        run_id=run_id,
        due=due,
        failed=failed,
        plans=plans,
        accounts=accounts,
        orphans=fleet_orphans.orphans(store, names) if params["complete"] else [],
        held=held,
        untouched=len(params["wishes"]) - len({*due, *failed, *held}),
    )


def _outcome(
    *,
    run_id: str,
    failed: dict[str, t.Any],
    accounts: dict[str, dict[str, t.Any]],
    untouched: int,
    changed: bool = False,
    due: t.Sequence[str] = (),
    plans: dict[str, t.Any] | None = None,
    orphans: t.Sequence[dict[str, t.Any]] = (),
    held: dict[str, t.Any] | None = None,
) -> Outcome:
    return Outcome(
        changed=changed,
        values={
            "run_id": run_id,
            "due": list(due),
            "failed_mailboxes": failed,
            "held": held or {},
            "plans": plans or {},
            "accounts": list(accounts.values()),
            "orphans": list(orphans),
            "untouched": untouched,
        },
    )


def _read_all(wishes: dict[str, t.Any], failed: dict[str, t.Any], names: Names) -> dict[str, Wish]:
    """The wishes, checked; what cannot be used goes into ``failed``, whom all name into ``names``."""
    found: dict[str, Wish] = {}
    owners: dict[tuple[str, str], str] = {}
    for name, values in wishes.items():
        try:
            wish = _read(name, values, names)
            line = (wish.addresses[0], layout.line_name(wish.usage, wish.staging))
            if line in owners:
                raise InputError(
                    f"{name} and {owners[line]} both wish a certificate of usage {wish.usage} for"
                    f" {wish.addresses[0]}; give each address and usage to one host."
                )
            owners[line] = name
            found[name] = wish
        except SmimeError as error:
            failed[name] = _failure(error)
    return found


def _look_at_all(
    wishes: dict[str, Wish], store: layout.Store, context: Context, failed: dict[str, t.Any]
) -> dict[str, Found]:
    """What is due or may be, in the order of the wishes; what cannot be used goes into ``failed``."""
    now = context.now()
    found: dict[str, Found] = {}
    for name, wish in wishes.items():
        try:
            state, where = fleet_state.state_of(store, wish, now)
            if not context.check_mode:
                store_check.sweep(store, wish, where, whole=state.due)
        except SmimeError as error:
            failed[name] = _failure(error)
            continue
        if state.due or state.rebuild or state.look:
            found[name] = (wish, state, where)
    return found


def _hold_back(
    store: layout.Store,
    found: dict[str, Found],
    holding: backoff.Holding,
    names: Names,
    failed: dict[str, t.Any],
) -> dict[str, t.Any]:
    """Take out of ``found`` what is held, and give it; and what cannot be used, which goes into ``failed``.

    What is held from an order stays in ``found`` where its PKCS#12 has to be written.
    """
    held: dict[str, t.Any] = {}
    for name, (wish, state, line) in list(found.items()):
        try:
            former_addresses.check(wish, names)
            hold = holding.hold(wish, line) if state.due else None
            bundle = fleet_state.bundle_of(store, wish, state, line) if hold is not None else None
        except SmimeError as error:
            failed[name] = _failure(error)
            del found[name]
            continue
        if hold is not None:
            held[name] = {"reason": state.reason, "detail": state.detail, **hold}
            del found[name]
        if bundle is not None:
            found[name] = (wish, bundle, line)
    return held


def _read(name: str, values: t.Any, names: Names) -> Wish:
    try:
        if not isinstance(values, dict):
            raise InputError(f"The wish of {name} must be a dictionary.")
        wish = read_wish(name, values)
    except SmimeError:
        names.add_unusable(values)
        raise
    names.add(wish)
    return wish


def _ask_cas(store: layout.Store, found: dict[str, Found], context: Context) -> None:
    """Ask the CAs when they want certificates renewed, of which they may be asked now; the answers go into ``found``."""
    looks: dict[renewal_info.Ca, list[renewal_info.Look]] = {}
    for name, (wish, state, line) in found.items():
        if state.look and state.recorded is not None:
            folder = os.path.dirname(store.account_folder(wish.acme_directory, wish.account_name))
            ca = renewal_info.Ca(
                wish.acme_directory, folder, wish.acme_validate_certs, wish.acme_ca_path, wish.acme_request_timeout
            )
            look = renewal_info.Look(name, line.renewal, state.recorded.ari_id, state.known)
            looks.setdefault(ca, []).append(look)
    if not looks:
        return
    for name, news in renewal_info.ask(looks, context).items():
        wish, state, line = found[name]
        found[name] = (wish, fleet_state.with_news(state, wish, news, context.now()), line)


def _failure(error: SmimeError) -> dict[str, t.Any]:
    return {**error.as_result(), "stage": "select"}


def _prepare(
    store: layout.Store, wish: Wish, state: fleet_state.State, line: lineage.Line, run_id: str, *, give_up: bool
) -> bool:
    """Make the mailbox's folder, so that the modules of the chain find it. Gives whether anything was changed.

    A version that an earlier run began for another wish is given up; its key stays.

    :arg give_up: whether it is given up, whatever the wish.
    """
    folder = store.mailbox(wish.addresses[0])
    if not folder.exists():
        store.secret()
        folder.create()
        return True
    if state.due and (give_up or not fleet_state.pending_fits(wish, line)):
        line.retire(line.pending(), run_id, is_gone=common_run_id.is_gone)
        return True
    return False


TASK = Task(run=run, argument_spec=ARGUMENT_SPEC, libraries=PKI)
