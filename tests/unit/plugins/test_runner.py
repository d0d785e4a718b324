# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two shells, piece by piece; tests/integration/lab/test_two_runners.py runs them against each other."""

from __future__ import annotations

import dataclasses
import datetime
import os
import sys
import types
import typing as t

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._errors import OrderError
from ansible_collections.mailcert.acme.plugins.module_utils._libs.require import MISSING
from ansible_collections.mailcert.acme.plugins.module_utils._runner import perform, run_in_process
from ansible_collections.mailcert.acme.plugins.module_utils._secrets import HIDDEN, sift
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context, Outcome, Task
from ansible_collections.mailcert.acme.plugins.plugin_utils import in_process

SECRET = "Geheimnis"
SPEC: dict[str, t.Any] = {
    "path": {"type": "str"},
    "passphrase": {"type": "str", "no_log": True},
    "passphrase_path": {"type": "path", "no_log": False},
    "token_join": {"type": "str", "no_log": False},
    "wishes": {"type": "dict"},
    "binding": {
        "type": "dict",
        "options": {"kid": {"type": "str", "aliases": ["id"]}, "key": {"type": "str", "no_log": True}},
    },
    "mailboxes": {
        "type": "list",
        "elements": "dict",
        "options": {"address": {"type": "str"}, "password": {"type": "str", "no_log": True}},
    },
}


def refused(params: dict[str, t.Any]) -> str:
    """What is said of a wrong shape; the secret is nowhere."""
    sifted = sift(SPEC, params)
    assert sifted.problem is not None
    assert SECRET not in repr((sifted.params, sifted.problem.as_result(), sifted))
    return sifted.problem.message


# --- secrets that stand in the wrong place -------------------------------------------------------------------------


def test_sift_leaves_what_is_right():
    params = {
        "path": "/p",
        "passphrase": None,
        "token_join": "string",
        "binding": {"id": "1", "key": "k"},
        "mailboxes": [{"address": "a@b.test", "password": 12345}],
    }
    sifted = sift(SPEC, params)
    assert sifted.params == params
    assert sifted.secrets == {"k", "12345"}
    assert sifted.problem is None


@pytest.mark.parametrize("path", ["/k", "~/k", "$HOME/k", None])
def test_sift_takes_the_path_of_a_secret(path):
    sifted = sift(SPEC, {"passphrase_path": path})
    assert sifted.params == {"passphrase_path": path} and sifted.problem is None


def test_sift_masks_a_password_in_a_url_wherever_it_is():
    params = {"wishes": {"anna": {"urls": [f"https://anna:{SECRET}%21@ca.test/"]}}}
    sifted = sift(SPEC, params)
    assert sifted.params == params and sifted.problem is None
    assert sifted.secrets == {f"{SECRET}%21", f"{SECRET}!"}


def test_sift_does_not_touch_what_it_was_given():
    params = {"binding": {"kid": "1", "ley": SECRET}}
    sift(SPEC, params)
    assert params == {"binding": {"kid": "1", "ley": SECRET}}


@pytest.mark.parametrize(
    "params, shown",
    [
        ({"pasphrase": SECRET}, {"pasphrase": HIDDEN}),
        ({"binding": {"kid": "1", "ley": SECRET}}, {"binding": {"kid": "1", "ley": HIDDEN}}),
        ({"mailboxes": [{"pasword": [SECRET]}]}, {"mailboxes": [{"pasword": HIDDEN}]}),
        ({"binding": f'{{"kid": "1", "ley": "{SECRET}"}}'}, {"binding": {"kid": "1", "ley": HIDDEN}}),
        ({"binding": f"kid=1 ley={SECRET}"}, {"binding": {"kid": "1", "ley": HIDDEN}}),
    ],
)
def test_sift_hides_the_values_of_unknown_options(params, shown):
    sifted = sift(SPEC, params)
    assert sifted.params == shown
    assert sifted.problem is None, "Ansible's validator names the option"


