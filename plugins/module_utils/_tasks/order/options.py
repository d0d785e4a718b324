# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of smime_order, parsed once for all files of this folder."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from ansible_collections.mailcert.acme.plugins.module_utils._pki import select_chain
from ansible_collections.mailcert.acme.plugins.module_utils._pki.renewal import RenewalPolicy
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.account.connection import AcmeOptions
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.common import options as common
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.renewal.policy import RenewalOptions

from .chain import SELECT_CHAIN
from .new_order import NewOrder


@dataclass(frozen=True)
class OrderFiles:
    """The files of an order and of its certificate. Each is an absolute path, or ``None``.

    :ivar certificate: the certificate alone, in PEM. :ivar chain: its issuers. :ivar fullchain: both.
    :ivar record: JSON: the options of the order, and the chain.
    :ivar current: the symbolic link to the folder of ``certificate``, switched once all files are complete.
    :ivar journal: JSON: how far the order has come.
    :ivar privatekey: the key that signed the CSR; ``None`` where it is on another host.
    :ivar replies: the folder with the replies and the turns of each address.
    :ivar renewal: JSON: when the CA wants the certificate renewed (RFC 9773).
    :ivar keys: the folder that names the mailbox of each key.
    :ivar attempts: JSON: the failed attempts.
    """

    certificate: str
    journal: str
    chain: str | None = None
    fullchain: str | None = None
    record: str | None = None
    current: str | None = None
    privatekey: str | None = None
    replies: str | None = None
    renewal: str | None = None
    keys: str | None = None
    attempts: str | None = None

    @staticmethod
    def spec() -> common.Params:
        """The part of the argument spec."""
        return {
            "privatekey_path": {"type": "path"},
            "certificate_path": {"type": "path", "required": True},
            "chain_path": {"type": "path"},
            "fullchain_path": {"type": "path"},
            "record_path": {"type": "path"},
            "current_path": {"type": "path"},
            "journal_path": {"type": "path", "required": True},
            "replies_path": {"type": "path"},
            "renewal_path": {"type": "path"},
            "keys_path": {"type": "path"},
            "attempts_path": {"type": "path"},
        }

    @classmethod
    def parse(cls, params: common.Params) -> OrderFiles:
        """The group.

        :raises InputError: a path that is relative; naming the option.
        """
        common.check_paths(params, *cls.spec())
        return cls(
            certificate=params["certificate_path"],
            journal=params["journal_path"],
            chain=params["chain_path"],
            fullchain=params["fullchain_path"],
            record=params["record_path"],
            current=params["current_path"],
            privatekey=params["privatekey_path"],
            replies=params["replies_path"],
            renewal=params["renewal_path"],
            keys=params["keys_path"],
            attempts=params["attempts_path"],
        )


@dataclass(frozen=True)
class OrderOptions:
    """The options of the module.

    :ivar state: ``requested`` makes the order, or resumes it; ``issued`` turns it into files.
    :ivar acme: the CA and the account; ``order_rate`` is among them.
    :ivar certificate: addresses and usage. :ivar renewal: when a certificate that is there is due.
    :ivar paths: where files are. :ivar files: how they are written.
    :ivar csr: the certificate signing request. :ivar privatekey_passphrase: of the key that signed it.
    :ivar new_order: the requested values besides the addresses.
    :ivar criteria: of the chain, the preferred one first.
    :ivar run_id: the name of the run, which has the lease from its first task to its last; ``None`` without one.
    :ivar lease_duration: seconds after which another run may take over an order.
    :ivar would_exist: in check mode: an earlier step of the run would make the CSR.
    """

    state: str
    acme: AcmeOptions
    certificate: common.CertificateOptions
    renewal: RenewalPolicy
    paths: OrderFiles
    files: common.FileOptions
    csr: common.Content
    privatekey_passphrase: str | None
    new_order: NewOrder
    criteria: tuple[select_chain.Criterion, ...]
    run_id: str | None
    lease_duration: int
    would_exist: bool

    @staticmethod
    def spec() -> common.Params:
        """The argument spec."""
        return {
            **AcmeOptions.spec(),
            **common.CertificateOptions.spec(),
            **RenewalOptions.spec(),
            **common.FileOptions.spec(),
            **OrderFiles.spec(),
            **NewOrder.spec(),
            "state": {"type": "str", "choices": ["requested", "issued"], "required": True},
            "csr_path": {"type": "path"},
            "csr_content": {"type": "str"},
            "privatekey_passphrase": {"type": "str", "no_log": True},
            "select_chain": SELECT_CHAIN,
            "order_rate": {"type": "str"},
            "run_id": {"type": "str"},
            "lease_duration": {"type": "int", "default": 3600},
            "would_exist": {"type": "bool", "default": False},
        }

    @classmethod
    def parse(cls, params: common.Params, now: datetime.datetime) -> OrderOptions:
        """The options.

        :arg now: from which a relative time counts, aware.
        :raises InputError, AddressError: an option that cannot be used; naming it.
        """
        return cls(
            state=params["state"],
            csr=common.Content.parse(params, "csr"),
            paths=OrderFiles.parse(params),
            certificate=common.CertificateOptions.parse(params),
            criteria=tuple(select_chain.read_criteria(params["select_chain"] or [])),
            new_order=NewOrder.parse(params, now),
            acme=AcmeOptions.parse(params),
            renewal=RenewalOptions.parse(params),
            files=common.FileOptions.parse(params),
            privatekey_passphrase=params["privatekey_passphrase"],
            run_id=params["run_id"] or None,
            lease_duration=params["lease_duration"],
            would_exist=params["would_exist"],
        )
