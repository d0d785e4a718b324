# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A secret where the name of a variable is due is not shown."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleUndefinedVariable
from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError
from ansible_collections.mailcert.acme.plugins.module_utils._secrets import secret_options
from ansible_collections.mailcert.acme.plugins.module_utils._tasks import smime_email_challenge
from ansible_collections.mailcert.acme.plugins.plugin_utils.variables import resolve

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


def test_options_that_are_or_hold_secrets():
    assert secret_options(smime_email_challenge.TASK.argument_spec) == SECRETS


@pytest.mark.parametrize("name", ["hunter2", "plan.hunter2", "hunter2.plan", ["hunter2"], {"hunter2": 1}])
@pytest.mark.parametrize("option", ["imap_password", "mailboxes"])
def test_secret_in_place_of_a_name_is_not_shown(option, name):
    with pytest.raises(InputError) as caught:
        resolve({"variables": {option: name}}, {"plan": {}}, None, secret=SECRETS)
    assert "hunter2" not in caught.value.message
    assert option in caught.value.message


class FailingTemplar:
    """Says what Ansible says of an undefined variable."""

    def __init__(self, name: str) -> None:
        self._name = name

    def template(self, value: object) -> None:
        raise AnsibleUndefinedVariable(f"{self._name!r} is undefined")


@pytest.mark.parametrize(
    "option, name, told",
    [
        ("imap_host", "hunter2", "template fails: 'hunter2' is undefined."),
        ("imap_password", "vault_password", "template fails: 'vault_password' is undefined."),
        ("imap_password", "hunter2", "template fails."),
    ],
)
def test_template_that_fails_is_not_shown(option, name, told):
    with pytest.raises(InputError) as caught:
        resolve({"variables": {option: "v"}}, {"v": "x {{ y }}"}, FailingTemplar(name), secret=SECRETS)
    assert caught.value.message == f"variables: {option} is to come from v, whose {told}"