@pytest.mark.parametrize(
    "params, says",
    [
        ({"passphrase": [SECRET]}, "passphrase must be text, not a list;"),
        ({"passphrase": {"value": SECRET}}, "passphrase must be text, not a dictionary;"),
        ({"passphrase": False}, "passphrase must be text, not a boolean;"),
        ({"passphrase": 1.10}, "passphrase must be text, not a number with a point;"),
        ({"binding": SECRET}, "binding must be a dictionary."),
        ({"binding": [{"key": SECRET}]}, "binding must be a dictionary."),
        ({"binding": {"key": [SECRET]}}, "key in binding must be text"),
        ({"mailboxes": SECRET}, "mailboxes must be a list of dictionaries."),
        ({"mailboxes": {"password": SECRET}}, "mailboxes must be a list of dictionaries."),
        ({"mailboxes": [SECRET]}, "mailboxes must be a list of dictionaries."),
        ({"mailboxes": [{"password": {"a": SECRET}}]}, "password in mailboxes must be text"),
        ({"binding": {SECRET: "1"}}, "A name of an option is none."),
        ({f"passphrase {SECRET}": None}, "A name of an option is none."),
        ({"passphrase_path": SECRET}, "passphrase_path must be an absolute path."),
        ({"passphrase_path": f"/{SECRET}\nand more"}, "passphrase_path must be an absolute path."),
        ({"passphrase_path": [SECRET]}, "passphrase_path must be an absolute path."),
        ({"path": f"https://anna:{SECRET}@ca.test/"}, "path must be a URL without user and password."),
        ({"mailboxes": [{"address": f"https://{SECRET}@ca.test/"}]}, "address in mailboxes must be a URL without"),
    ],
)
def test_sift_refuses_a_wrong_shape_without_showing_it(params, says):
    assert refused(params).startswith(says)


def test_a_password_that_yaml_took_for_a_boolean_is_not_taken_for_text():
    task = Task(run=lambda params, context: Outcome(False, Nothing()), argument_spec=dict(SPEC), result=Nothing)
    result = run_in_process(task, {"passphrase": True}, Context(), name="m")
    assert result["failed"] and result["error_code"] == "invalid_input"
    assert result["invocation"]["module_args"] == {"passphrase": HIDDEN}


# --- perform -------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Nothing:
    """No return keys."""


@dataclasses.dataclass(frozen=True)
class Named:
    """Some return keys."""

    path: str
    others: tuple[str, ...] = ()


def task_that(run: t.Callable[..., Outcome], **more: t.Any) -> Task:
    spec = {"passphrase": {"type": "str", "no_log": True}}
    return Task(run=run, argument_spec=spec, result=Nothing, **more)


def raising(error: BaseException) -> t.Callable[..., t.Any]:
    def run(*unused: t.Any) -> t.NoReturn:
        raise error

    return run


def test_perform_gives_the_outcome_with_a_diff_only_where_asked():
    task = task_that(lambda params, context: Outcome(True, Named(params["path"], ("/q",)), before="a\n"))
    assert perform(task, {"path": "/p"}, Context()) == {"changed": True, "path": "/p", "others": ["/q"]}
    assert perform(task, {"path": "/p"}, Context(diff=True))["diff"] == {"before": "a\n", "after": ""}


def test_perform_gives_the_keys_of_an_error():
    error = OrderError("The order is invalid.", problem={"type": "urn:x"}, details={"a": 1})
    assert perform(task_that(raising(error)), {}, Context()) == {
        "failed": True,
        "msg": "The order is invalid.",
        "error_code": "order_invalid",
        "stage": "order",
        "retryable": False,
        "problem": {"type": "urn:x"},
        "details": {"a": 1},
    }


def test_perform_asks_for_the_libraries_before_anything_else(monkeypatch):
    monkeypatch.setitem(MISSING, "josepy", "")
    task = task_that(raising(AssertionError("it ran")), libraries=("josepy",))
    assert perform(task, {}, Context())["error_code"] == "missing_library"


def test_a_defect_is_a_result_that_asks_for_a_report():
    result = perform(task_that(raising(ZeroDivisionError("division by zero"))), {}, Context())
    assert result["msg"] == (
        "This is a defect of mailcert.acme: ZeroDivisionError: division by zero. Please report it."
    )
    assert result["error_code"] == "internal_error"
    assert result["failed"] is True and result["retryable"] is False
    assert "test_runner.py" in result["exception"]


def test_an_interrupt_is_no_defect():
    # the timeout of a task is a BaseException too
    with pytest.raises(KeyboardInterrupt):
        perform(task_that(raising(KeyboardInterrupt())), {}, Context())


def test_a_secret_in_a_defect_is_masked():
    task = task_that(raising(ValueError(f"cannot use {SECRET}")))
    result = run_in_process(task, {"passphrase": SECRET}, Context(), name="m")
    assert result["error_code"] == "internal_error"
    assert SECRET not in repr(result)


