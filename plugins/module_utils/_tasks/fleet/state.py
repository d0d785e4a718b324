# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which mailboxes of a fleet are due, and what each of them needs: public data compared with wishes, nothing else.

For a mailbox that is not due this costs two small files and the parsing of a certificate; no private key is read.
"""

from __future__ import annotations

import dataclasses
import datetime
import os
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._errors import CaChangeError, CsrError, KeyPolicyError
from ansible_collections.mailcert.acme.plugins.module_utils._pki import (
    certificate as pki_certificate,
)
from ansible_collections.mailcert.acme.plugins.module_utils._pki import (
    csr,
    csr_check,
    renewal,
)
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs import atomic, paths
from ansible_collections.mailcert.acme.plugins.module_utils._store.state.order_journal import Journal
from ansible_collections.mailcert.acme.plugins.module_utils._store.state.renewal_info import Renewal
from ansible_collections.mailcert.acme.plugins.module_utils._store.tree import chain_record, layout, lineage, record
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.renewal import policy

from . import backoff, former_addresses, replaces
from .desired import Wish


@dataclasses.dataclass(frozen=True)
class State:
    """What the store holds for a wish.

    ``due``: a certificate has to be ordered. ``rebuild``: only the chain's files or the PKCS#12 have to be written
    anew (docs/rules.md, rule 19).
    ``reason``: a token; ``detail``: the same for people. ``decision``: by the rules of time, where there is a certificate.
    ``recorded``: what the certificate was ordered with; ``known``: what the CA said of when to renew it. ``held``: it is due,
    and no certificate is ordered now.
    """

    due: bool
    rebuild: bool
    reason: str
    detail: str
    certificate: pki_certificate.Certificate | None = None
    decision: renewal.Decision | None = None
    recorded: record.VersionRecord | None = None
    known: Renewal | None = None
    held: bool = False

    @property
    def look(self) -> bool:
        """Whether the CA may be asked now when it wants the certificate renewed."""
        return not self.due and self.decision is not None and self.decision.look


def state_of(store: layout.Store, wish: Wish, now: datetime.datetime) -> tuple[State, lineage.Line]:
    """Compare the store's current version with the wish.

    :raises CaChangeError: the wish names another CA than the certificate is of, and does not allow that.
    :raises SmimeError: where the store's files of this mailbox cannot be used; another mailbox is not concerned.
    """
    line = store.mailbox(wish.addresses[0]).line(layout.line_name(wish.usage, wish.staging))
    state = state_of_line(line, wish, now)
    if wish.former_addresses and not state.due and not state.rebuild:
        lacks = former_addresses.missing(store, wish, line)
        if lacks:
            state = dataclasses.replace(state, rebuild=True, reason="pkcs12", detail=lacks)
    return state, line


def state_of_line(line: lineage.Line, wish: Wish, now: datetime.datetime) -> State:
    """As :func:`state_of`, for a line at hand."""
    current = line.current()
    mailbox = os.path.dirname(line.folder)
    if current is None:
        paths.check_owners(mailbox, line.folder)
        return State(True, False, "missing", "there is no certificate yet")
    paths.check_owners(mailbox, line.folder, current.folder, current.privatekey)
    recorded = record.VersionRecord.load(current.record)
    data = atomic.read_optional(current.certificate, what="certificate")
    if recorded is None or data is None:
        gone = current.certificate if data is None else current.record
        return State(True, False, "incomplete", f"{gone} is gone")
    certificate = pki_certificate.load_certificate(data, source=current.certificate)
    changed = _changed_wish(wish, recorded)
    known = _known(wish, line, recorded)
    asks = wish.renewal_info and bool(recorded.ari_id)
    decision = policy.decide(
        certificate, wish.rules, now, address=wish.addresses[0], known=known, changed=bool(changed), asks=asks
    )
    facts: dict[str, t.Any] = {
        "certificate": certificate, "decision": decision, "recorded": recorded, "known": known,
    }
    if changed:
        return State(True, False, decision.reason, changed, **facts)
    if certificate.public_fingerprint != recorded.public_fingerprint:
        told = f"{current.certificate} is not the certificate of the recorded key"
        return State(True, False, "key_mismatch", told, **facts)
    if recorded.privatekey and not recorded.privatekey.matches(current.privatekey):
        how = "was changed" if os.path.lexists(current.privatekey) else "is gone"
        return State(True, False, "key_changed", f"{current.privatekey} {how}", **facts)
    detail = policy.detail(decision, certificate, known)
    if decision.due:
        return State(True, False, decision.reason, detail, **facts)
    broken = chain_record.damage(current, recorded)
    if broken:
        return State(False, True, "chain", broken, **facts)
    stale = _stale_pkcs12(wish, line, certificate)
    if stale:
        return State(False, True, "pkcs12", stale, **facts)
    return State(False, False, decision.reason, detail, **facts)


def _known(wish: Wish, line: lineage.Line, recorded: record.VersionRecord) -> Renewal | None:
    """What the CA said of when to renew the current certificate; of an older one it says nothing any more."""
    if not wish.renewal_info or not recorded.ari_id:
        return None
    found = Renewal.load(line.renewal)
    return found if found is not None and found.ari_id == recorded.ari_id else None


def _changed_wish(wish: Wish, recorded: record.VersionRecord) -> str:
    """What of the wish is not what the current certificate was ordered with; empty where all is."""
    if wish.acme_directory != recorded.directory and not wish.allow_ca_change:
        raise CaChangeError(
            f"The certificate is of the CA {recorded.directory}, and smime_acme_directory is {wish.acme_directory} now."
            " Set smime_allow_ca_change: true to have it reissued by another CA, or set smime_acme_directory back."
        )
    pairs = (
        ("addresses", sorted(wish.addresses), sorted(recorded.addresses)),
        ("private key", vars(wish.key_spec), dict(recorded.key_spec)),
        ("common_name", wish.common_name, recorded.common_name),
        ("acme_directory", wish.acme_directory, recorded.directory),
        ("profile", wish.profile, recorded.profile),
    )
    return "; ".join(f"{name}: {was!r} becomes {wished!r}" for name, wished, was in pairs if wished != was)


def _stale_pkcs12(wish: Wish, line: lineage.Line, certificate: pki_certificate.Certificate) -> str:
    if not wish.pkcs12:
        return ""
    made = record.Pkcs12Record.load(line.pkcs12_record)
    if made is None or not os.path.lexists(line.pkcs12):
        return "there is no PKCS#12 yet"
    name = wish.pkcs12_friendly_name or wish.addresses[0]
    if made.inputs.get("certificates", [])[:1] != [certificate.fingerprint]:
        return "the PKCS#12 holds an older certificate"
    if made.inputs.get("encoding") != wish.pkcs12_encoding:
        return "smime_pkcs12_encoding changed"
    if made.inputs.get("friendly_names", [])[:1] != [name]:
        return "smime_pkcs12_friendly_name changed"
    if made.inputs.get("generation") != wish.pkcs12_generation:
        return "smime_pkcs12_generation changed"
    if made.file is None or not made.file.matches(line.pkcs12):
        return f"{line.pkcs12} was changed"
    return ""


def bundle_of(store: layout.Store, wish: Wish, state: State, line: lineage.Line) -> State | None:
    """What of a mailbox that is due and held can be done without an order: its PKCS#12, of the certificate that is there.

    None where nothing has to be, or where the key, the certificate or the chain in the store is not what was put there.
    """
    current, certificate, recorded = line.current(), state.certificate, state.recorded
    if current is None or certificate is None or recorded is None:
        return None
    if certificate.public_fingerprint != recorded.public_fingerprint or chain_record.damage(current, recorded):
        return None
    if recorded.privatekey and not recorded.privatekey.matches(current.privatekey):
        return None
    stale = _stale_pkcs12(wish, line, certificate) or former_addresses.missing(store, wish, line)
    if not stale:
        return None
    return dataclasses.replace(state, due=False, rebuild=True, reason="pkcs12", detail=stale, held=True)


def with_news(state: State, wish: Wish, news: Renewal, now: datetime.datetime) -> State:
    """The state of a mailbox that was not due, now that the CA has said when it wants the certificate renewed."""
    if state.certificate is None:
        return state
    decision = policy.decide(state.certificate, wish.rules, now, address=wish.addresses[0], known=news)
    state = dataclasses.replace(state, decision=decision, known=news)
    if not decision.due:
        return state
    detail = policy.detail(decision, state.certificate, news)
    return dataclasses.replace(state, due=True, rebuild=False, reason=decision.reason, detail=detail)


def changes(found: t.Mapping[str, tuple[Wish, State, lineage.Line]]) -> dict[str, str]:
    """The mailboxes that would be reissued although it is not time, and why: what the brake counts (rule 25)."""
    return {
        name: state.detail
        for name, (_wish, state, _line) in found.items()
        if state.due and state.decision is not None and not state.decision.by_time
    }


def pending_fits(wish: Wish, line: lineage.Line) -> bool:
    """Whether the version that an earlier run began, if it did, is one for this wish."""
    version = line.pending()
    data = atomic.read_optional(version.csr, what="request")
    if data is None:
        return True
    try:
        request = csr.load_csr(data, source=version.csr)
        csr_check.check_csr(request, addresses=wish.addresses, usage=wish.usage, key_spec=wish.key_spec)
    except (CsrError, KeyPolicyError):
        return False
    journal = Journal.open(version.journal).read()
    return journal is None or journal.directory in ("", wish.acme_directory)


def account_of(store: layout.Store, wish: Wish) -> dict[str, str]:
    """The CA of a mailbox, and where the account is that orders its certificates."""
    folder = store.account_folder(wish.acme_directory, wish.account_name)
    return {
        "acme_directory": wish.acme_directory,
        "account_key_path": os.path.join(folder, "account.key"),
        "account_record_path": os.path.join(folder, "account.json"),
        "keys_path": store.keys,
    }


def plan_of(store: layout.Store, wish: Wish, state: State, line: lineage.Line) -> dict[str, t.Any]:
    """Where everything of a mailbox that is due goes: the paths that the modules of the chain are given."""
    version = line.pending() if state.due else line.current()
    account = account_of(store, wish)
    account_folder = os.path.dirname(account["account_key_path"])
    return {
        "addresses": list(wish.addresses),
        "reason": state.reason,
        "detail": state.detail,
        "renew_at": state.decision.renew_at.isoformat() if state.decision else "",
        "order": state.due,
        "held": state.held,
        "folder": line.folder,
        "privatekey_path": version.privatekey,
        "csr_path": version.csr,
        "certificate_path": version.certificate,
        "chain_path": version.chain,
        "fullchain_path": version.fullchain,
        "record_path": version.record,
        "journal_path": version.journal,
        "replies_path": store.replies,
        "current_path": line.link,
        "pkcs12_path": line.pkcs12,
        "pkcs12_record_path": line.pkcs12_record,
        "record_key_path": os.path.join(store.path, "secret"),
        "keys_path": store.keys,
        "account_key_path": account["account_key_path"],
        "account_record_path": account["account_record_path"],
        "renewal_path": line.renewal if wish.renewal_info else None,
        "replaces_cert_id": replaces.cert_id(wish, state.recorded, account["account_record_path"]) if state.due else None,
        "account_attempts_path": backoff.account_path(account_folder),
        "attempts_path": backoff.mailbox_path(line),
        "pace_path": backoff.pace_path(account_folder),
        "slots_path": os.path.join(os.path.dirname(account_folder), "slots"),
        "history": _history(store, wish, line, version),
    }


def _history(
    store: layout.Store, wish: Wish, line: lineage.Line, version: lineage.Version
) -> list[dict[str, str]]:
    """Every older pair that can open mail, newest first: mail encrypted to it must stay readable."""
    if wish.usage == "sign":
        return []
    own = [old for old in reversed(line.versions()) if old.number < version.number and old.has_pair()]
    return [
        {"privatekey_path": old.privatekey, "certificate_path": old.certificate}
        for old in own + former_addresses.pairs(store, wish)
    ]
