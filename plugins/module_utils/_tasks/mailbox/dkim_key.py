# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Replies that we sign with DKIM ourselves: options made into a key (RFC 8823, section 3.2 (9))."""

from __future__ import annotations

import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils import _address
from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError
from ansible_collections.mailcert.acme.plugins.module_utils._mail.reply import dkim_sign
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.common import options as common_options

# what is set of these for an address displaces all of the task's
GROUP = (
    "dkim_domain",
    "dkim_selector",
    "dkim_privatekey_path",
    "dkim_privatekey_content",
    "dkim_privatekey_passphrase",
)


def options() -> dict[str, t.Any]:
    """The options of our own signature; they may differ for each address."""
    return {
        "dkim_domain": {"type": "str"},
        "dkim_selector": {"type": "str"},
        "dkim_privatekey_path": {"type": "path", "no_log": False},
        "dkim_privatekey_content": {"type": "str", "no_log": True},
        "dkim_privatekey_passphrase": {"type": "str", "no_log": True},
    }


def key_of(wish: dict[str, t.Any], address: str) -> dkim_sign.SigningKey | None:
    """The key that signs the replies of an address; ``None`` where its server does that.

    :arg wish: the mail options of this address.
    :raises InputError, StoreError: naming the option that is missing, or does not fit the others.
    """
    given = [name for name in ("dkim_privatekey_path", "dkim_privatekey_content") if wish[name]]
    if not given:
        alone = [name for name in GROUP if wish[name]]
        if alone:
            raise InputError(f"{alone[0]} goes with dkim_privatekey_path or dkim_privatekey_content, and neither is set.")
        return None
    if len(given) > 1:
        raise InputError("Only one of dkim_privatekey_path and dkim_privatekey_content can be used.")
    if not wish["dkim_selector"]:
        raise InputError(f"{given[0]} needs dkim_selector, the name under which DNS has the public key.")
    domain = _address.parse(address).domain
    if wish["dkim_domain"]:
        named = _address.parse(f"x@{wish['dkim_domain']}").domain
        if named != domain:
            # a CA takes only a signature by the domain of From
            raise InputError(
                f"dkim_domain is {named}, and a reply of {address} must be signed by {domain}. Set the dkim options of "
                "this address in mailboxes; an empty dkim_domain there leaves signing to its server."
            )
    return dkim_sign.load(
        common_options.Content.parse(wish, "dkim_privatekey").read() or b"",
        domain=domain,
        selector=wish["dkim_selector"],
        passphrase=wish["dkim_privatekey_passphrase"],
        source=given[0],
    )
