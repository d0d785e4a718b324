# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mailboxes whose variables hold secrets in every wrong form, for the playbooks and the role, for test_secrets.py."""

from __future__ import annotations

import base64
import typing as t

import yaml

from .misplaced_secrets import VALUES
from .secret_markers import kept, mark, plain_mark
from .secret_options import secret_variables

# what is set next to a variable, so that it is used; a secret variable that is not here fails the test
COMPANIONS: dict[str, dict[str, t.Any]] = {
    "smime_account_key_passphrase": {"smime_account_name": "own"},
    "smime_dkim_privatekey_content": {"smime_dkim_selector": "rsa", "smime_dkim_domain": "lab.test"},
    "smime_dkim_privatekey_passphrase": {
        "smime_dkim_selector": "rsa",
        "smime_dkim_domain": "lab.test",
        "smime_dkim_privatekey_path": "/nonexistent/key",
    },
    "smime_eab_key": {"smime_eab_kid": "1", "smime_account_name": "bound"},
    "smime_imap_password": {},
    "smime_imap_token": {"smime_imap_auth": "xoauth2"},
    "smime_mail_client_key_passphrase": {
        "smime_mail_client_cert_path": "/nonexistent/cert",
        "smime_imap_auth": "external",
    },
    "smime_mailboxes": {},
    # the play of the rollover takes it
    "smime_new_account_key_passphrase": {"smime_account_name": "rolled"},
    "smime_oauth_client_secret": {"smime_oauth_grant": "client_credentials"},
    "smime_oauth_refresh_token": {"smime_oauth_grant": "refresh_token"},
    "smime_oauth_service_account_content": {"smime_oauth_grant": "google_service_account"},
    "smime_pkcs12_passphrase": {},
    "smime_privatekey_passphrase": {},
    "smime_smtp_password": {},
    "smime_smtp_token": {"smime_smtp_auth": "xoauth2"},
}
_OAUTH = {"smime_imap_auth": "xoauth2", "smime_oauth_client_id": "app"}
FORMS: dict[str, t.Callable[[], t.Any]] = {
    **VALUES,
    "text": mark,
    "not JSON": lambda: f'{{"a": "{plain_mark()}"',
}
TEMPLATES: dict[str, t.Callable[[], t.Any]] = {
    "template that fails": lambda: f"{plain_mark()}{{{{ no_such_variable }}}}",
    "template with a secret that fails": lambda: f"{{{{ '{plain_mark()}' | no_such_filter }}}}",
    "template of a secret": lambda: f"{{{{ '{plain_mark()}' ~ {plain_mark()!r}.wrong }}}}",
    "broken template": lambda: f"{{{{ '{plain_mark()}'",
}


def files(variables: t.Mapping[str, dict[str, t.Any]], url: str, *, templates: bool) -> dict[str, str]:
    """For each host the file of its variables, in YAML: each secret variable in as many forms as there are hosts for.

    :arg variables: of each host, as they would work.
    :arg url: a token endpoint.
    :arg templates: whether templates are among the forms.
    """
    *names, last_but_one, last = variables
    forms = list({**FORMS, **(TEMPLATES if templates else {})}.values())
    found = {
        name: yaml.safe_dump(own, allow_unicode=True) for name, own in _hosts(names, variables, url, forms).items()
    }
    found[last_but_one] = yaml.safe_dump(_misspelt(variables[last_but_one], templates), allow_unicode=True)
    found[last] = yaml.safe_dump(variables[last]) + _octets("smime_smtp_password")
    return found


def _hosts(
    names: t.Sequence[str],
    variables: t.Mapping[str, dict[str, t.Any]],
    url: str,
    forms: t.Sequence[t.Callable[[], t.Any]],
) -> dict[str, dict[str, t.Any]]:
    secret = sorted(secret_variables())
    found = {}
    for number, name in enumerate(names):
        variable = secret[number % len(secret)]
        # one further with each round, so that every variable meets every form in the end
        value = forms[(number + number // len(secret) * 5) % len(forms)]()
        if variable == "smime_mailboxes" and number < len(secret):
            value = [{"address": variables[name]["smime_address"], "imap_password": value}]
        own = {**variables[name], **COMPANIONS[variable]}
        if "smime_oauth_grant" in own:
            own.update(_OAUTH, smime_oauth_token_url=url)
        own[variable] = value
        found[name] = own
    return found


def _misspelt(variables: dict[str, t.Any], templates: bool) -> dict[str, t.Any]:
    """The password stands under other names, in the lines before a variable whose template fails."""
    own = dict(variables)
    own.pop("smime_imap_password")
    own.update(smime_imap_pasword=mark(), smime_imap_password_old=plain_mark())
    return {**own, "smime_imap_user": "{{ no_such_variable }}"} if templates else own


def _octets(variable: str) -> str:
    """In YAML a secret can be no text but octets."""
    secret = kept(plain_mark())
    return f"{variable}: !!binary {base64.b64encode(secret.encode()).decode()}\n"
