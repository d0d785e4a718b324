# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that come from variables: options_from and variables."""

from __future__ import annotations

import typing as t

import pytest
from ansible.errors import AnsibleUndefinedVariable
from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError
from ansible_collections.mailcert.acme.plugins.module_utils._secrets import secret_options
from ansible_collections.mailcert.acme.plugins.module_utils._tasks import smime_email_challenge
from ansible_collections.mailcert.acme.plugins.plugin_utils import options_from, role_variables
from ansible_collections.mailcert.acme.plugins.plugin_utils.options_from import is_template, resolve

SPEC: dict[str, t.Any] = {
    "path": {"type": "str", "required": True},
    "size": {"type": "int"},
    "password": {"type": "str", "no_log": True},
}
ROLE = {"path": "smime_path", "size": "smime_key_size", "password": "smime_password"}
SECRETS = {
    "account_key_content",
    "account_key_passphrase",
    "dkim_privatekey_content",
    "dkim_privatekey_passphrase",
    "imap_password",
    "imap_token",
    "mail_client_key_passphrase",
    "mailboxes",
    "oauth_client_secret",
    "oauth_refresh_token",
    "oauth_service_account_content",
    "smtp_password",
    "smtp_token",
}


class Templar:
    """Counts, and answers every template with the same."""

    def __init__(self, answer: t.Any = "made") -> None:
        self.seen: list[t.Any] = []
        self._answer = answer

    def template(self, value: t.Any) -> t.Any:
        self.seen.append(value)
        return self._answer


class FailingTemplar:
    """Says what Ansible says of an undefined variable."""

    def __init__(self, name: str) -> None:
        self._name = name

    def template(self, value: object) -> None:
        raise AnsibleUndefinedVariable(f"{self._name!r} is undefined")


def by_name(named: t.Any, task_vars: dict[str, t.Any], **args: t.Any) -> dict[str, t.Any]:
    return resolve({"variables": named, **args}, task_vars, Templar(), spec=SPEC)


def from_sources(
    sources: t.Any, task_vars: dict[str, t.Any], templar: t.Any = None, **args: t.Any
) -> dict[str, t.Any]:
    args = {"options_from": sources, **args}
    return resolve(args, task_vars, templar or Templar(), spec=SPEC, role_variables=ROLE)


# --- variables -----------------------------------------------------------------------------------------------------


def test_without_variables_the_arguments_are_as_they_were():
    args = {"path": "/p", "variables": None}
    assert resolve(args, {}, Templar(), spec=SPEC) is args


def test_variables_are_read_by_name_and_reach_into_dictionaries():
    task_vars = {"one": 1, "plan": {"paths": {"key": "/k"}, "none": None}}
    named = {"a": "one", "b": "plan.paths.key", "c": "plan.none", "d": "plan.paths"}
    assert by_name(named, task_vars) == {"a": 1, "b": "/k", "d": {"key": "/k"}}


def test_a_variable_that_is_null_leaves_its_option_to_its_default():
    assert by_name({"a": "nothing", "b": "plan.nothing"}, {"nothing": None, "plan": {"nothing": None}}) == {}
    assert by_name({"a": "zero", "b": "no", "c": "empty"}, {"zero": 0, "no": False, "empty": []}) == {
        "a": 0, "b": False, "c": [],
    }


def test_only_templates_are_templated_and_each_once():
    templar = Templar()
    task_vars = {"plain": "text", "made": {"a": "{{ x }}", "b": "y", "c": "{{ never asked for }}"}}
    named = {"one": "plain", "two": "made.a", "three": "made.b", "four": "made.a"}
    found = resolve({"variables": named}, task_vars, templar, spec=SPEC)
    assert found == {"one": "text", "two": "made", "three": "y", "four": "made"}
    assert templar.seen == ["{{ x }}"]


def test_what_comes_out_of_a_template_is_not_templated_again():
    templar = Templar({"subject": "{{ written by a stranger }}"})
    task_vars = {"plan": "{{ selection.plans[host] }}"}
    named = {"one": "plan.subject", "two": "plan"}
    found = resolve({"variables": named}, task_vars, templar, spec=SPEC)
    assert found["one"] == "{{ written by a stranger }}"
    assert templar.seen == ["{{ selection.plans[host] }}"]


def test_an_option_that_is_set_wins():
    assert by_name({"a": "one", "b": "one"}, {"one": 1}, a=2) == {"a": 2, "b": 1}


def test_a_variable_that_is_omitted_leaves_its_option_out():
    assert by_name({"a": "gone", "b": "one"}, {"omit": "__omit", "gone": "__omit", "one": 1}) == {"b": 1}


@pytest.mark.parametrize(
    "named, says",
    [
        ({"path": "none"}, "variables: path is to come from none, which is not defined."),
        ({"path": "plan.none"}, "variables: path is to come from plan.none, which is not defined."),
        ({"path": "plan.text.more"}, "variables: path is to come from plan.text.more, which is not defined."),
        (["path"], "variables must be a dictionary from options to the names of variables."),
        ("path=plan", "variables must be a dictionary from options to the names of variables."),
    ],
)
def test_variables_that_cannot_be_read_are_named(named, says):
    with pytest.raises(InputError) as caught:
        by_name(named, {"plan": {"text": "x"}})
    assert caught.value.message == says


# --- options_from --------------------------------------------------------------------------------------------------


def test_the_variables_of_the_role_are_for_the_options_of_the_module():
    task_vars = {"smime_path": "/p", "smime_key_size": 3, "smime_password": None, "smime_other": 4, "size": 5}
    assert from_sources(["smime_*"], task_vars) == {"path": "/p", "size": 3}


