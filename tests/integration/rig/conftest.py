# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the integration tests on real servers find the rig, the tools and the judge of replies.

They run in the copy of the checkout that tests/tools/tree.py makes, where Ansible finds the collection.
"""

from __future__ import annotations

import pathlib
import sys

TESTS = pathlib.Path(__file__).resolve().parents[2]
# the lab has a handle.py as well; the rig's comes first
sys.path[:0] = [str(TESTS / folder) for folder in ("rig", "tools", "lab")]
