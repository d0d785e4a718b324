# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directory of a CA (RFC 8555, section 7.1.1; RFC 9773, section 3)."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ansible_collections.mailcert.acme.plugins.module_utils._errors import AcmeProblemError, NotAcmeError
from ansible_collections.mailcert.acme.plugins.module_utils._text import one_line

from .problem import Problem
from .transport import Transport


@dataclass(frozen=True)
class Directory:
    """The URLs of the resources. A resource that the CA does not offer is empty; ``renewal_info`` is None then."""

    url: str
    new_nonce: str
    new_account: str
    new_order: str
    revoke_cert: str = ""
    key_change: str = ""
    renewal_info: str | None = None
    terms_of_service: str = ""
    website: str = ""
    external_account_required: bool = False
    #: name and description (draft-aaron-acme-profiles)
    profiles: dict[str, str] = field(default_factory=dict)
    raw: dict[str, t.Any] = field(default_factory=dict)
    #: where a redirect led to; empty if there was none
    moved_to: str = ""

    @classmethod
    def fetch(cls, transport: Transport, url: str, *, stage: str = "order") -> Directory:
        """GET the directory, and give the transport the URL for fresh nonces.

        :raises InputError: the URL cannot be used.
        :raises NotAcmeError: the answer is no ACME directory.
        :raises AcmeError: see :meth:`Transport.get`.
        """
        transport.check_url(url, name="", option="acme_directory", stage=stage)
        try:
            response = transport.get(url, stage=stage)
            raw = response.json()
        except AcmeProblemError as error:
            if error.retryable:
                raise
            reason = Problem.from_json(error.problem).describe()
            raise NotAcmeError(
                f"acme_directory {one_line(url, limit=200)} is no ACME directory: {reason}. Check the URL with the CA.",
                stage=stage,
                problem=error.problem,
            ) from None

        def resource(name: str, *, required: bool = False) -> str:
            value = raw.get(name)
            if value is None or value == "":
                if required:
                    raise NotAcmeError(
                        f"acme_directory {one_line(url, limit=200)} is no ACME directory: it names no {name}. Check the"
                        " URL with the CA.",
                        stage=stage,
                    )
                return ""
            return transport.check_url(value, name=f"{name} in the directory", stage=stage)

        meta = raw.get("meta")
        meta = meta if isinstance(meta, dict) else {}
        profiles = meta.get("profiles")
        directory = cls(
            url=url,
            new_nonce=resource("newNonce", required=True),
            new_account=resource("newAccount", required=True),
            new_order=resource("newOrder", required=True),
            revoke_cert=resource("revokeCert"),
            key_change=resource("keyChange"),
            renewal_info=resource("renewalInfo") or None,
            terms_of_service=one_line(meta.get("termsOfService")),
            website=one_line(meta.get("website")),
            external_account_required=meta.get("externalAccountRequired") is True,
            profiles=(
                {one_line(name, limit=100): one_line(text) for name, text in profiles.items()}
                if isinstance(profiles, dict)
                else {}
            ),
            raw=raw,
            moved_to="" if response.url == url else response.url,
        )
        transport.new_nonce_url = directory.new_nonce
        return directory

    def resource(self, name: str, *, stage: str) -> str:
        """The URL of an optional resource: ``revoke_cert`` or ``key_change``.

        :raises NotAcmeError: the CA does not offer it.
        """
        url: str = getattr(self, name)
        if not url:
            words = {"revoke_cert": "revocation (revokeCert)", "key_change": "a change of the account key (keyChange)"}
            raise NotAcmeError(f"The CA's directory offers no {words.get(name, name)}.", stage=stage)
        return url
