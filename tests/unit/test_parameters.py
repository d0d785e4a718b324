# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parameters of a task are read once: below ``parse`` there are types, and no dictionary of parameters."""

from __future__ import annotations

import ast
import pathlib

import pytest

UTILS = pathlib.Path(__file__).resolve().parents[2] / "plugins" / "module_utils"
TASKS = UTILS / "_tasks"
FILES = sorted(path for path in TASKS.rglob("*.py") if "__pycache__" not in path.parts)
# the functions that make types of parameters, and the checks that they share
READERS = frozenset({"parse", "from_params", "check_number", "check_paths"})
# how a dictionary of parameters is annotated
ANNOTATIONS = frozenset({"Params", "options.Params"})
Function = (ast.FunctionDef, ast.AsyncFunctionDef)


def named(path: pathlib.Path) -> str:
    return path.relative_to(UTILS).as_posix()


def functions(tree: ast.AST) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [node for node in ast.walk(tree) if isinstance(node, Function)]


def takes_parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether an argument is a dictionary of parameters, by its name or its annotation."""
    arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    annotations = {ast.unparse(argument.annotation) for argument in arguments if argument.annotation is not None}
    return any(argument.arg == "params" for argument in arguments) or bool(annotations & ANNOTATIONS)


def is_run(path: pathlib.Path, function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return function.name == "run" and path.parent == TASKS


@pytest.mark.parametrize("path", FILES, ids=named)
def test_parameters_are_read_in_parse_alone(path: pathlib.Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    strangers = [
        f"{function.name} in line {function.lineno}"
        for function in functions(tree)
        if takes_parameters(function) and function.name not in READERS and not is_run(path, function)
    ]
    assert not strangers


@pytest.mark.parametrize("path", sorted(TASKS.glob("smime_*.py")), ids=named)
def test_the_first_line_of_a_task_parses_the_parameters(path: pathlib.Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    (run,) = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "run"]
    body = run.body[1:] if ast.get_docstring(run) else run.body
    used = [node for node in ast.walk(run) if isinstance(node, ast.Name) and node.id == "params"]
    first = [node for node in ast.walk(body[0]) if isinstance(node, ast.Name) and node.id == "params"]
    assert ".parse(params" in ast.unparse(body[0])
    assert used == first


def test_a_lookup_below_parse_would_be_found() -> None:
    source = "def work(params: Params) -> None:\n    return params['mode']\n"
    assert takes_parameters(functions(ast.parse(source))[0])
