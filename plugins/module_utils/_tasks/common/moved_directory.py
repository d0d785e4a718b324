# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The warning about a directory that redirects: the old URL may end."""

from __future__ import annotations

from ansible_collections.mailcert.acme.plugins.module_utils._acme.client import AcmeClient
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context
from ansible_collections.mailcert.acme.plugins.module_utils._text import one_line


def warn(context: Context, client: AcmeClient) -> None:
    """Warn if the directory was redirected. This sends no request."""
    moved_to = client.moved_to
    if moved_to:
        context.warn(
            f"acme_directory {one_line(client.directory_url, limit=200)} redirects to {one_line(moved_to, limit=200)},"
            " which was used. Ask the CA whether the new URL is permanent, and set acme_directory to it."
        )
