# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""smime_select: select the mailboxes of a fleet that need work, in one task."""

from __future__ import annotations

import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError, SmimeError
from ansible_collections.mailcert.acme.plugins.module_utils._libs.require import PKI
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs import temporaries
from ansible_collections.mailcert.acme.plugins.module_utils._store.tree import layout, lineage
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context, Outcome, Task
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.common import options, throttle
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.common import run_id as run_ids
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.fleet import (
    backoff,
    former_addresses,
    orphans,
    store_check,
)
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.fleet import (
    state as fleet_state,
)
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.fleet.address_index import AddressIndex
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.fleet.desired import DesiredState
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.fleet.options import SelectOptions, SelectResult
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.fleet.plan import Account, Plan
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.renewal import renewal_info


class Found(t.NamedTuple):
    """A mailbox that needs work, or may need it: its desired state, its state in the store, and its line."""

    desired: DesiredState
    state: fleet_state.State
    line: lineage.Line


def run(params: options.Params, context: Context) -> Outcome:
    """Divide the fleet into due, on hold, untouched and failed. An error of a mailbox fails that mailbox only."""
    given = SelectOptions.parse(params)
    store = layout.Store(given.store_path, option="store_path")
    store.check()
    return _Selection(given, store, context).run()


class _Selection:
    """One run of the module."""

    def __init__(self, given: SelectOptions, store: layout.Store, context: Context) -> None:
        self._given = given
        self._store = store
        self._context = context
        self._index = AddressIndex()
        self._failed: dict[str, SmimeError] = {}
        self._on_hold: dict[str, dict[str, t.Any]] = {}
        self._plans: dict[str, Plan] = {}
        # by the path of the key; the variables of the first mailbox of an account describe the account
        self._accounts: dict[str, tuple[str, Account]] = {}
        self._prepared = False

    def run(self) -> Outcome:
        """Compare all mailboxes with the store, and prepare those that need work."""
        desired = self._read_all()
        if self._given.accounts_only:
            for name, state in desired.items():
                self._need_account(name, Account.of(self._store, state))
            return self._outcome(untouched=len(desired))
        found = self._examine(desired)
        if not self._context.check_mode:
            self._ask_cas(found)
        found = {name: mailbox for name, mailbox in found.items() if mailbox.state.due or mailbox.state.rebuild}
        waiting = backoff.Backoff(self._store, self._context.now(), throttle.damage_handler(self._context))
        self._hold_back(found, waiting)
        # mailboxes on hold are not reissued now, so the change limit does not count them
        self._given.max_changes.check(len(self._given.variables), _changes(found))
        for name, mailbox in found.items():
            try:
                self._plans[name] = self._plan(name, mailbox, waiting)
            except SmimeError as error:
                self._failed[name] = error
                continue
            if mailbox.state.due:
                self._need_account(name, self._plans[name].account)
        touched = {*self._plans, *self._failed, *self._on_hold}
        return self._outcome(untouched=len(self._given.variables) - len(touched))

    def _outcome(self, *, untouched: int) -> Outcome:
        reports_orphans = self._given.complete and not self._given.accounts_only
        left_over = orphans.orphans(self._store, self._index) if reports_orphans else []
        result = SelectResult(
            run_id=self._given.run_id,
            due=tuple(self._plans),
            failed_mailboxes={name: {**error.as_result(), "stage": "select"} for name, error in self._failed.items()},
            on_hold=self._on_hold,
            plans={name: plan.to_result() for name, plan in self._plans.items()},
            accounts=tuple(account.to_result(name) for name, account in self._accounts.values()),
            orphans=tuple(orphan.to_result() for orphan in left_over),
            untouched=untouched,
        )
        return Outcome(changed=self._prepared, result=result)

    def _need_account(self, name: str, account: Account) -> None:
        self._accounts.setdefault(account.key_path, (name, account))

    def _read_all(self) -> dict[str, DesiredState]:
        """The desired states, checked. All their addresses go into the index."""
        found: dict[str, DesiredState] = {}
        owners: dict[tuple[str, str], str] = {}
        for name, values in self._given.variables.items():
            try:
                desired = self._read(name, values)
                line = (desired.primary, layout.line_name(desired.usage, desired.staging))
                if line in owners:
                    raise InputError(
                        f"{name} and {owners[line]} both ask for a certificate of usage {desired.usage} for"
                        f" {desired.primary}; give each address and usage to one host."
                    )
                owners[line] = name
                found[name] = desired
            except SmimeError as error:
                self._failed[name] = error
        return found

    def _read(self, name: str, values: t.Any) -> DesiredState:
        try:
            if not isinstance(values, dict):
                raise InputError(f"The variables of {name} must be a dictionary.")
            desired = DesiredState.parse(name, values)
        except SmimeError:
            self._index.add_unusable(values)
            raise
        self._index.add(desired)
        return desired

    def _examine(self, desired: dict[str, DesiredState]) -> dict[str, Found]:
        """The mailboxes that are due or may be due, in the order of the inventory."""
        write = not self._context.check_mode
        if write:
            temporaries.sweep_store(self._store.path)
        now = self._context.now()
        found: dict[str, Found] = {}
        for name, wanted in desired.items():
            try:
                state, line = fleet_state.state_of(self._store, wanted, now)
                if write:
                    store_check.sweep(self._store, wanted, line, whole=state.due)
            except SmimeError as error:
                self._failed[name] = error
                continue
            if state.due or state.rebuild or state.look:
                found[name] = Found(wanted, state, line)
        return found

    def _ask_cas(self, found: dict[str, Found]) -> None:
        """Fetch renewal information where that is allowed now; the answers go into ``found``."""
        looks: dict[renewal_info.Ca, list[renewal_info.Look]] = {}
        for name, (desired, state, line) in found.items():
            if state.look and state.recorded is not None:
                ca = renewal_info.Ca(
                    desired.acme_directory,
                    Account.of(self._store, desired).ca_folder,
                    desired.acme_validate_certs,
                    desired.acme_ca_path,
                    desired.acme_request_timeout,
                )
                look = renewal_info.Look(name, line.renewal, state.recorded.ari_id, state.known)
                looks.setdefault(ca, []).append(look)
        if not looks:
            return
        now = self._context.now()
        for name, news in renewal_info.ask(looks, self._context).items():
            mailbox = found[name]
            state = fleet_state.with_renewal_info(mailbox.state, mailbox.desired, news, now)
            found[name] = mailbox._replace(state=state)

    def _hold_back(self, found: dict[str, Found], waiting: backoff.Backoff) -> None:
        """Remove the mailboxes that are on hold, or have errors, from ``found``.

        A mailbox on hold stays in ``found`` if its PKCS#12 has to be written, which needs no order.
        """
        for name, mailbox in list(found.items()):
            desired, state, line = mailbox
            try:
                former_addresses.check(desired, self._index)
                hold = waiting.hold(desired, line) if state.due else None
                bundle = None if hold is None else fleet_state.bundle_of(self._store, desired, state, line)
            except SmimeError as error:
                self._failed[name] = error
                del found[name]
                continue
            if hold is not None:
                self._on_hold[name] = {"reason": state.reason, "detail": state.detail, **hold.to_result()}
                del found[name]
            if bundle is not None:
                found[name] = mailbox._replace(state=bundle)

    def _plan(self, name: str, mailbox: Found, waiting: backoff.Backoff) -> Plan:
        desired, state, line = mailbox
        lost = store_check.pending_damage(line) if state.due else ""
        if lost:
            self._context.warn(f"{name}: {lost}")
        if not self._context.check_mode:
            waiting.close_breaker(desired)
            self._prepared |= self._prepare(mailbox, abandon=bool(lost))
        plan = Plan.of(self._store, desired, state, line)
        for sentence in store_check.damages(self._store, desired, state, line):
            self._context.warn(f"{name}: {sentence}")
        return plan

    def _prepare(self, mailbox: Found, *, abandon: bool) -> bool:
        """Make the mailbox's folder for the modules of the chain. Returns whether anything was changed.

        An unfinished version for another desired state is abandoned; its key stays.

        :arg abandon: whether to abandon the unfinished version in any case.
        """
        desired, state, line = mailbox
        folder = self._store.mailbox(desired.primary)
        if not folder.exists():
            self._store.secret()
            folder.create()
            return True
        if state.due and (abandon or not fleet_state.pending_fits(desired, line)):
            line.retire(line.pending(), self._given.run_id, is_gone=run_ids.is_gone)
            return True
        return False


def _changes(found: t.Mapping[str, Found]) -> dict[str, str]:
    """The mailboxes that would be reissued for another reason than time, for the change limit (rule 25)."""
    return {
        name: state.detail
        for name, (_desired, state, _line) in found.items()
        if state.due and state.decision is not None and not state.decision.by_time
    }


TASK = Task(run=run, argument_spec=SelectOptions.spec(), result=SelectResult, libraries=PKI)
