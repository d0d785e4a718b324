# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the tests are: the collection, and the folder in which Ansible and Python find it.

Everything below tests/ is imported as ``ansible_collections.mailcert.acme.tests.x``, so a module knows from its own
path which folder must be on the import path of a process that it starts.
"""

from __future__ import annotations

import pathlib

# the root of the checkout, or of the copy of it that runs; links are followed
COLLECTION = pathlib.Path(__file__).resolve().parents[2]
# holds ansible_collections: what ANSIBLE_COLLECTIONS_PATH and PYTHONPATH name
COLLECTIONS = pathlib.Path(__file__).parents[5]
