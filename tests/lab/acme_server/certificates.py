# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""certificate, revokeCert (RFC 8555, 7.4.2 and 7.6), renewalInfo (RFC 9773)."""

from __future__ import annotations

import time

from cryptography import x509

from .. import jws
from ..csr_check import spki_fingerprint
from ..mailboxes import canonical
from ..problems import Problem
from ..state import Issued, State, timestamp
from . import patience
from .server import AcmeServer, Answer, Call, Resource


class Certificates:
    def __init__(self, state: State, server: AcmeServer) -> None:
        self._state = state
        self._server = server
        server.register("cert", Resource("certificate", self.certificate))
        server.register("cert-alternate", Resource("certificate", self.alternate))
        server.register("revoke-cert", Resource("revokeCert", self.revoke, "either"))
        server.register_get("renewal-info", "renewalInfo", self.renewal_info)

    def _own(self, call: Call) -> Issued:
        issued = self._state.certificates.get(call.argument)
        if issued is None:
            raise Problem("malformed", "There is no such certificate.", status=404, violation="unknown_resource")
        if issued.account != call.owner.id:
            raise Problem("unauthorized", "This is another account's certificate.", violation="other_account")
        call.require_get()
        return issued

    def certificate(self, call: Call) -> Answer:
        issued = self._own(call)
        answer = Answer(issued.pem, content_type="application/pem-certificate-chain")
        if self._state.behaviour.alternate_chains:
            answer.links.append(("alternate", self._server.url("cert-alternate", issued.id)))
        return answer

    def alternate(self, call: Call) -> Answer:
        issued = self._own(call)
        answer = Answer(issued.alternate_pem, content_type="application/pem-certificate-chain")
        answer.links.append(("alternate", self._server.url("cert", issued.id)))
        return answer

    # -- revokeCert

    def revoke(self, call: Call) -> Answer:
        payload = call.payload()
        try:
            certificate = x509.load_der_x509_certificate(jws.decode(payload.get("certificate"), "certificate"))
        except ValueError as error:
            raise Problem("malformed", f"The certificate cannot be read: {error}", violation="payload") from None
        issued = self._state.certificates_by_serial.get(certificate.serial_number)
        if issued is None or issued.certificate != certificate:
            raise Problem("malformed", "This CA did not issue the certificate.", status=404)
        if not self._may_revoke(call, issued):
            raise Problem("unauthorized", "Neither an account that may revoke nor the certificate's key signed this.")
        reason = payload.get("reason")
        if reason is not None:
            self._check_reason(reason)
        if issued.revoked:
            raise Problem("alreadyRevoked", "The certificate is revoked already.")
        issued.revoked, issued.reason = self._state.now(), reason
        self._state.journal.event(
            "revoked", addresses=list(issued.addresses), serial=f"{certificate.serial_number:x}", reason=reason,
            by="account" if call.account is not None else "key",
        )
        return Answer(b"")

    def _check_reason(self, reason: object) -> None:
        behaviour, journal = self._state.behaviour, self._state.journal
        if isinstance(reason, bool) or not isinstance(reason, int) or reason not in behaviour.revocation_reasons:
            raise Problem(
                "badRevocationReason", f"Reasons are {behaviour.revocation_reasons}, not {reason!r}.",
                violation="revocation_reason",
            )
        if reason == 0:
            journal.violation("revocation_reason", "Reason 0 is sent by leaving it out (RFC 5280, 5.3.1).")

    def _may_revoke(self, call: Call, issued: Issued) -> bool:
        """RFC 8555, 7.6: the account that issued, one that holds all authorizations, or the certificate's key."""
        if call.account is None:
            return spki_fingerprint(call.key.key) == spki_fingerprint(issued.certificate.public_key())
        if call.account.id == issued.account:
            return True
        held = {
            canonical(item.address) for item in self._state.authorizations.values()
            if item.account == call.account.id and self._state.refresh_authorization(item) == "valid"
        }
        return {canonical(address) for address in issued.addresses} <= held

    # -- renewalInfo

    def renewal_info(self, argument: str) -> Answer:
        state, behaviour = self._state, self._state.behaviour
        issued = state.certificates_by_ari.get(argument)
        if not behaviour.ari or issued is None:
            raise Problem("malformed", "There is no such certificate.", status=404)
        certificate = issued.certificate
        now, wall = state.now(), time.time()
        if wall < issued.ari_not_before - patience.TOLERANCE:
            state.journal.violation(
                "ari_early", f"Renewal information was asked for {issued.ari_not_before - wall:.0f} s early.",
                addresses=list(issued.addresses),
            )
        if certificate.not_valid_after_utc.timestamp() < now or issued.replaced:
            state.journal.violation("ari_after_end", "The certificate is expired or replaced.",
                                    addresses=list(issued.addresses))
        if behaviour.ari_retry_after:
            # RFC 9773, 4.3.2: a client keeps between one minute and one day, whatever it is told
            issued.ari_not_before = wall + min(max(behaviour.ari_retry_after, 60.0), 86400.0)
        if behaviour.ari_window is not None:
            start, end = (now + offset for offset in behaviour.ari_window)
        else:
            begin = certificate.not_valid_before_utc.timestamp()
            lifetime = certificate.not_valid_after_utc.timestamp() - begin
            start, end = begin + lifetime * 0.66, begin + lifetime * 0.7
        if behaviour.ari_broken == "window":
            start, end = end, start
        body: object = {"suggestedWindow": {"start": timestamp(start), "end": timestamp(end)}}
        if behaviour.ari_explanation and isinstance(body, dict):
            body["explanationURL"] = behaviour.ari_explanation
        if behaviour.ari_broken == "json":
            body = b"{"
        state.journal.event("renewal_info", addresses=list(issued.addresses))
        headers = {"Retry-After": str(int(behaviour.ari_retry_after))} if behaviour.ari_retry_after else {}
        return Answer(body, headers=headers)
