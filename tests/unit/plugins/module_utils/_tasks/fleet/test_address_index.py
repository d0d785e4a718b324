# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which addresses the mailboxes of a fleet name, also those that are wrong in something else."""

from __future__ import annotations

import pytest
from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError
from ansible_collections.mailcert.acme.plugins.module_utils._store.tree import layout
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.fleet import former_addresses, orphans
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.fleet.address_index import AddressIndex
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.fleet.desired import UNREADABLE, DesiredState


def wish(*addresses, former=(), usage="dual"):
    """A wish as the inventory has it."""
    return DesiredState.parse(
        addresses[0],
        {
            "addresses": list(addresses),
            "acme_directory": "https://ca/",
            "former_addresses": list(former),
            "usage": usage,
        },
    )


def names_of(*wishes):
    """The names of a fleet."""
    names = AddressIndex()
    for each in wishes:
        names.add(each)
    return names


@pytest.mark.parametrize(
    "other",
    [wish("old@a.test"), wish("bert@a.test", "old@a.test"), wish("bert@a.test", former=["old@a.test"])],
    ids=["is its address", "is one of its addresses", "was its address too"],
)
def test_keys_of_another_mailbox_are_given_to_nobody(other):
    anna = wish("anna@a.test", former=["old@a.test"])
    with pytest.raises(
        InputError, match="smime_former_addresses: old@a.test is named by the mailbox (old|bert)@a.test too"
    ):
        former_addresses.check(anna, names_of(anna, other))


def test_one_mailbox_on_two_hosts_may_name_it_twice():
    sign = wish("anna@a.test", former=["old@a.test"], usage="sign")
    encrypt = wish("anna@a.test", "old@a.test", former=["old@a.test"], usage="encrypt")
    former_addresses.check(encrypt, names_of(sign, encrypt))


def test_wish_that_is_wrong_in_something_names_its_addresses_still():
    anna = wish("anna@a.test", former=["old@a.test"])
    names = names_of(anna)
    names.add_unusable({"addresses": "OLD@a.test", "usage": "both", "former_addresses": 5})
    former_addresses.check(anna, names)
    names.add_unusable({"addresses": ["not an address", "old@A.test"], "usage": "both"})
    with pytest.raises(InputError, match="named by the mailbox old@a.test too"):
        former_addresses.check(anna, names)


def test_where_a_wish_cannot_be_read_nobody_is_an_orphan(tmp_path):
    store = layout.Store(tmp_path / "store")
    for address in ("anna@a.test", "old@a.test", "bert@a.test", "carl@a.test", "dora@a.test"):
        store.create()
        store.mailbox(address).create()
    names = names_of(wish("anna@a.test", "carl@a.test", former=["old@a.test"]))
    names.add_unusable({"addresses": ["bert@a.test"], "usage": "both"})
    told = [orphan.found.address for orphan in orphans.orphans(store, names)]
    assert told == ["carl@a.test", "dora@a.test"], "a second address has no folder of its own that would be renewed"
    names.add_unusable({UNREADABLE: "a variable is undefined"})
    assert orphans.orphans(store, names) == []


def test_address_of_today_is_no_former_one():
    with pytest.raises(InputError, match="anna@a.test is the mailbox's address now"):
        wish("anna@a.test", former=["anna@A.TEST"])
