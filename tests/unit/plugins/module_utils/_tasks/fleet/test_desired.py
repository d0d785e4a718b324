# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an inventory wishes is checked before anything is done, and each mistake is told in one sentence."""

from __future__ import annotations

import dataclasses
import pathlib

import pytest
import yaml
from ansible_collections.mailcert.acme.plugins.module_utils._errors import SmimeError
from ansible_collections.mailcert.acme.plugins.module_utils._pki import keys
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.account import connection
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.fleet import desired

ROOT = pathlib.Path(__file__).resolve().parents[6]
LEAST = {"addresses": ["anna@example.com"], "acme_directory": "https://ca.example/directory"}


def test_the_defaults_are_those_of_the_role():
    role = yaml.safe_load((ROOT / "roles" / "smime" / "defaults" / "main.yml").read_text(encoding="utf-8"))
    said = {name: role[f"smime_{name}"] for name in desired.READERS if role.get(f"smime_{name}") is not None}
    assert desired.read_wish("anna", {**LEAST, **said}) == desired.read_wish("anna", LEAST)
    assert {f"smime_{name}" for name in desired.READERS} - set(role) == {"smime_addresses", "smime_acme_directory"}


def test_what_an_inventory_gives_as_text_is_read():
    wish = desired.read_wish(
        "anna",
        {
            "addresses": "Anna@EXAMPLE.com",
            "acme_directory": "https://ca.example/directory",
            "privatekey_type": "ECC",
            "remaining_days": "14",
            "remaining_percentage": "0.25",
            "pkcs12": "false",
            "pkcs12_generation": "3",
        },
    )
    assert wish.addresses == ("Anna@example.com",)
    assert wish.key_spec == keys.KeySpec("ECC", None, "secp256r1")
    assert (wish.remaining_days, wish.remaining_percentage, wish.pkcs12, wish.pkcs12_generation) == (14, 0.25, False, 3)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"addresses": []}, "smime_addresses (or smime_address) is not set for anna"),
        ({"acme_directory": ""}, "smime_acme_directory is not set for anna"),
        ({"addresses": ["anna"]}, "smime_addresses"),
        ({"addresses": ["*@example.com"]}, "wildcard"),
        ({"addresses": ["a@example.com", "a@EXAMPLE.com"]}, "twice"),
        ({"addresses": {"a": 1}}, "give a list of mail addresses"),
        ({"usage": "both"}, "smime_usage: give one of dual, sign, encrypt"),
        ({"privatekey_size": 1024}, "privatekey_size"),
        ({"privatekey_size": "big"}, "smime_privatekey_size: give a whole number"),
        ({"privatekey_type": "ECC", "privatekey_curve": "secp224r1"}, "privatekey_curve"),
        ({"remaining_percentage": 25}, "smime_remaining_percentage: give a number from 0 to 1"),
        ({"force": "perhaps"}, "smime_force: give true or false"),
        ({"colour": "blue"}, "A wish has no colour"),
    ],
)
def test_a_mistake_is_told_in_one_sentence(change, words):
    with pytest.raises(SmimeError) as caught:
        desired.read_wish("anna", {**LEAST, **change})
    assert words in caught.value.message
    assert "\n" not in caught.value.message


def test_no_secret_is_among_the_wishes():
    assert not [name for name in desired.READERS if "pass" in name or name.endswith("_key")]
    assert not [field.name for field in dataclasses.fields(desired.Wish) if "pass" in field.name]


def test_the_user_agent_tells_the_version_of_the_collection():
    galaxy = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))
    assert connection.USER_AGENT.startswith(f"mailcert.acme/{galaxy['version']} ")
