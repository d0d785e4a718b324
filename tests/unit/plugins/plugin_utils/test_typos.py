# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What counts as a typing error in the name of a variable."""

from __future__ import annotations

import pathlib

import pytest
import yaml
from ansible_collections.mailcert.acme.plugins.plugin_utils import typos

SPEC = pathlib.Path(__file__).resolve().parents[4] / "roles" / "smime" / "meta" / "argument_specs.yml"


def warned(variables):
    found = typos.Typos()
    found.look("anna", variables)
    return found.sentences()


def test_names_are_those_of_the_role_and_the_playbooks():
    options = yaml.safe_load(SPEC.read_text(encoding="utf-8"))["argument_specs"]["main"]["options"]
    assert set(typos.KNOWN) == {*options, "smime_hosts"}


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("smime_imap_hsot", "smime_imap_host"),
        ("smime_pkcs12_pasphrase", "smime_pkcs12_passphrase"),
        ("smime_remaning_days", "smime_remaining_days"),
        ("smime_acme_dirctory", "smime_acme_directory"),
        ("smime_adress", "smime_address"),
    ],
)
def test_typing_error_is_reported_with_what_was_meant(name, meant):
    (sentence,) = warned({name: "x", "smime_usage": "dual"})
    assert sentence.startswith(f"{name} of anna is no variable") and f" {meant} is one." in sentence


@pytest.mark.parametrize(
    "variables",
    [
        {"smime_imap_host": "imap.example.com", "smime_hosts": "all"},
        {"smime_department": "sales"},
        {"smim_address": "of another prefix"},
        {"smime_imap_passwords": {"anna": "x"}, "smime_imap_password": "{{ smime_imap_passwords.anna }}"},
        {"smime_smtp_hosts": ["a"], "smime_mailboxes": [{"smtp_host": "{{ smime_smtp_hosts[0] }}"}]},
    ],
)
def test_names_of_the_user_s_own_are_no_typing_errors(variables):
    assert warned(variables) == []


def test_many_hosts_are_one_sentence():
    found = typos.Typos()
    for host in ("anna", "bert", "carl"):
        found.look(host, {"smime_imap_hsot": "x"})
    assert found.sentences()[0].startswith("smime_imap_hsot of anna and 2 more is no variable")
