# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of a mailbox: what smime_select hands to the modules of the chain."""

from __future__ import annotations

import json
import pathlib

import pytest
import yaml
from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError, TooManyChangesError
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context
from ansible_collections.mailcert.acme.plugins.module_utils._tasks import smime_select
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.fleet import change_limit

ROOT = pathlib.Path(__file__).resolve().parents[5]
CA = "https://ca.test/directory"


def select(tmp_path, wishes, **options):
    params = {name: entry.get("default") for name, entry in smime_select.TASK.argument_spec.items()}
    params.update(store_path=str(tmp_path / "store"), desired_states=wishes, **options)
    return smime_select.TASK.run(params, Context()).as_result(diff=False)


def test_a_plan_has_the_checked_desired_state_and_paths_of_the_store(tmp_path):
    anna = {
        "addresses": "Anna@A.TEST", "acme_directory": CA, "privatekey_type": "ECC", "usage": "sign", "profile": "short",
    }  # fmt: skip
    result = select(tmp_path, {"anna": anna})
    plan = result["plans"]["anna"]
    assert json.loads(json.dumps(result)) == result
    assert plan["addresses"] == ["Anna@a.test"]
    said = ("usage", "privatekey_type", "privatekey_size", "privatekey_curve", "profile", "acme_directory")
    assert [plan[name] for name in said] == ["sign", "ECC", None, "secp256r1", "short", CA]
    assert (plan["order"], plan["on_hold"], plan["reason"], plan["renew_at"]) == (True, False, "missing", "")
    paths = {name: value for name, value in plan.items() if name.endswith("_path") and name not in ("ca_path",)}
    assert len(paths) == 20 and all(path.startswith(str(tmp_path / "store")) for path in paths.values())
    (account,) = result["accounts"]
    assert account == {"host": "anna", **{name: plan[name] for name in account if name != "host"}}


def test_each_key_of_a_plan_is_documented(tmp_path):
    plan = select(tmp_path, {"anna": {"addresses": ["anna@a.test"], "acme_directory": CA}})["plans"]["anna"]
    module = (ROOT / "plugins" / "modules" / "smime_select.py").read_text(encoding="utf-8")
    documented = yaml.safe_load(module.partition('RETURN = r"""')[2].partition('"""')[0])
    assert set(plan) == set(documented["plans"]["contains"])


def test_what_is_wrong_with_one_mailbox_fails_that_one_alone(tmp_path):
    good = {"addresses": ["anna@a.test"], "acme_directory": CA}
    wishes = {"anna": good, "bert": {**good, "usage": "both"}, "carl": ["no dictionary"], "anna-too": good}
    result = select(tmp_path, wishes, complete=True)
    assert (result["due"], result["untouched"], result["changed"]) == (["anna"], 0, True)
    assert sorted(result["failed_mailboxes"]) == ["anna-too", "bert", "carl"]
    assert {error["stage"] for error in result["failed_mailboxes"].values()} == {"select"}
    assert "anna-too and anna both ask for" in result["failed_mailboxes"]["anna-too"]["msg"]
    # whom carl names is not known
    assert result["orphans"] == []


def test_accounts_are_reported_without_a_word_on_certificates(tmp_path):
    wishes = {
        name: {"addresses": [f"{name}@a.test"], "acme_directory": CA, "account_name": account}
        for name, account in (("anna", "one"), ("bert", "one"), ("carl", "two"))
    }
    result = select(tmp_path, wishes, accounts_only=True)
    assert [account["host"] for account in result["accounts"]] == ["anna", "carl"]
    assert (result["due"], result["plans"], result["untouched"], result["changed"]) == ([], {}, 3, False)
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    ("text", "fleet", "allowed"),
    [("10%", 1000, 100), ("10%", 10, 5), ("0", 1000, 0), ("7", 3, 7), (" 100% ", 12, 12), ("0%", 1000, 5)],
)
def test_a_change_limit(text, fleet, allowed):
    limit = change_limit.ChangeLimit.parse(text)
    changes = {f"host{number}": "addresses" for number in range(allowed + 1)}
    assert limit.allowed(fleet) == allowed
    limit.check(fleet, dict(list(changes.items())[:allowed]))
    with pytest.raises(TooManyChangesError, match=f"{allowed + 1} of {fleet} mailboxes would be reissued") as caught:
        limit.check(fleet, changes)
    assert caught.value.details == {"allowed": allowed, "fleet": fleet, "mailboxes": changes}


@pytest.mark.parametrize("text", ["", "ten", "101%", "-1", "10 %", "1.5", "1e3"])
def test_what_is_no_change_limit_is_refused_before_the_store_is_opened(tmp_path, text):
    with pytest.raises(InputError, match="max_changes"):
        select(tmp_path, {}, max_changes=text)
    assert list(tmp_path.iterdir()) == []
