# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The renewal information of a CA for a certificate (RFC 9773), and when it may be fetched again: ``renewal.json``.

No certificate depends on this file: if it is damaged or missing, the CA is asked again.
"""

from __future__ import annotations

import datetime
import os
from dataclasses import dataclass

from ansible_collections.mailcert.acme.plugins.module_utils._errors import StoreError, UnsafePathError
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs import atomic
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs import document as fs_document
from ansible_collections.mailcert.acme.plugins.module_utils._store.fs.document import Document
from ansible_collections.mailcert.acme.plugins.module_utils._time import format_iso

LIMIT = 1 << 16


@dataclass(frozen=True)
class Renewal:
    """The renewal information of one certificate; for a CA as a whole only ``next_look`` and ``problem`` are set.

    :ivar ari_id: the identifier of the certificate (RFC 9773, section 4.1).
    :ivar start: and end: the window that the CA suggests, aware; None where there is none yet.
    :ivar moment: drawn once in the window, aware.
    :ivar next_look: the earliest time of the next request, aware.
    :ivar explanation_url: a page of the CA with the reason; empty without one.
    :ivar problem: why the last request had no usable answer, in one sentence; empty where it had one.
    """

    next_look: datetime.datetime
    ari_id: str = ""
    start: datetime.datetime | None = None
    end: datetime.datetime | None = None
    moment: datetime.datetime | None = None
    explanation_url: str = ""
    problem: str = ""

    @classmethod
    def load(cls, path: str) -> Renewal | None:
        """Read the file; None if there is none, or it cannot be used.

        :raises UnsafePathError: another user may have placed it there.
        """
        try:
            data = atomic.read_optional(path, limit=LIMIT, what="renewal information", follow=False)
            return None if data is None else fs_document.parse(data, cls._read)
        except UnsafePathError:
            raise
        except (StoreError, fs_document.Damaged):
            return None

    def save(self, path: str) -> None:
        """Write the file, 0600; raises as :func:`atomic.write_atomic`."""
        atomic.ensure_folder(os.path.dirname(path))
        moments = {name: format_iso(getattr(self, name)) for name in ("start", "end", "moment", "next_look")}
        texts = {name: getattr(self, name) for name in ("ari_id", "explanation_url", "problem")}
        atomic.write_atomic(path, fs_document.encode({**texts, **moments}))

    @classmethod
    def _read(cls, document: Document) -> Renewal:
        return cls(
            next_look=document.present_moment("next_look"),
            ari_id=document.text("ari_id"),
            start=document.moment("start"),
            end=document.moment("end"),
            moment=document.moment("moment"),
            explanation_url=document.text("explanation_url"),
            problem=document.text("problem"),
        )
