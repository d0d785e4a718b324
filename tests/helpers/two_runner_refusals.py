# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks that cannot begin, for test_two_runners.py: arguments that are refused, libraries that are not installed."""

from __future__ import annotations

import typing as t

from .two_runners import MODULES, SECRET, Case

MINIMAL: dict[str, dict[str, t.Any]] = {
    "smime_account": {"acme_directory": "https://ca.test/directory", "account_key_src": "/k"},
    "smime_certificate_info": {"certificate_path": "/c"},
    "smime_csr": {"privatekey_path": "/k", "csr_path": "/r", "addresses": ["a@b.test"]},
    "smime_email_challenge": {
        "acme_directory": "https://ca.test/directory",
        "account_key_src": "/k",
        "challenges": [],
        "replies_path": "/p",
    },
    "smime_mail_check": {"addresses": ["a@b.test"]},
    "smime_order": {
        "acme_directory": "https://ca.test/directory",
        "account_key_src": "/k",
        "addresses": ["a@b.test"],
        "state": "requested",
        "csr_path": "/r",
        "certificate_path": "/c",
        "journal_path": "/j",
    },
    "smime_pkcs12": {"path": "/p", "privatekey_path": "/k", "certificate_path": "/c"},
    "smime_revoke": {"acme_directory": "https://ca.test/directory", "account_key_src": "/k", "certificate_path": "/c"},
    "smime_select": {"store_path": "/s", "desired_states": {}, "run_id": "r"},
}

WRONG_TYPE: dict[str, dict[str, t.Any]] = {
    "smime_account": {"contact": {"mail": "a@b.test"}},
    "smime_certificate_info": {"remaining_days": "many"},
    "smime_csr": {"privatekey_size": [3072], "privatekey_passphrase": f"{SECRET} beside it"},
    "smime_email_challenge": {"settle_delay": "a while", "imap_password": f"{SECRET} beside it"},
    "smime_mail_check": {"probe_timeout": "a while", "imap_password": f"{SECRET} beside it"},
    "smime_order": {"force": "perhaps", "privatekey_passphrase": f"{SECRET} beside it"},
    "smime_pkcs12": {"generation": "two"},
    "smime_revoke": {"deadline": {"seconds": 3}, "privatekey_passphrase": f"{SECRET} beside it"},
    "smime_select": {"desired_states": ["one"]},
}

CONFLICTS: dict[str, dict[str, t.Any]] = {
    "smime_account": {"account_key_content": f"{SECRET} key"},
    "smime_certificate_info": {"store_path": "/s"},
    "smime_email_challenge": {"account_key_content": f"{SECRET} key"},
    "smime_order": {"csr_content": "a request"},
    "smime_revoke": {"privatekey_content": f"{SECRET} key", "privatekey_path": "/k"},
}

# options that are wrong, and what is said of them; the secret in them is not
MISPLACED: tuple[tuple[str, dict[str, t.Any], str], ...] = (
    ("smime_account", {"external_account_binding": f"{SECRET} alone"}, "external_account_binding must be a dictionary"),
    (
        "smime_account",
        {"external_account_binding": {"kid": "1", "key": "a2V5", "hmac_key": f"{SECRET} misnamed"}},
        "module: external_account_binding.hmac_key.",
    ),
    (
        "smime_account",
        {"external_account_binding": f'{{"kid": "1", "hmac_key": "{SECRET} in JSON"}}'},
        "missing required arguments: key found in external_account_binding",
    ),
    ("smime_csr", {"privatekey_passphrase": {"value": f"{SECRET} in a dictionary"}}, "passphrase must be text"),
    ("smime_email_challenge", {"imap_password": [f"{SECRET} in a list"]}, "imap_password must be text"),
    ("smime_email_challenge", {"mailboxes": [f"{SECRET} in a list"]}, "mailboxes must be a list of dictionaries"),
    ("smime_email_challenge", {"mailboxes": {"imap_password": f"{SECRET} alone"}}, "mailboxes must be a list of"),
    (
        "smime_email_challenge",
        {"mailboxes": [{"address": "a@b.test", "imap_password": {"of": f"{SECRET} deep down"}}]},
        "imap_password in mailboxes must be text",
    ),
    (
        "smime_email_challenge",
        {"mailboxes": [{"address": "a@b.test", "imap_password": f"{SECRET} good", "smtp_pasword": f"{SECRET} typo"}]},
        "module: mailboxes.smtp_pasword.",
    ),
    ("smime_pkcs12", {"history": [f"{SECRET} of old"]}, "history must be a list of dictionaries"),
    ("smime_pkcs12", {"passphrase": False}, "passphrase must be text, not a boolean; put it in quotes"),
    ("smime_revoke", {"pkcs12_passphrase": 1.1}, "pkcs12_passphrase must be text, not a number"),
)


def refused() -> tuple[Case, ...]:
    """What Ansible's validator refuses, for each module."""
    cases = []
    for module in MODULES:
        good = MINIMAL[module]
        without = {name: value for name, value in good.items() if name != next(iter(good))}
        typo = {**good, "imap_pasword": f"{SECRET} of a typo"}
        cases += [
            Case(f"{module} wrong type", module, {**good, **WRONG_TYPE[module]}, None, "convert"),
            Case(f"{module} unknown option", module, typo, None, f"for (mailcert.acme.{module}) module: imap_pasword"),
            Case(f"{module} missing option", module, without, None, next(iter(good))),
        ]
    cases += [
        Case(f"{module} conflict", module, {**MINIMAL[module], **more}, None, "mutually exclusive")
        for module, more in CONFLICTS.items()
    ]
    cases += [
        Case(f"misplaced secret {number}", module, {**MINIMAL[module], **more}, None, says)
        for number, (module, more, says) in enumerate(MISPLACED)
    ]
    for name, named, says in (
        ("undefined", {"csr_path": "no_such_variable"}, "no_such_variable, which is not defined"),
        ("undefined inside", {"csr_path": "names.none"}, "names.none, which is not defined"),
        ("no names", ["csr_path"], "variables"),
    ):
        arguments = {**MINIMAL["smime_csr"], "variables": named}
        cases.append(Case(f"variables {name}", "smime_csr", arguments, None, says, {"vars": {"names": {}}}, sent=False))
    for name, sources, says in (
        ("undefined", ["no_such_variable"], "no_such_variable, which is not defined"),
        ("no dictionary", ["names.text"], "names.text must be a dictionary by option"),
        ("no names", [{"a": 1}], "options_from must be a list"),
    ):
        arguments = {**MINIMAL["smime_csr"], "options_from": sources}
        keywords = {"vars": {"names": {"text": "x"}}}
        cases.append(Case(f"options_from {name}", "smime_csr", arguments, None, says, keywords, sent=False))
    return tuple(cases)


def without_libraries() -> tuple[Case, ...]:
    """Every module where its libraries are not installed."""
    return tuple(Case(module, module, MINIMAL[module], None, "not installed for") for module in MODULES)
