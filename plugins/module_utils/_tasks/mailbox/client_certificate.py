# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client certificate that mail servers may ask for: options made into files that can be used."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError
from ansible_collections.mailcert.acme.plugins.module_utils._mail import tls
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs import atomic
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.common import options


@dataclass(frozen=True)
class ClientCertificateOptions:
    """The client certificate of an address.

    :ivar cert_path: absolute path of its PEM file; ``None`` where the address has none.
    :ivar key_path: absolute path of its private key; ``None`` where that is in ``cert_path``.
    """

    TOGETHER: t.ClassVar[tuple[str, ...]] = (
        "mail_client_cert_path",
        "mail_client_key_path",
        "mail_client_key_passphrase",
    )

    cert_path: str | None
    key_path: str | None
    key_passphrase: str | None = field(repr=False)

    @staticmethod
    def spec() -> options.Params:
        """The part of the argument spec."""
        return {
            "mail_client_cert_path": {"type": "path"},
            "mail_client_key_path": {"type": "path", "no_log": False},
            "mail_client_key_passphrase": {"type": "str", "no_log": True},
        }

    @classmethod
    def parse(cls, params: options.Params) -> ClientCertificateOptions:
        """The group."""
        return cls(
            cert_path=params["mail_client_cert_path"],
            key_path=params["mail_client_key_path"],
            key_passphrase=params["mail_client_key_passphrase"],
        )

    def certificate(self) -> tls.ClientCertificate | None:
        """The client certificate; ``None`` where the address has none.

        :raises InputError, StoreError: it cannot be used.
        """
        if not self.cert_path:
            if self.key_path or self.key_passphrase:
                raise InputError("mail_client_key_path and mail_client_key_passphrase go with mail_client_cert_path.")
            return None
        options.check_path(self.cert_path, "mail_client_cert_path")
        options.check_path(self.key_path, "mail_client_key_path")
        # its own error where a file is missing, or where other users can write it
        atomic.read_file(self.cert_path, what="mail_client_cert_path")
        if self.key_path:
            atomic.read_file(self.key_path, what="mail_client_key_path")
        return tls.ClientCertificate(self.cert_path, self.key_path or None, self.key_passphrase)
