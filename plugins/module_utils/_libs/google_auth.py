# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The library google-auth: access tokens for Google service accounts."""

from __future__ import annotations

from .require import Absent, missing

try:
    import google.auth.exceptions as google_exceptions
    import google.auth.transport.requests as google_transport
    import google.oauth2.service_account as google_service_account
except ImportError:
    missing("google-auth", "google")
    google_exceptions = google_transport = google_service_account = Absent("google-auth")  # type: ignore

__all__ = (
    "google_exceptions",
    "google_service_account",
    "google_transport",
)
