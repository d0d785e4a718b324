# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of a module, as text, show no secret: an error or a debugger may print them."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.account.connection import AcmeOptions
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.account.options import AccountOptions
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.common.options import Content
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.pkcs12.options import Pkcs12Options
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.smime_certificate_info import InfoOptions
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.smime_csr import CsrOptions
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.smime_revoke import RevokeOptions

SECRET = "geheim-5d1f"
REQUIRED = {"path": "/required", "str": "https://ca.test/directory", "list": ["anna@example.com"]}
BINDING = {"kid": "kid-1", "alg": "HS256", "key": SECRET}


def values(spec: dict[str, t.Any]) -> dict[str, t.Any]:
    """Options as Ansible validates them: each secret is set, and each required one."""
    found = {}
    for name, option in spec.items():
        found[name] = REQUIRED[option["type"]] if option.get("required") else option.get("default")
        if option.get("no_log"):
            found[name] = SECRET
    if "external_account_binding" in spec:
        found["external_account_binding"] = BINDING
    return found


@pytest.mark.parametrize(
    "group",
    [AcmeOptions, AccountOptions, CsrOptions, InfoOptions, Pkcs12Options, RevokeOptions],
    ids=lambda group: group.__name__,
)
def test_no_secret_in_a_representation(group: t.Any) -> None:
    given = values(group.spec())
    assert SECRET in str(given)
    options = group.parse(given)
    assert SECRET not in repr(options)
    assert group.__name__ in repr(options)


def test_no_content_in_a_representation() -> None:
    content = Content("privatekey", SECRET, None)
    assert content.read() == SECRET.encode() and SECRET not in repr(content)
