# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The error of a failed request: the CA refuses it, the CA is out of order, or the server is no ACME server."""

from __future__ import annotations

from ansible_collections.mailcert.acme.plugins.module_utils._errors import AcmeConnectionError, AcmeError, NotAcmeError
from ansible_collections.mailcert.acme.plugins.module_utils._text import one_line

from . import parse
from .https import PROBLEM_LIMIT, Response
from .problem import Problem, error_for
from .retry import PASSING_STATUSES


def problem_of(response: Response) -> Problem:
    """The problem document of a response; an empty one with its status if it holds none."""
    try:
        value = parse.parse_json(response.body) if not response.is_html and len(response.body) <= PROBLEM_LIMIT else {}
    except ValueError:
        value = {}
    if not any(isinstance(value.get(name), str) for name in ("type", "title", "detail")):
        value = {}
    return Problem.from_json(value, status=response.status)


def is_limited(response: Response, problem: Problem) -> bool:
    """Whether the CA asks for fewer requests (RFC 8555, section 6.6); such a request was not acted on."""
    return response.status == 429 or problem.kind == "rateLimited"


def refusal(response: Response, problem: Problem, *, method: str) -> AcmeError:
    """The error of a response that is no success."""
    where = one_line(response.url, limit=200)
    if response.status < 400:
        return NotAcmeError(
            f"{where} redirects a {method} request to {one_line(response.location, limit=200) or 'nowhere'}, which is"
            " not followed. Set acme_directory to the CA's own URL.",
            stage=response.stage,
        )
    if problem.raw or response.status == 429:
        return error_for(
            problem,
            response.stage,
            retry_after=response.retry_after,
            help_urls=response.links("help"),
            terms_urls=response.links("terms-of-service"),
        )
    what = f"{where} answers with HTTP status {response.status} and {response.looks_like}"
    if response.status in PASSING_STATUSES:
        return AcmeConnectionError(f"The CA is out of order at present: {what}.", stage=response.stage)
    return NotAcmeError(f"{what}, which no ACME server does. Check acme_directory.", stage=response.stage)
