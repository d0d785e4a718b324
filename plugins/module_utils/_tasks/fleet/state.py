# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of each mailbox of a fleet: the public data of the store, compared with the desired state.

For a mailbox that is not due this reads two small files and parses a certificate; it reads no private key.
"""

from __future__ import annotations

import dataclasses
import datetime
import os

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

from . import former_addresses
from .desired import DesiredState


@dataclasses.dataclass(frozen=True)
class State:
    """The state of a mailbox in the store, compared with its desired state.

    :ivar due: whether a certificate has to be ordered.
    :ivar rebuild: whether only the chain's files or the PKCS#12 have to be written again (docs/rules.md, rule 19).
    :ivar reason: a token; ``detail``: the same for people.
    :ivar decision: by the rules of time, if there is a certificate.
    :ivar recorded: the record of the certificate. :ivar known: its renewal information.
    :ivar on_hold: whether it is due, but is not ordered now.
    """

    due: bool
    rebuild: bool
    reason: str
    detail: str
    certificate: pki_certificate.Certificate | None = None
    decision: renewal.Decision | None = None
    recorded: record.VersionRecord | None = None
    known: Renewal | None = None
    on_hold: bool = False

    @property
    def look(self) -> bool:
        """Whether the CA may be asked for renewal information now."""
        return not self.due and self.decision is not None and self.decision.look


def state_of(store: layout.Store, desired: DesiredState, now: datetime.datetime) -> tuple[State, lineage.Line]:
    """Compare the store's current version with the desired state.

    :raises CaChangeError: the desired state names another CA than that of the certificate, and does not allow this.
    :raises SmimeError: the files of this mailbox cannot be used; other mailboxes are not affected.
    """
    line = store.mailbox(desired.primary).line(layout.line_name(desired.usage, desired.staging))
    state = state_of_line(line, desired, now)
    if desired.former_addresses and not state.due and not state.rebuild:
        lacks = former_addresses.missing(store, desired, line)
        if lacks:
            state = dataclasses.replace(state, rebuild=True, reason="pkcs12", detail=lacks)
    return state, line


def state_of_line(line: lineage.Line, desired: DesiredState, now: datetime.datetime) -> State:
    """As :func:`state_of`, for a given line."""
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
    changed = _changes(desired, recorded)
    known = _known(desired, line, recorded)
    asks = desired.renewal_info and bool(recorded.ari_id)
    decision = policy.decide(
        certificate, desired.renewal, now, address=desired.primary, known=known, changed=bool(changed), asks=asks
    )

    def state(due: bool, reason: str, detail: str, *, rebuild: bool = False) -> State:
        return State(due, rebuild, reason, detail, certificate, decision, recorded, known)

    if changed:
        return state(True, decision.reason, changed)
    if certificate.public_fingerprint != recorded.public_fingerprint:
        return state(True, "key_mismatch", f"{current.certificate} is not the certificate of the recorded key")
    if recorded.privatekey and not recorded.privatekey.matches(current.privatekey):
        how = "was changed" if os.path.lexists(current.privatekey) else "is gone"
        return state(True, "key_changed", f"{current.privatekey} {how}")
    if decision.due:
        return state(True, decision.reason, policy.detail(decision, certificate, known))
    broken = chain_record.damage(current, recorded)
    if broken:
        return state(False, "chain", broken, rebuild=True)
    stale = _stale_pkcs12(desired, line, certificate)
    if stale:
        return state(False, "pkcs12", stale, rebuild=True)
    return state(False, decision.reason, policy.detail(decision, certificate, known))


def _known(desired: DesiredState, line: lineage.Line, recorded: record.VersionRecord) -> Renewal | None:
    """The renewal information for the current certificate; None if it is for an older one."""
    if not desired.renewal_info or not recorded.ari_id:
        return None
    found = Renewal.load(line.renewal)
    return found if found is not None and found.ari_id == recorded.ari_id else None


def _changes(desired: DesiredState, recorded: record.VersionRecord) -> str:
    """The changes of the desired state since the order of the current certificate; empty without a change."""
    if desired.acme_directory != recorded.directory and not desired.allow_ca_change:
        raise CaChangeError(
            f"The certificate is from the CA {recorded.directory}, and smime_acme_directory is {desired.acme_directory}"
            " now. To reissue the certificate by the new CA, set smime_allow_ca_change: true. Otherwise change"
            " smime_acme_directory back."
        )
    pairs = (
        ("addresses", sorted(desired.addresses), sorted(recorded.addresses)),
        ("private key", vars(desired.key_spec), dict(recorded.key_spec)),
        ("common_name", desired.common_name, recorded.common_name),
        ("acme_directory", desired.acme_directory, recorded.directory),
        ("profile", desired.profile, recorded.profile),
    )
    return "; ".join(f"{name}: {was!r} becomes {now!r}" for name, now, was in pairs if now != was)


def _stale_pkcs12(desired: DesiredState, line: lineage.Line, certificate: pki_certificate.Certificate) -> str:
    if not desired.pkcs12:
        return ""
    made = record.Pkcs12Record.load(line.pkcs12_record)
    if made is None or not os.path.lexists(line.pkcs12):
        return "there is no PKCS#12 yet"
    name = desired.pkcs12_friendly_name or desired.primary
    if made.inputs.get("certificates", [])[:1] != [certificate.fingerprint]:
        return "the PKCS#12 holds an older certificate"
    if made.inputs.get("encoding") != desired.pkcs12_encoding:
        return "smime_pkcs12_encoding changed"
    if made.inputs.get("friendly_names", [])[:1] != [name]:
        return "smime_pkcs12_friendly_name changed"
    if made.inputs.get("generation") != desired.pkcs12_generation:
        return "smime_pkcs12_generation changed"
    if made.file is None or not made.file.matches(line.pkcs12):
        return f"{line.pkcs12} was changed"
    return ""


def bundle_of(store: layout.Store, desired: DesiredState, state: State, line: lineage.Line) -> State | None:
    """The work for a mailbox on hold that needs no order: to write the PKCS#12 of its current certificate.

    None if there is no such work, or if the key, the certificate or the chain in the store was changed.
    """
    current, certificate, recorded = line.current(), state.certificate, state.recorded
    if current is None or certificate is None or recorded is None:
        return None
    if certificate.public_fingerprint != recorded.public_fingerprint or chain_record.damage(current, recorded):
        return None
    if recorded.privatekey and not recorded.privatekey.matches(current.privatekey):
        return None
    stale = _stale_pkcs12(desired, line, certificate) or former_addresses.missing(store, desired, line)
    if not stale:
        return None
    return dataclasses.replace(state, due=False, rebuild=True, reason="pkcs12", detail=stale, on_hold=True)


def with_renewal_info(state: State, desired: DesiredState, news: Renewal, now: datetime.datetime) -> State:
    """The state of a mailbox that was not due, with new renewal information for its certificate."""
    certificate = state.certificate
    if certificate is None:
        return state
    decision = policy.decide(certificate, desired.renewal, now, address=desired.primary, known=news)
    state = dataclasses.replace(state, decision=decision, known=news)
    if not decision.due:
        return state
    detail = policy.detail(decision, certificate, news)
    return dataclasses.replace(state, due=True, rebuild=False, reason=decision.reason, detail=detail)


def pending_fits(desired: DesiredState, line: lineage.Line) -> bool:
    """Whether an unfinished version of an earlier run fits the desired state; True without such a version."""
    version = line.pending()
    data = atomic.read_optional(version.csr, what="request")
    if data is None:
        return True
    try:
        request = csr.load_csr(data, source=version.csr)
        csr_check.check_csr(request, addresses=desired.addresses, usage=desired.usage, key_spec=desired.key_spec)
    except (CsrError, KeyPolicyError):
        return False
    journal = Journal.open(version.journal).read()
    return journal is None or journal.directory in ("", desired.acme_directory)
