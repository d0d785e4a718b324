# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shape of the code is held to what docs/architecture.md says of the layers, by reading it as a syntax tree."""

from __future__ import annotations

import ast
import importlib
import pathlib
import sys
import typing as t

import pytest

PLUGINS = pathlib.Path(__file__).resolve().parents[2] / "plugins"
UTILS = PLUGINS / "module_utils"
OURS = "ansible_collections.mailcert.acme.plugins"
LAYERS = ("_acme", "_mail", "_pki", "_store")
# what every layer may use next to its own files
SHARED_NAMES = ("_errors", "_limits", "_time", "_text", "_net", "_libs", "_address", "_deadline", "_https")
SHARED = {f"{OURS}.module_utils.{name}" for name in SHARED_NAMES}
# The rooms of each layer, the upper ones first: an import leads downwards, and never up or in a ring. A file that is in
# no folder is a room of its own; for _tasks these are the modules' own files, which may use all folders.
ROOMS = {
    "_tasks": ("smime_*", "order", "challenge", "fleet", "mailbox", "renewal", "account", "pkcs12", "common"),
    "_mail": (
        "reply",
        "authentication",
        "local",
        "imap",
        "smtp",
        "login",
        "dns",
        "source",
        "tls",
        "special_use",
        "message",
    ),
    "_store": ("tree", "state", "backoff", "fs"),
}
MOST_ENTRIES = 20
# the import name of each library, which only _libs may import
LIBRARIES = set(
    [
        "asn1crypto",
        "authres",
        "cryptography",
        "dkim",
        "dns",
        "google",
        "idna",
        "imapclient",
        "josepy",
        "msal",
        "nacl",
        "requests",
        "spf",
        "urllib3",
    ]
)
STDLIB = frozenset(getattr(sys, "stdlib_module_names", ()))
knows_stdlib = pytest.mark.skipif(not STDLIB, reason="not applicable: Python 3.9 does not name its own modules")
LONGEST = 400
# the code of a module next to its documentation: the imports, main() and the call
LONGEST_INTERFACE = 40
DOCUMENTATION = {"DOCUMENTATION", "EXAMPLES", "RETURN"}


class Import(t.NamedTuple):
    """One name that a file imports: the module in full, and the line."""

    module: str
    line: int


def python_files(folder: pathlib.Path) -> list[pathlib.Path]:
    return sorted(path for path in folder.rglob("*.py") if "__pycache__" not in path.parts)


def named(path: pathlib.Path) -> str:
    return path.relative_to(PLUGINS).as_posix()


def for_types_only(tree: ast.AST) -> list[ast.stmt]:
    """What stands below ``if TYPE_CHECKING``."""
    blocks = [node for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)]
    return [inner for block in blocks for inner in block.body]