def test_a_dictionary_gives_what_is_an_option_of_the_module():
    assert from_sources(["plan"], {"plan": {"path": "/p", "reason": "missing", "size": None}}) == {"path": "/p"}
    assert from_sources(["all.plan"], {"all": {"plan": {"path": "/p"}}}) == {"path": "/p"}


def test_the_first_source_that_has_an_option_counts():
    task_vars = {"smime_path": "/role", "smime_key_size": 3, "plan": {"path": "/plan", "size": None}}
    assert from_sources(["plan", "smime_*"], task_vars) == {"path": "/plan", "size": 3}
    assert from_sources(["smime_*", "plan"], task_vars) == {"path": "/role", "size": 3}
    assert from_sources("plan, smime_*", task_vars) == {"path": "/plan", "size": 3}


def test_what_the_task_says_itself_wins_over_all_sources():
    task_vars = {"smime_path": "/role", "smime_key_size": 3, "smime_password": "p", "nothing": None, "one": 1}
    found = from_sources(["smime_*"], task_vars, path="/own", variables={"size": "one", "password": "nothing"})
    assert found == {"path": "/own", "size": 1}, "a null variable that is named leaves its option out"


def test_a_template_that_no_option_needs_is_not_filled_in():
    templar = Templar()
    task_vars = {
        "smime_path": "{{ a }}", "smime_key_size": "{{ b }}", "smime_other": "{{ c }}", "omit": "made",
        "plan": {"path": "/p", "password": "{{ d }}", "reason": "{{ e }}"},
    }
    assert from_sources(["plan", "smime_*"], task_vars, templar, size=1) == {"path": "/p", "size": 1}
    # the password was omitted by the first source, and the second has none
    assert templar.seen == ["{{ d }}"]


def test_a_source_that_is_a_template_is_filled_in_once_and_its_values_not_again():
    templar = Templar({"path": "{{ written by a stranger }}", "size": 2})
    found = from_sources(["plan", "smime_*"], {"plan": "{{ selection.plans[host] }}"}, templar)
    assert found == {"path": "{{ written by a stranger }}", "size": 2}
    assert templar.seen == ["{{ selection.plans[host] }}"]


@pytest.mark.parametrize(
    "sources, says",
    [
        (["plan"], "options_from: options are to come from plan, which is not defined."),
        (["text"], "options_from: text must be a dictionary by option."),
        ([["plan"]], "options_from must be a list of the names of variables, and of smime_* for those of the role."),
        ({"plan": 1}, "options_from must be a list of the names of variables, and of smime_* for those of the role."),
        (["smime_*"], "options_from: path is to come from smime_path, which is not defined."),
    ],
)
def test_sources_that_cannot_be_read_are_named(sources, says):
    with pytest.raises(InputError) as caught:
        from_sources(sources, {"text": "x"})
    assert caught.value.message == says


def test_a_required_option_that_is_set_needs_no_variable():
    assert from_sources(["smime_*"], {}, path="/own") == {"path": "/own"}
    assert from_sources(["smime_*"], {"plan": {"path": "/p"}}, variables={"path": "plan.path"}) == {"path": "/p"}


# --- the table -----------------------------------------------------------------------------------------------------


def test_the_table_is_of_the_options_of_the_module():
    table = role_variables.OPTIONS["smime_email_challenge"]
    assert set(table) <= set(smime_email_challenge.TASK.argument_spec)
    assert table["imap_host"] == "smime_imap_host" and table["allow_plaintext"] == "smime_mail_allow_plaintext"
    assert {name for names in role_variables.OPTIONS.values() for name in names.values()} <= role_variables.NAMES
    assert options_from.ROLE not in role_variables.NAMES


# --- secrets -------------------------------------------------------------------------------------------------------


def test_options_that_are_or_hold_secrets():
    assert secret_options(smime_email_challenge.TASK.argument_spec) == SECRETS


@pytest.mark.parametrize("name", ["hunter2", "plan.hunter2", "hunter2.plan", ["hunter2"], {"hunter2": 1}])
@pytest.mark.parametrize("option", ["imap_password", "mailboxes"])
def test_secret_in_place_of_a_name_is_not_shown(option, name):
    with pytest.raises(InputError) as caught:
        resolve({"variables": {option: name}}, {"plan": {}}, None, spec=smime_email_challenge.TASK.argument_spec)
    assert "hunter2" not in caught.value.message
    assert option in caught.value.message


@pytest.mark.parametrize(
    "option, name, said",
    [
        ("imap_host", "hunter2", "template fails: 'hunter2' is undefined."),
        ("imap_password", "vault_password", "template fails: 'vault_password' is undefined."),
        ("imap_password", "hunter2", "template fails."),
    ],
)
def test_template_that_fails_is_not_shown(option, name, said):
    spec = smime_email_challenge.TASK.argument_spec
    with pytest.raises(InputError) as caught:
        resolve({"variables": {option: "v"}}, {"v": "x {{ y }}"}, FailingTemplar(name), spec=spec)
    assert caught.value.message == f"variables: {option} is to come from v, whose {said}"
    variable = f"smime_{option}"
    with pytest.raises(InputError) as caught:
        resolve(
            {"options_from": ["smime_*"]},
            {variable: "x {{ y }}"},
            FailingTemplar(name),
            spec={option: spec[option]},
            role_variables={option: variable},
        )
    assert caught.value.message == f"options_from: {option} is to come from {variable}, whose {said}"


# --- templates -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["{{ a }}", "x {% if y %}", "{# none #}", [1, {"a": ("{{ b }}",)}]])
def test_templates_are_found_at_any_depth(value):
    assert is_template(value)
    assert not is_template(["a { b } c", 1, None, {"{{": 1}])
