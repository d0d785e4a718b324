# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab for runs that are killed."""

from __future__ import annotations

import contextlib
import os
import typing as t

from ansible_collections.mailcert.acme.tests.lab.handle import Lab


@contextlib.contextmanager
def started_lab() -> t.Iterator[Lab]:
    """A lab; its violations are for the test to judge."""
    # without Retry-After, of which a run knows nothing when the one before it was killed; and of each client that is
    # gone the servers would tell at length
    with Lab.start(mailboxes=20, behaviour={"retry_after": 0.0}, log=os.devnull) as started:
        yield started