def imports(path: pathlib.Path) -> list[Import]:
    """All imports that a file can run, in full, wherever they are. ``from a import b`` gives a.b: b may be a module."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return imports_of(tree, path, {inner for node in for_types_only(tree) for inner in ast.walk(node)})


def imports_of(tree: ast.AST, path: pathlib.Path, never_run: t.Collection[ast.AST] = ()) -> list[Import]:
    found = []
    for node in ast.walk(tree):
        if node in never_run:
            continue
        if isinstance(node, ast.Import):
            found += [Import(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level:
                folder = path.parents[node.level - 1].relative_to(PLUGINS).as_posix().replace("/", ".")
                module = f"{OURS}.{folder}" + (f".{module}" if module else "")
            found += [Import(f"{module}.{alias.name}", node.lineno) for alias in node.names]
    return found


def within(module: str, packages: t.Iterable[str]) -> bool:
    """Whether a module is one of these or lies inside one."""
    return any(module == package or module.startswith(package + ".") for package in packages)


def is_stdlib(module: str) -> bool:
    return module.split(".")[0] in STDLIB


LAYER_FILES = [path for layer in LAYERS for path in python_files(UTILS / layer)]
LIBRARY_FILES = python_files(UTILS / "_libs")
SHARED_FILES = [UTILS / f"{name}.py" for name in SHARED_NAMES if name != "_libs"] + LIBRARY_FILES
ALL_FILES = python_files(PLUGINS)


def test_there_is_something_to_look_at() -> None:
    assert all(python_files(UTILS / layer) for layer in LAYERS)


@knows_stdlib
@pytest.mark.parametrize("path", LAYER_FILES, ids=named)
def test_a_layer_imports_only_itself_and_what_is_shared(path: pathlib.Path) -> None:
    layer = path.relative_to(UTILS).parts[0]
    own = f"{OURS}.module_utils.{layer}"
    allowed = {own, *SHARED}
    strangers = [
        f"line {found.line}: {found.module}"
        for found in imports(path)
        if not is_stdlib(found.module) and not within(found.module, allowed)
    ]
    assert not strangers


@pytest.mark.parametrize("path", [*SHARED_FILES, *LAYER_FILES], ids=named)
def test_a_layer_can_be_imported_without_ansible(path: pathlib.Path) -> None:
    name = path.relative_to(PLUGINS).with_suffix("").as_posix().replace("/", ".")
    assert importlib.import_module(f"{OURS}.{name}")


@knows_stdlib
@pytest.mark.parametrize("path", SHARED_FILES, ids=named)
def test_what_is_shared_stands_below_the_layers(path: pathlib.Path) -> None:
    allowed = {*SHARED, *LIBRARIES} if path in LIBRARY_FILES else SHARED
    strangers = [found for found in imports(path) if not is_stdlib(found.module) and not within(found.module, allowed)]
    assert not strangers


@pytest.mark.parametrize("path", ALL_FILES, ids=named)
def test_a_library_is_imported_in_libs_alone(path: pathlib.Path) -> None:
    if path in LIBRARY_FILES:
        return
    assert not [found for found in imports(path) if within(found.module, LIBRARIES)]


@pytest.mark.parametrize("path", LIBRARY_FILES, ids=named)
def test_libs_imports_under_guard(path: pathlib.Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    tries = [node for node in ast.walk(tree) if isinstance(node, ast.Try)]
    guarded = {inner for node in (*tries, *for_types_only(tree)) for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules = [node.module or ""]
        else:
            continue
        if any(within(module, LIBRARIES) for module in modules):
            assert node in guarded, f"line {node.lineno} imports a library without a try"


@pytest.mark.parametrize("path", LIBRARY_FILES, ids=named)
def test_a_library_costs_only_those_who_use_it(path: pathlib.Path) -> None:
    """A file of _libs imports no other one but the one that finds out what is missing."""
    ours = [found.module for found in imports(path) if within(found.module, [OURS])]
    base = f"{OURS}.module_utils"
    assert not [module for module in ours if not within(module, [f"{base}._libs.require", f"{base}._errors"])]


@pytest.mark.parametrize("path", ALL_FILES, ids=named)
def test_a_relative_import_stays_within_its_folder(path: pathlib.Path) -> None:
    nodes = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.ImportFrom)]
    assert not [ast.unparse(node) for node in nodes if node.level > 1 or (node.level and "." in (node.module or ""))]


def room_of(layer: str, module: str) -> str:
    """The room of ``layer`` that a module in full is in: a folder, or a file of the layer itself."""
    inside = module[len(f"{OURS}.module_utils.{layer}.") :].split(".")[0]
    return "smime_*" if layer == "_tasks" and inside.startswith("smime_") else inside


@pytest.mark.parametrize("layer", ROOMS)
def test_imports_between_rooms_lead_downwards(layer: str) -> None:
    order = ROOMS[layer]
    upwards = []
    seen = set()
    for path in python_files(UTILS / layer):
        own = path.relative_to(PLUGINS).with_suffix("").as_posix().replace("/", ".")
        here = room_of(layer, f"{OURS}.{own}")
        seen.add(here)
        # what only types need is an arrow too: who reads the file has to know that room
        for found in imports_of(ast.parse(path.read_text(encoding="utf-8")), path):
            if within(found.module, [f"{OURS}.module_utils.{layer}"]):
                there = room_of(layer, found.module)
                if there != here and order.index(there) < order.index(here):
                    upwards.append(f"{named(path)}:{found.line} imports {there} from {here}")
    assert not upwards
    assert seen == set(order)


def test_the_top_of_the_tasks_is_short() -> None:
    entries = [path for path in (UTILS / "_tasks").iterdir() if path.name != "__pycache__"]
    assert len(entries) <= MOST_ENTRIES


@knows_stdlib
@pytest.mark.parametrize("path", python_files(PLUGINS / "modules"), ids=named)
def test_a_module_is_an_interface_only(path: pathlib.Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documentation = sum(
        (node.end_lineno or node.lineno) - node.lineno + 1
        for node in tree.body
        if isinstance(node, ast.Assign)
        and any(isinstance(target, ast.Name) and target.id in DOCUMENTATION for target in node.targets)
    )
    assert lines - documentation <= LONGEST_INTERFACE
    foreign = [
        found
        for found in imports(path)
        if not is_stdlib(found.module)
        and not within(found.module, {f"{OURS}.module_utils._tasks", f"{OURS}.module_utils._runner"})
    ]
    assert not foreign


@pytest.mark.parametrize(
    "path",
    [path for path in ALL_FILES if path.relative_to(PLUGINS).parts[0] not in ("modules", "doc_fragments")],
    ids=named,
)
def test_a_file_fits_in_a_head(path: pathlib.Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST


def test_no_package_markers() -> None:
    assert not list(PLUGINS.rglob("__init__.py"))
