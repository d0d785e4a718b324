# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the pages tell readers to write into an inventory is what the role takes, and the codes they explain exist."""

from __future__ import annotations

import pathlib
import re
import typing as t

import pytest
import yaml
from ansible_collections.mailcert.acme.plugins.module_utils._mail.login.credentials import PasswordLogin, TokenLogin
from ansible_collections.mailcert.acme.plugins.module_utils._mail.message.refusal import REASONS
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.mailbox import checks, oauth
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.mailbox.mailbox import mailbox_of
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.mailbox.options import MailOptions

ROOT = pathlib.Path(__file__).resolve().parents[2]
ROLE = ROOT / "roles" / "smime"
OPTIONS: dict[str, dict[str, t.Any]] = yaml.safe_load(
    (ROLE / "meta" / "argument_specs.yml").read_text(encoding="utf-8")
)["argument_specs"]["main"]["options"]
# what names that begin so mean next to variables of the role
OTHER_NAMES = {
    *(path.stem for folder in ("modules", "filter") for path in (ROOT / "plugins" / folder).glob("smime_*.py")),
    "smime_hosts",
    "smime_summary",
}
# choices that the argument specs cannot have, since these are empty by default; the module has them
MODULE_SPECS = MailOptions.spec()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
# pages that lead from nothing to an inventory, and what they are about
GUIDES: dict[str, tuple[type, str]] = {
    "dovecot": (PasswordLogin, ""),
    "google-workspace": (TokenLogin, "google_service_account"),
    "microsoft-365": (TokenLogin, "microsoft_app"),
    "provider": (PasswordLogin, ""),
}
TYPES: dict[str, t.Callable[[t.Any], bool]] = {
    "str": lambda value: isinstance(value, str),
    "path": lambda value: isinstance(value, str) and value.startswith("/"),
    "int": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "float": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
    "bool": lambda value: isinstance(value, bool),
    "list": lambda value: isinstance(value, list),
    "dict": lambda value: isinstance(value, dict),
}


def blocks(page: pathlib.Path) -> list[str]:
    """The fenced YAML of a page."""
    return re.findall(r"^```yaml\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def variables(text: str) -> dict[str, t.Any]:
    """The variables of the role that a block of YAML sets."""
    value = yaml.safe_load(text)
    return {name: value[name] for name in value if name.startswith("smime_")} if isinstance(value, dict) else {}


def module_option(name: str) -> dict[str, t.Any]:
    """The module's own option for a variable of the mail logins; an empty one for other variables."""
    return MODULE_SPECS.get(name[len("smime_") :], {})


def complaints(name: str, value: t.Any) -> list[str]:
    """What is wrong with a variable."""
    option = OPTIONS.get(name)
    if option is None:
        return [f"{name} is no variable of the role"]
    if isinstance(value, str) and "{{" in value:
        # only Ansible knows what comes of it
        return []
    if not TYPES[option["type"]](value):
        return [f"{name} is no {option['type']}: {value!r}"]
    choices = option.get("choices") or module_option(name).get("choices")
    found = [f"{name} is none of {choices}: {value!r}"] if choices and value not in choices else []
    if option["type"] == "list":
        found += [f"{name} has {entry!r}" for entry in value if not TYPES[option.get("elements", "str")](entry)]
    if name == "smime_mailboxes":
        known = MODULE_SPECS["mailboxes"]["options"]
        found += [f"{name} has no {key}" for entry in value for key in entry if key not in known]
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_variable_in_yaml_is_one_of_the_role_and_its_value_fits(page: pathlib.Path) -> None:
    found = [line for text in blocks(page) for item in variables(text).items() for line in complaints(*item)]
    assert not found


def test_the_check_finds_what_does_not_fit() -> None:
    wrong = {
        "smime_imap_hots": "x", "smime_imap_port": "993", "smime_imap_auth": "oauth", "smime_smtp_auth": "oauth",
        "smime_store_path": "store", "smime_imap_folders": [1], "smime_mailboxes": [{"imap_hots": "x"}],
    }
    assert [len(complaints(name, value)) for name, value in wrong.items()] == [1] * len(wrong)
    assert complaints("smime_imap_port", 993) == complaints("smime_smtp_auth", "xoauth2") == []
    assert len([1 for page in PAGES if any(map(variables, blocks(page)))]) >= len(GUIDES) + 2


@pytest.mark.parametrize("name", [*GUIDES, "by-hand", "local-mail"])
def test_every_name_in_the_text_of_a_guide_exists(name: str) -> None:
    text = (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
    # smime_imap_* is a way to say several
    named = set(re.findall(r"\bsmime_[a-z0-9_]*[a-z0-9]\b(?!_?\*)", text))
    assert len(named) > 5
    assert not named - set(OPTIONS) - OTHER_NAMES - {"smime_check"}


@pytest.mark.parametrize("name", GUIDES)
def test_every_code_that_a_guide_explains_exists(name: str) -> None:
    text = (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
    table = text.partition("| code | words | what to do |")[2].partition("\n\n")[0]
    cells = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
    explained = {code for cell in cells for code in re.findall(r"`(\w+)`", cell)}
    page = (ROOT / "docs" / "error-codes.md").read_text(encoding="utf-8")
    # test_error_codes.py holds that page to the code
    codes = re.findall(r"^\| `(\w+)` \|", page.partition("## Codes")[2].partition("\n## ")[0], re.MULTILINE)
    assert len(explained) > 5
    assert not explained - set(codes) - set(checks.CODES) - set(REASONS)


@pytest.mark.parametrize("name", GUIDES)
def test_the_inventory_of_a_guide_is_complete(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    """Nothing more is needed to know the mailbox's servers and to have a login there."""
    given: dict[str, t.Any] = {}
    for text in blocks(ROOT / "docs" / f"{name}.md"):
        if re.match(r"# inventory/\w+/\w+\.yml\n", text):
            given.update(variables(text))
    required = {option for option, spec in OPTIONS.items() if spec.get("required")}
    assert required | {"smime_address", "smime_pkcs12_passphrase"} <= set(given)
    # the libraries that fetch a token are not asked for one here
    monkeypatch.setattr(oauth, "_LIBRARIES", {})
    key_file = tmp_path / "key.json"
    key_file.write_text("{}", encoding="utf-8")
    own = {option[len("smime_") :]: value for option, value in given.items()}
    params = {option: own.get(option, spec.get("default")) for option, spec in MODULE_SPECS.items()}
    if params["oauth_service_account_path"]:
        params["oauth_service_account_path"] = str(key_file)
    mailbox = mailbox_of(MailOptions.parse(params), given["smime_address"])
    kind, grant = GUIDES[name]
    assert isinstance(mailbox.reader.login, kind) and isinstance(mailbox.sender.login, kind)
    assert (params["oauth_grant"] or "") == grant
    assert (mailbox.reader.host, mailbox.sender.host) == (given["smime_imap_host"], given["smime_smtp_host"])
    assert (mailbox.reader.port, mailbox.sender.port) == (993, 587)
