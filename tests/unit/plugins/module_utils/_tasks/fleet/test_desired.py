# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an inventory says of a mailbox is checked before anything is done, and each mistake is one sentence."""

from __future__ import annotations

import dataclasses
import pathlib

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.mailcert.acme.plugins.module_utils._errors import SmimeError
from ansible_collections.mailcert.acme.plugins.module_utils._pki import keys
from ansible_collections.mailcert.acme.plugins.module_utils._tasks import smime_csr, smime_order, smime_pkcs12
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.account import connection
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.fleet import desired

ROOT = pathlib.Path(__file__).resolve().parents[6]
LEAST = {"addresses": ["anna@example.com"], "acme_directory": "https://ca.example/directory"}


def test_the_defaults_are_those_of_the_role():
    role = yaml.safe_load((ROOT / "roles" / "smime" / "defaults" / "main.yml").read_text(encoding="utf-8"))
    said = {name: role[f"smime_{name}"] for name in desired.READERS if role.get(f"smime_{name}") is not None}
    assert desired.DesiredState.parse("anna", {**LEAST, **said}) == desired.DesiredState.parse("anna", LEAST)
    assert {f"smime_{name}" for name in desired.READERS} - set(role) == {"smime_addresses", "smime_acme_directory"}


def test_a_variable_that_a_module_takes_too_has_its_choices_and_its_default():
    modules = {
        "addresses": (smime_order, "addresses"),
        "usage": (smime_order, "usage"),
        "acme_directory": (smime_order, "acme_directory"),
        "privatekey_type": (smime_csr, "privatekey_type"),
        "privatekey_size": (smime_csr, "privatekey_size"),
        "privatekey_curve": (smime_csr, "privatekey_curve"),
        "acme_validate_certs": (smime_order, "validate_certs"),
        "acme_ca_path": (smime_order, "ca_path"),
        "acme_request_timeout": (smime_order, "request_timeout"),
        "force": (smime_order, "force"),
        "remaining_percentage": (smime_order, "remaining_percentage"),
        "pkcs12_encoding": (smime_pkcs12, "encoding"),
        "pkcs12_generation": (smime_pkcs12, "generation"),
        "pkcs12_friendly_name": (smime_pkcs12, "friendly_name"),
        "common_name": (smime_csr, "common_name"),
    }
    for variable, (module, option) in modules.items():
        assert desired.VARIABLES[variable] == module.TASK.argument_spec[option], variable


def test_a_key_without_size_or_curve_is_what_the_module_makes():
    empty = {**LEAST, "privatekey_size": None, "privatekey_curve": ""}
    assert desired.DesiredState.parse("anna", empty).key_spec == keys.KeySpec("RSA", 3072, None)
    curve = desired.DesiredState.parse("anna", {**empty, "privatekey_type": "ECC"}).key_spec
    assert curve == keys.KeySpec("ECC", None, "secp256r1")


def test_the_checked_state_goes_to_the_modules_as_their_options():
    state = desired.DesiredState.parse(
        "anna",
        {**LEAST, "common_name": "anna@EXAMPLE.com", "acme_request_timeout": "20", "pkcs12_encoding": "compatible"},
    )
    said = state.module_options()
    specs = [module.TASK.argument_spec for module in (smime_csr, smime_order, smime_pkcs12)]
    for name, value in said.items():
        entries = [spec[name] for spec in specs if name in spec]
        assert entries, f"{name} is no option of a module of the chain"
        # null leaves an option out
        for entry in entries if value is not None else ():
            validated = ArgumentSpecValidator({name: entry}).validate({name: value})
            assert not validated.error_messages and validated.validated_parameters[name] == value, name
    assert (said["common_name"], said["request_timeout"], said["encoding"]) == ("anna@example.com", 20, "compatible")
    assert (said["privatekey_type"], said["privatekey_size"], said["privatekey_curve"]) == ("RSA", 3072, None)
    assert said["profile"] is None, "a later source of options may have it"


def test_what_an_inventory_gives_as_text_is_read():
    state = desired.DesiredState.parse(
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
    assert state.addresses == ("Anna@example.com",)
    assert state.key_spec == keys.KeySpec("ECC", None, "secp256r1")
    assert (state.renewal.remaining_days, state.renewal.remaining_fraction) == (14, 0.25)
    assert (state.pkcs12, state.pkcs12_generation) == (False, 3)


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
        ({"colour": "blue"}, "has no colour"),
    ],
)
def test_a_mistake_is_one_sentence(change, words):
    with pytest.raises(SmimeError) as caught:
        desired.DesiredState.parse("anna", {**LEAST, **change})
    assert words in caught.value.message
    assert "\n" not in caught.value.message


def test_no_secret_is_in_a_desired_state():
    assert not [name for name in desired.READERS if "pass" in name or name.endswith("_key")]
    assert not [field.name for field in dataclasses.fields(desired.DesiredState) if "pass" in field.name]


def test_the_user_agent_tells_the_version_of_the_collection():
    galaxy = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))
    assert connection.USER_AGENT.startswith(f"mailcert.acme/{galaxy['version']} ")
