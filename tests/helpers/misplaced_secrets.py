# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The slips of the hand that put a secret where a module does not look for it, for test_secrets.py."""

from __future__ import annotations

import json
import typing as t
import urllib.parse

from .secret_markers import digits, mark, plain_mark
from .secret_options import Option, argument, secret_options, spec_of
from .two_runner_refusals import MINIMAL

# values that are no text, or none that a login could use
VALUES: dict[str, t.Callable[[], t.Any]] = {
    "list": lambda: [mark()],
    "dictionary": lambda: {"value": mark()},
    "key of a dictionary": lambda: {mark(): True},
    "deep down": lambda: [[{"a": [mark()]}]],
    "number": digits,
    "number with a point": lambda: digits() + 0.5,
    "several lines": lambda: f"{mark()}\n{mark()}\n",
    "control characters": lambda: f"\x00\x1b[31m{mark()}\x7f",
    "too long": lambda: mark() * 2000,
    "blanks around it": lambda: f"  {mark()}\t",
}
# next to their option: its name is another one
NAMES: dict[str, t.Callable[[str], str]] = {
    "misspelt": lambda name: name[:-3] + name[-2:],
    "in capitals": str.upper,
    "with dashes": lambda name: name.replace("_", "-") + "-",
    "as a variable of the role": "smime_{}".format,
}


class Case(t.NamedTuple):
    """One task that has a secret in the wrong place."""

    name: str
    module: str
    args: dict[str, t.Any]


def _good(module: str, *without: str) -> dict[str, t.Any]:
    """Arguments to which a secret comes; two ways to give a key exclude each other."""
    pairs = {"account_key_content": "account_key_src", "privatekey_content": "privatekey_path"}
    left_out = {pairs.get(name, name) for name in without}
    hasty = {"request_retries": 0, "request_timeout": 1, "mail_timeout": 1, "dns_timeout": 1, "deadline": 1}
    good = {**MINIMAL[module], **{name: value for name, value in hasty.items() if name in spec_of(module)}}
    return {name: value for name, value in good.items() if name not in left_out}


def of_option(option: Option) -> t.Iterator[Case]:
    """All slips with one option."""
    module, path = option
    good = _good(module, path[0])
    for form, value in VALUES.items():
        yield Case(f"{option}, {form}", module, {**good, **argument(path, value(), module)})
    for form, rename in NAMES.items():
        *outer, last = path
        if outer:
            inside = argument(path, mark(), module)
            entry = inside[path[0]][0] if isinstance(inside[path[0]], list) else inside[path[0]]
            entry[rename(last)] = entry.pop(last)
        else:
            inside = {rename(last): mark()}
        yield Case(f"{option}, {form}", module, {**good, **inside})
    if len(path) > 1:
        yield from _of_outer(option, good)
    else:
        for beside in _places_beside(module, path[0]):
            others = _good(module, beside)
            yield Case(f"{option}, in {beside}", module, {**others, beside: plain_mark()})
            yield Case(f"{option}, with lines in {beside}", module, {**others, beside: f"{mark()}\n{mark()}\n"})


def _places_beside(module: str, name: str) -> list[str]:
    """Options for the path of a file in which the same secret could be."""
    bases = {name, name.replace("_content", ""), name.replace("_passphrase", "")}
    return [place for base in bases for place in (f"{base}_path", f"{base}_src") if place in spec_of(module)]


def _of_outer(option: Option, good: dict[str, t.Any]) -> t.Iterator[Case]:
    """What a list of dictionaries, or a dictionary, was mistaken for."""
    module, (outer, inner) = option
    is_list = spec_of(module)[outer]["type"] == "list"
    other = "address" if is_list else "kid"
    forms = {
        "text": f"{inner}={mark()}",
        "text in quotes": f'{other}=x {inner}="{plain_mark()} {plain_mark()}"',
        "JSON": json.dumps({other: "x", inner: mark()}),
        "JSON with a typo": json.dumps({other: "x", inner[:-1]: mark()}),
        "broken JSON": json.dumps({other: "x", inner: mark()})[:-1],
        "JSON in a list": json.dumps([{other: "x", inner: mark()}]),
        "number": digits(),
        "key": {mark(): None, other: "x"},
        "key among others": {other: "x", inner: "y", f"{inner} {plain_mark()}": None},
        "list in a list": [[{inner: mark()}]],
    }
    for form, value in forms.items():
        yield Case(f"{option}, {outer} is {form}", module, {**good, outer: value})
        if is_list:
            yield Case(f"{option}, an entry of {outer} is {form}", module, {**good, outer: [value]})


def in_urls(module: str) -> t.Iterator[Case]:
    """A password in each option that is a URL or a host, as browsers take it."""
    for name, entry in spec_of(module).items():
        if entry.get("type") == "str" and name.endswith(("_directory", "_url", "_host", "account_uri")):
            for form, secret in (("plain", plain_mark()), ("quoted", urllib.parse.quote(mark(), safe=""))):
                for user in ("anna", ""):
                    url = f"https://{user}:{secret}@127.0.0.1:1/directory"
                    args = {**_good(module), name: url, "oauth_grant": "client_credentials", "imap_auth": "xoauth2"}
                    known = {key: value for key, value in args.items() if key in spec_of(module)}
                    yield Case(f"{module}: {name} with a password, {form}, of {user or 'nobody'}", module, known)


def cases() -> list[Case]:
    """All slips with all secret options."""
    found = [case for option in secret_options() for case in of_option(option)]
    for module in MINIMAL:
        found += in_urls(module)
        slip = {**_good(module), f"pasword {plain_mark()}": None}
        found.append(Case(f"{module}: a secret in the name of an option", module, slip))
    return found
