# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an inventory wishes for one mailbox: what makes a certificate due when it changes, and the rules of its time.

No secret is among them: selecting compares public data only.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError
from ansible_collections.mailcert.acme.plugins.module_utils._pki import csr as requests
from ansible_collections.mailcert.acme.plugins.module_utils._pki import key_usage, keys, pkcs12_cipher
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.account import connection
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.common import options
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.renewal import policy

# of days, hours or seconds: dates end at the year 9999
MOST = 36500


def _boolean(value: t.Any) -> bool:
    if isinstance(value, bool):
        return value
    if str(value).lower() in ("true", "yes", "on", "1"):
        return True
    if str(value).lower() in ("false", "no", "off", "0", ""):
        return False
    raise ValueError("give true or false")


def _whole(value: t.Any) -> int:
    if isinstance(value, bool):
        raise ValueError("give a whole number")
    try:
        return int(value)
    except (TypeError, ValueError):
        raise ValueError("give a whole number") from None


def _least(least: int, unit: str) -> t.Callable[[t.Any], int]:
    def read(value: t.Any) -> int:
        number = _whole(value)
        if not least <= number <= MOST:
            raise ValueError(f"give a whole number of {unit}, {least} or more")
        return number

    return read


def _optional(read: t.Callable[[t.Any], t.Any]) -> t.Callable[[t.Any], t.Any]:
    return lambda value: None if value is None or value == "" else read(value)


def _fraction(value: t.Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ValueError("give a number from 0 to 1") from None
    if not 0 <= number <= 1:
        raise ValueError("give a number from 0 to 1")
    return number


def _text(value: t.Any) -> str:
    if isinstance(value, (dict, list)):
        raise ValueError("give text")
    return "" if value is None else str(value)


def _addresses(value: t.Any) -> list[str]:
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, (list, tuple)):
        raise ValueError("give a list of mail addresses")
    return [_text(item) for item in value]


def _choice(*choices: str) -> t.Callable[[t.Any], str]:
    def read(value: t.Any) -> str:
        if value not in choices:
            raise ValueError(f"give one of {', '.join(choices)}")
        return str(value)

    return read


@dataclasses.dataclass(frozen=True)
class Wish:
    """One mailbox's wish, checked. ``name``: the inventory's name of the mailbox.

    The defaults of fields that no module has as an option are those of the role's variables, see :data:`DEFAULTS`.
    """

    name: str
    addresses: tuple[str, ...]
    acme_directory: str
    usage: str = key_usage.DEFAULT_USAGE
    key_spec: keys.KeySpec | None = None
    account_name: str = "default"
    staging: bool = False
    profile: str = ""
    common_name: str = ""
    remaining_days: int | None = 30
    remaining_percentage: float | None = None
    force: bool = False
    spread_days: int = 7
    run_interval: int | None = 24
    renewal_info: bool = True
    allow_ca_change: bool = False
    acme_validate_certs: bool = True
    acme_ca_path: str = ""
    acme_request_timeout: int = connection.AcmeOptions.request_timeout
    retry_now: bool = False
    pkcs12: bool = True
    pkcs12_encoding: str = pkcs12_cipher.DEFAULT_ENCODING
    pkcs12_friendly_name: str = ""
    pkcs12_generation: int = 0
    former_addresses: tuple[str, ...] = ()

    @property
    def rules(self) -> policy.RenewalOptions:
        """What it says of the time of a renewal."""
        return policy.RenewalOptions(
            self.remaining_days, self.remaining_percentage, self.force, self.spread_days, self.run_interval
        )


# of the role's variables that the selection alone reads: the default of each that has one
DEFAULTS: dict[str, t.Any] = {
    field.name: field.default
    for field in dataclasses.fields(Wish)
    if field.default not in (dataclasses.MISSING, "", (), None)
}

READERS: dict[str, t.Callable[[t.Any], t.Any]] = {
    "addresses": _addresses,
    "acme_directory": _text,
    "usage": _choice(*requests.USAGES),
    "privatekey_type": _choice("RSA", "ECC"),
    "privatekey_size": _whole,
    "privatekey_curve": _text,
    "account_name": _text,
    "staging": _boolean,
    "profile": _text,
    "common_name": _text,
    "remaining_days": _optional(_least(0, "days")),
    "remaining_percentage": _optional(_fraction),
    "force": _boolean,
    "spread_days": _least(0, "days"),
    "run_interval": _optional(_least(1, "hours")),
    "renewal_info": _boolean,
    "allow_ca_change": _boolean,
    "acme_validate_certs": _boolean,
    "acme_ca_path": _text,
    "acme_request_timeout": _least(1, "seconds"),
    "retry_now": _boolean,
    "pkcs12": _boolean,
    "pkcs12_encoding": _choice(*pkcs12_cipher.ENCODINGS),
    "pkcs12_friendly_name": _text,
    "pkcs12_generation": _whole,
    "former_addresses": _optional(_addresses),
}

REQUIRED = ("addresses", "acme_directory")

# stands in a wish whose variables cannot be used, and says why
UNREADABLE = "unreadable"


def _common_name(value: str, addresses: t.Sequence[str]) -> str:
    """The common name in the spelling of the address that it is."""
    common_name = options.checked_addresses([value], option="smime_common_name")[0]
    if common_name in addresses:
        return common_name
    raise InputError(f"smime_common_name: give one of the addresses, {', '.join(addresses)}, not {value!r}.")


def _former(values: list[str] | None, addresses: t.Sequence[str]) -> tuple[str, ...]:
    """The former addresses; one that stands in the certificate still may have been the first of an earlier one."""
    former = tuple(options.checked_addresses(values, option="smime_former_addresses")) if values else ()
    if addresses[0] in former:
        raise InputError(f"smime_former_addresses: {addresses[0]} is the mailbox's address now; remove it from the list.")
    return former


def read_wish(name: str, values: t.Mapping[str, t.Any]) -> Wish:
    """Check what an inventory says of one mailbox.

    :arg values: the wishes by name, without the prefix ``smime_``; what is absent has its default.
    :raises InputError: naming the variable; one mailbox's mistake is no other's.
    """
    if UNREADABLE in values:
        raise InputError(str(values[UNREADABLE]))
    unknown = sorted(set(values) - set(READERS))
    if unknown:
        raise InputError(f"A wish has no {unknown[0]}; it knows {', '.join(READERS)}.")
    found: dict[str, t.Any] = {}
    for field, read in READERS.items():
        if field not in values:
            continue
        try:
            found[field] = read(values[field])
        except ValueError as error:
            raise InputError(f"smime_{field}: {error}, not {values[field]!r}.") from None
    for field in REQUIRED:
        if not found.get(field):
            hint = " (or smime_address)" if field == "addresses" else ""
            raise InputError(f"smime_{field}{hint} is not set for {name}.")
    found["addresses"] = tuple(options.checked_addresses(found["addresses"], option="smime_addresses"))
    found["former_addresses"] = _former(found.get("former_addresses"), found["addresses"])
    if found.get("common_name"):
        found["common_name"] = _common_name(found["common_name"], found["addresses"])
    kind = found.pop("privatekey_type", keys.DEFAULT_TYPE)
    spec = keys.key_spec(kind, found.pop("privatekey_size", None), found.pop("privatekey_curve", None))
    return Wish(name=name, key_spec=spec, **found)
