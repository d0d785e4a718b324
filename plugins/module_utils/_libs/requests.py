# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The libraries requests and urllib3, on which it is built: HTTPS."""

from __future__ import annotations

from .require import Absent, missing

try:
    import requests
    import urllib3
except ImportError:
    missing("requests", "requests")
    requests = urllib3 = Absent("requests")  # type: ignore

__all__ = (
    "requests",
    "urllib3",
)
