# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a challenge mail must be proved: options made into the policy that judges each mail."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError
from ansible_collections.mailcert.acme.plugins.module_utils._mail.authentication import authenticate, smime
from ansible_collections.mailcert.acme.plugins.module_utils._mail.authentication.authentication_results import Gateway
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs import atomic
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.common import options
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.mailbox.options import DnsOptions


@dataclass(frozen=True)
class ProofPolicy:
    """How a challenge mail must be proved.

    :ivar authentication: one of :data:`authenticate.AUTHENTICATIONS`.
    :ivar dkim_level: ``default`` or ``strict``.
    :ivar signer_ca_path: for ``smime``: absolute path of the CAs that may have issued the signer's certificate.
    :ivar authserv_id: for ``gateway``: the name under which the gateway writes its results.
    :ivar gateway_hosts: for ``gateway``: our mail servers, as Received names them; none for the authserv-id.
    :ivar dns: who is asked for DKIM keys.
    """

    authentication: str
    dkim_level: str
    signer_ca_path: str | None
    authserv_id: str | None
    gateway_hosts: tuple[str, ...]
    dns: DnsOptions

    @staticmethod
    def spec() -> options.Params:
        """The part of the argument spec."""
        return {
            "authentication": {"type": "str", "choices": list(authenticate.AUTHENTICATIONS), "default": "dkim"},
            "dkim_level": {"type": "str", "choices": ["default", "strict"], "default": "default"},
            "signer_ca_path": {"type": "path"},
            "authserv_id": {"type": "str"},
            "gateway_hosts": {"type": "list", "elements": "str", "default": []},
            **DnsOptions.spec(),
        }

    @classmethod
    def parse(cls, params: options.Params) -> ProofPolicy:
        """The group."""
        return cls(
            authentication=params["authentication"],
            dkim_level=params["dkim_level"],
            signer_ca_path=params["signer_ca_path"],
            authserv_id=params["authserv_id"],
            gateway_hosts=tuple(params["gateway_hosts"]),
            dns=DnsOptions.parse(params),
        )

    def policy(self, absent_headers: tuple[str, ...]) -> authenticate.Policy:
        """The policy that judges the mails of a CA.

        :arg absent_headers: those that the CA's mails may lack.
        :raises InputError, StoreError: an option that the policy needs is missing or cannot be used.
        """
        roots, gateway = None, None
        if self.authentication == "smime":
            if not self.signer_ca_path:
                raise InputError(
                    "authentication: smime needs signer_ca_path, the CAs that may have issued the signer's certificate."
                )
            options.check_path(self.signer_ca_path, "signer_ca_path")
            roots = smime.load_roots(atomic.read_file(self.signer_ca_path, what="signer_ca_path"))
        if self.authentication == "gateway":
            if not self.authserv_id:
                raise InputError("authentication: gateway needs authserv_id, the name under which the gateway writes.")
            gateway = Gateway(authserv_id=self.authserv_id, hosts=self.gateway_hosts)
        return authenticate.Policy(
            authentication=self.authentication,
            level=self.dkim_level,
            absent_headers_allowed=absent_headers,
            roots=roots,
            trusted_gateway=gateway,
        )