def test_warnings_are_told_once():
    def run(params: dict[str, t.Any], context: Context) -> Outcome:
        context.warn("Mind the gap.")
        context.warn("Mind the gap.")
        return Outcome(False, Nothing())

    assert run_in_process(task_that(run), {}, Context(), name="m")["warnings"] == ["Mind the gap."]


def test_invocation_is_there_only_where_it_is_wanted():
    task = task_that(lambda params, context: Outcome(False, Nothing()))
    assert "invocation" in run_in_process(task, {}, Context(), name="m")
    assert "invocation" not in run_in_process(task, {}, Context(), name="m", show_invocation=False)


# --- what reaches the task -----------------------------------------------------------------------------------------


class Tagged(str):
    """Stands for Ansible's strings with tags, and for those marked unsafe."""


class Lazy(dict):
    """Stands for Ansible's containers that template when looked at."""


def test_plain_gives_what_json_would():
    value = Lazy(
        a=Tagged("text"),
        b=[Tagged("x"), (1, 2.5, True, None)],
        c=datetime.date(2026, 3, 1),
        d={Tagged("key"): b"x".decode()},
    )
    found = in_process.plain(value)
    assert found == {"a": "text", "b": ["x", [1, 2.5, True, None]], "c": "2026-03-01", "d": {"key": "x"}}
    assert [value.__class__ for value in (found, found["a"], found["b"][0])] == [dict, str, str]
    assert [type(key) for key in found["d"]] == [str]
    assert found["b"][1][2] is True


def test_the_environment_ends_with_the_task(monkeypatch):
    monkeypatch.setenv("MAILCERT_KEPT", "before")
    monkeypatch.delenv("MAILCERT_NEW", raising=False)
    with pytest.raises(ZeroDivisionError), in_process.environment({"MAILCERT_KEPT": "during", "MAILCERT_NEW": "x"}):
        assert (os.environ["MAILCERT_KEPT"], os.environ["MAILCERT_NEW"]) == ("during", "x")
        raise ZeroDivisionError
    assert os.environ["MAILCERT_KEPT"] == "before"
    assert "MAILCERT_NEW" not in os.environ


# --- which shell ---------------------------------------------------------------------------------------------------


def action(**more: t.Any) -> in_process.InProcessAction:
    """An action plugin on this machine, as far as the choice needs it."""
    made: t.Any = object.__new__(in_process.InProcessAction)
    task = {"async_val": 0, "become": False, "delegate_to": None, "environment": [], **more}
    connection = {"transport": task.pop("transport", "local"), "become": task.pop("become_plugin", None)}
    connection["_shell"] = types.SimpleNamespace(env_prefix=lambda **values: "")
    made._task = types.SimpleNamespace(**task)
    made._connection = types.SimpleNamespace(**connection)
    made._templar = types.SimpleNamespace(template=lambda value: value)
    return made


HERE = {"ansible_python_interpreter": sys.executable}


@pytest.mark.parametrize("interpreter", [sys.executable, "auto", "auto_silent", "auto_legacy"])
def test_a_local_task_runs_here(interpreter):
    assert action().runs_here({"ansible_python_interpreter": interpreter}, {"REQUESTS_CA_BUNDLE": "/r"})
    assert action(transport="ansible.builtin.local").runs_here(HERE, {})


@pytest.mark.parametrize(
    "task",
    [
        {"transport": "ssh"},
        {"async_val": 10},
        {"become": True},
        {"become_plugin": object()},
    ],
)
def test_a_task_of_another_machine_time_or_user_is_sent(task):
    assert not action(**task).runs_here(HERE, {})


def test_another_python_is_sent():
    assert not action().runs_here({"ansible_python_interpreter": "/opt/other/bin/python3"}, {})


@pytest.mark.parametrize("name", ["PYTHONPATH", "LD_PRELOAD", "HOME", "PATH", "LC_ALL", "LANGUAGE", "TZ", "TMPDIR"])
def test_what_a_process_reads_when_it_starts_is_sent(name):
    assert not action().runs_here(HERE, {name: "x"})


def test_the_python_of_the_host_that_is_delegated_to_counts():
    delegated = {"ansible_delegated_vars": {"store": {"ansible_python_interpreter": "/other"}}}
    assert not action(delegate_to="store").runs_here({**HERE, **delegated}, {})
    assert action(delegate_to="localhost").runs_here({**HERE, **delegated}, {})
