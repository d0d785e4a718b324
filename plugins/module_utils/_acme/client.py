# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The requests of one account: the directory is fetched once, and the account's URL is looked up when it is needed."""

from __future__ import annotations

import time
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._deadline import Deadline
from ansible_collections.mailcert.acme.plugins.module_utils._errors import AccountError, InputError, NotAcmeError
from ansible_collections.mailcert.acme.plugins.module_utils._net import host_of

from .account_key import AccountKey
from .directory import Directory
from .https import Response
from .transport import Transport, problem_of

# seconds between two looks where the CA names none: the first, the longest, the shortest at the end, and the growth
_FIRST_LOOK = 0.25
_SHORTEST_LOOK = 0.2
_LONGEST_LOOK = 5.0
_LOOK_GROWTH = 1.5


class AcmeClient:
    """Requests of one account at one CA.

    :arg account_key: None for revocation by a certificate's key alone.
    :arg account_uri: the account's URL, if known; otherwise the CA is asked for it, once (RFC 8555, section 7.3.1).
    """

    def __init__(
        self,
        transport: Transport,
        directory_url: str,
        account_key: AccountKey | None = None,
        account_uri: str | None = None,
        *,
        clock: t.Callable[[], float] = time.monotonic,
    ) -> None:
        self.transport = transport
        self.directory_url = directory_url
        self.account_key = account_key
        self.account_uri = account_uri or None
        if account_uri:
            transport.check_url(account_uri, name="", option="account_uri", stage="account")
        self._uri_checked = False
        self._clock = clock
        self._directory: Directory | None = None
        # RFC 8555, sections 7.4 and 7.5.1: the URL of a resource, and the moment before which it gets no request
        self._not_before: dict[str, float] = {}

    @property
    def directory(self) -> Directory:
        """The CA's directory, fetched on first use."""
        return self.fetch_directory()

    def fetch_directory(self, stage: str = "order") -> Directory:
        """The CA's directory, fetched on first use. ``stage``: of an error."""
        if self._directory is None:
            self._directory = Directory.fetch(self.transport, self.directory_url, stage=stage)
        return self._directory

    @property
    def moved_to(self) -> str:
        """The URL to which the directory redirects; empty without a redirect, and before the directory is fetched."""
        return self._directory.moved_to if self._directory else ""

    @property
    def key(self) -> AccountKey:
        """The account key.

        :raises InputError: the client was made without one.
        """
        if self.account_key is None:
            raise InputError("This needs the account key. Set account_key_src or account_key_content.", stage="account")
        return self.account_key

    def lookup(self, *, key: AccountKey | None = None) -> Response:
        """newAccount with onlyReturnExisting (RFC 8555, section 7.3.1): the account, or the problem document.

        :arg key: another key than the client's own, as when a rollover is resumed.
        """
        return self.transport.signed_post(
            self.fetch_directory("account").new_account,
            {"onlyReturnExisting": True},
            key=key or self.key,
            stage="account",
            # a CA with external accounts may require the binding for a look-up, too; unauthorized: it is deactivated
            tolerate=("accountDoesNotExist", "externalAccountRequired", "unauthorized"),
        )

    def known_account_uri(self) -> str:
        """The account's URL. The CA is asked if it is not known, or if its host is not the host of newAccount.

        :raises AccountError: the CA has no account for the key, or it is deactivated.
        """
        if self.account_uri is not None and not self._uri_checked:
            self._uri_checked = True
            # a CA that has moved may use another URL for the account; the key identifies the account in any case
            if host_of(self.account_uri) != host_of(self.fetch_directory("account").new_account):
                self.account_uri = None
        if self.account_uri is None:
            response = self.lookup()
            if response.status >= 400:
                problem = problem_of(response)
                raise AccountError(
                    f"The CA has no usable account for this key ({problem.describe()}). Create it with smime_account"
                    " first, or check acme_directory and the account key.",
                    stage="account",
                    problem=problem.raw,
                )
            self.account_uri = self.account_location(response)
        return self.account_uri

    def account_location(self, response: Response) -> str:
        """The account's URL in a response of newAccount."""
        if not response.location:
            raise NotAcmeError("The CA gave an account without its URL.", stage="account")
        return self.transport.check_url(response.location, name="the URL of the account", stage="account")

    def post(self, url: str, payload: t.Mapping[str, t.Any] | None, **options: t.Any) -> Response:
        """A POST signed with the account key and its ``kid``; options as of :meth:`Transport.signed_post`."""
        # this gives the transport the URL for fresh nonces
        self.fetch_directory(options.get("stage", "order"))
        kid = self.known_account_uri()
        response = self.transport.signed_post(url, payload, key=self.key, kid=kid, **options)
        self.note_retry_after(response, url)
        return response

    def get(self, url: str, **options: t.Any) -> Response:
        """A POST-as-GET (RFC 8555, section 6.3)."""
        return self.post(url, None, **options)

    # --- polling -------------------------------------------------------------------------------------------------

    def note_retry_after(self, response: Response, url: str, *, at_least: float = 0.0) -> None:
        """Record when a resource may be requested again, by the Retry-After of a response about it."""
        wait = max(response.retry_after or 0.0, at_least)
        if wait > 0:
            self._not_before[url] = self._clock() + wait
        else:
            self._not_before.pop(url, None)

    def not_before(self, url: str, wait: float) -> None:
        """Record that a resource gets no request for so many seconds, as the CA said to another task."""
        self._not_before[url] = max(self._not_before.get(url, 0.0), self._clock() + wait)

    def remaining_wait(self, url: str) -> float:
        """The seconds of the CA's Retry-After that remain for a resource."""
        return max(0.0, self._not_before.get(url, 0.0) - self._clock())

    def pause_before_look(self, url: str, looks: int, *, deadline: Deadline, what: str, stage: str) -> None:
        """Sleep until the next look at a resource: never less than the CA's Retry-After.

        :arg looks: how many looks brought no result yet; with 0 only a Retry-After of the CA causes a pause.
        :arg what: what the task waits for, in words that continue "while".
        :raises DeadlineError: the deadline has come, or the CA's own wait ends after it.
        """
        deadline = deadline if deadline.remaining() <= self.transport.deadline.remaining() else self.transport.deadline
        deadline.check(what, stage=stage)
        required = self.remaining_wait(url)
        if required >= deadline.remaining():
            raise deadline.error(what, stage=stage, details={"retry_after": round(required, 1)})
        own = min(_LONGEST_LOOK, _FIRST_LOOK * _LOOK_GROWTH ** min(looks - 1, 30)) if looks else 0.0
        # the last look comes right before the deadline
        pause = max(required, min(own, max(deadline.remaining() * 0.9, _SHORTEST_LOOK)))
        if pause > 0:
            self.transport.sleep(pause)
