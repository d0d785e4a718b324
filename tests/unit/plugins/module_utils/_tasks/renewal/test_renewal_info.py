# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking CAs when they want certificates renewed: what is wrong with one file must not stop a fleet."""

from __future__ import annotations

from ansible_collections.mailcert.acme.plugins.module_utils._acme.directory import Directory
from ansible_collections.mailcert.acme.plugins.module_utils._deadline import Deadline
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.renewal import renewal_info

URL = "https://ca.invalid/directory"


def test_a_memory_that_cannot_be_trusted_is_told_and_the_ca_is_not_asked(tmp_path):
    (tmp_path / "renewal.json").symlink_to("elsewhere.json")
    context = Context()
    look = renewal_info.Look("anna", str(tmp_path / "a.json"), "a.b")
    assert renewal_info.ask({renewal_info.Ca(URL, str(tmp_path)): [look]}, context) == {}
    (told,) = context.warnings
    assert URL in told and "symbolic link" in told
    assert [entry.name for entry in tmp_path.iterdir()] == ["renewal.json"]


def test_one_certificate_that_cannot_be_asked_about_does_not_stop_the_others(tmp_path):
    directory = Directory(URL, "", "", "", renewal_info="https://ca.invalid/ari")
    ca = renewal_info.Ca(URL, str(tmp_path))
    path = str(tmp_path / "x" / "a.json")
    looks = [renewal_info.Look(f"host{number}", path, "no identifier") for number in range(3)]
    asked = renewal_info._Round(ca, looks, Context(), Deadline(5))
    asked._share(directory, looks[:2])
    assert not asked._stop.is_set() and len(asked._failures) == 2
    asked._share(directory, looks[2:])
    assert asked._stop.is_set(), "so many in a row are not a matter of one certificate"


def test_a_ca_that_there_was_no_time_to_ask_is_not_left_alone_for_it(tmp_path, monkeypatch):
    ca = renewal_info.Ca(URL, str(tmp_path))
    look = renewal_info.Look("anna", str(tmp_path / "a.json"), "a.b")
    context = Context()
    assert renewal_info._Round(ca, [look], context, Deadline(0)).run() == {}
    assert "deadline of 0 seconds" in " ".join(context.warnings)
    monkeypatch.setattr(renewal_info, "SECONDS", 0.0)
    assert renewal_info.ask({ca: [look]}, context) == {}
    assert list(tmp_path.iterdir()) == [], "an earlier CA took the time, and this one waits six hours for it"
