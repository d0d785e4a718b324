# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Renewal information (RFC 9773)."""

from __future__ import annotations

import datetime as dt
import random as randomness
import re
import typing as t
from dataclasses import dataclass

from ansible_collections.mailcert.acme.plugins.module_utils._errors import AcmeError, InputError, NotAcmeError
from ansible_collections.mailcert.acme.plugins.module_utils._libs.josepy import josepy
from ansible_collections.mailcert.acme.plugins.module_utils._text import one_line
from ansible_collections.mailcert.acme.plugins.module_utils._time import parse_rfc3339

from .directory import Directory
from .transport import Transport

# seconds: section 4.3.2 gives the bounds, section 4.3.3 the wait after a failure
SHORTEST_RETRY = 60.0
LONGEST_RETRY = 86400.0
RETRY_AFTER_FAILURE = 21600.0
_ID = re.compile(r"[A-Za-z0-9_-]{1,200}\.[A-Za-z0-9_-]{1,200}")


@dataclass(frozen=True)
class RenewalInfo:
    """When the CA wants a certificate renewed.

    ``start`` and ``end`` are aware UTC times, ``start`` before ``end``; ``explanation_url`` is empty if there is none;
    ``retry_after`` is the number of seconds until the next look, within the bounds of section 4.3.2.
    """

    start: dt.datetime
    end: dt.datetime
    explanation_url: str = ""
    retry_after: float = RETRY_AFTER_FAILURE

    def pick(self, random: t.Callable[[], float] = randomness.random) -> dt.datetime:
        """A uniform random moment within the window (section 4.2). The caller draws once for each window (rule 24)."""
        return self.start + (self.end - self.start) * random()


def certificate_id(*, key_identifier: bytes, serial: int) -> str:
    """The identifier of a certificate (section 4.1).

    :arg key_identifier: of the certificate's Authority Key Identifier extension.
    """
    # the content of a DER INTEGER: as short as the sign bit allows
    length = ((serial if serial >= 0 else ~serial).bit_length() // 8) + 1
    number = serial.to_bytes(length, "big", signed=True)
    return f"{josepy.encode_b64jose(key_identifier)}.{josepy.encode_b64jose(number)}"


def fetch(
    transport: Transport, directory: Directory, ari_id: str, *, asking: t.Callable[[], None] | None = None
) -> RenewalInfo:
    """Ask the CA when to renew a certificate: one GET without authentication (section 4.1).

    :arg ari_id: see :func:`certificate_id`.
    :arg asking: is called right before the request is sent; if it raises, no request is sent.
    :raises DeadlineError: there is no time to ask.
    :raises InputError: the identifier is none.
    :raises AcmeError: there is no usable answer, or its window is invalid (section 4.2). ``details["retry_after"]`` has
        the seconds until the next try; until then the other rules for renewal apply.
    """
    if not _ID.fullmatch(ari_id):
        raise InputError(
            "The certificate has no identifier for renewal information: it lacks an Authority Key Identifier.",
            stage="select",
        )
    if directory.renewal_info is None:
        raise _delayed(NotAcmeError("The CA's directory offers no renewal information.", stage="select"))
    url = f"{directory.renewal_info.rstrip('/')}/{ari_id}"
    if asking is not None:
        transport.deadline.check("talking to the CA", stage="select")
        asking()
    try:
        response = transport.get(url, stage="select", limit=1 << 16)
        start, end, explanation = _window(response.json())
    except AcmeError as error:
        raise _delayed(error) from None
    return RenewalInfo(
        start=start,
        end=end,
        explanation_url=explanation,
        retry_after=bounded(response.retry_after),
    )


def bounded(retry_after: float | None) -> float:
    """Seconds until the next look: what the CA said, within bounds (section 4.3.2); six hours where it said nothing."""
    return RETRY_AFTER_FAILURE if retry_after is None else min(max(retry_after, SHORTEST_RETRY), LONGEST_RETRY)


def _window(raw: dict[str, t.Any]) -> tuple[dt.datetime, dt.datetime, str]:
    window = raw.get("suggestedWindow")
    window = window if isinstance(window, dict) else {}
    try:
        start, end = parse_rfc3339(window.get("start")), parse_rfc3339(window.get("end"))
    except ValueError:
        raise NotAcmeError("The CA's renewal information holds no window of two timestamps.", stage="select") from None
    if end <= start:
        raise NotAcmeError("The CA's renewal window ends before it begins.", stage="select")
    url = raw.get("explanationURL")
    explanation = one_line(url, limit=500) if isinstance(url, str) and url.startswith(("https://", "http://")) else ""
    return start, end, explanation


def _delayed(error: AcmeError) -> AcmeError:
    """The same error with ``retry_after`` in its details: six hours, or the CA's Retry-After if that is longer."""
    asked = error.details.get("retry_after")
    asked = float(asked) if isinstance(asked, (int, float)) else 0.0
    error.details["retry_after"] = min(max(RETRY_AFTER_FAILURE, asked), LONGEST_RETRY)
    error.retryable = True
    return error
