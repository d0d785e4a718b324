# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The desired state of one mailbox in the inventory, checked.

It has the values whose change makes a certificate due, and the rules for its renewal. The variables are the role's,
without ``smime_``. Type, choices and default of a variable come from the argument spec of the module that takes it; the
other variables are described here. There is no secret among them: the selection compares public data only.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.mailcert.acme.plugins.module_utils._errors import InputError
from ansible_collections.mailcert.acme.plugins.module_utils._pki import keys, pkcs12_cipher, renewal
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.account.connection import AcmeOptions
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.common import options
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.renewal import policy

# the largest number of days, hours or seconds: Python's dates end with the year 9999
MOST = 36500

#: The key of an entry with invalid variables; its value is the reason.
UNREADABLE = "unreadable"

Reader = t.Callable[[t.Any], t.Any]


def _variables() -> options.Params:
    acme = AcmeOptions.spec()
    rules = policy.RenewalOptions.spec()
    return {
        "addresses": options.CertificateOptions.spec()["addresses"],
        "acme_directory": acme["acme_directory"],
        "usage": options.CertificateOptions.spec()["usage"],
        **options.KeyOptions.spec(),
        "account_name": {"type": "str", "default": "default"},
        "staging": {"type": "bool", "default": False},
        "profile": {"type": "str"},
        "common_name": {"type": "str"},
        # defaults of a fleet; a single task has none for these
        "remaining_days": {**rules["remaining_days"], "default": 30},
        "remaining_percentage": rules["remaining_percentage"],
        "force": rules["force"],
        "spread_days": {**rules["spread_days"], "default": 7},
        "run_interval": {**rules["run_interval"], "default": 24},
        "renewal_info": {"type": "bool", "default": True},
        "allow_ca_change": {"type": "bool", "default": False},
        "acme_validate_certs": acme["validate_certs"],
        "acme_ca_path": acme["ca_path"],
        "acme_request_timeout": acme["request_timeout"],
        "retry_now": {"type": "bool", "default": False},
        "pkcs12": {"type": "bool", "default": True},
        "pkcs12_encoding": {
            "type": "str", "choices": list(pkcs12_cipher.ENCODINGS), "default": pkcs12_cipher.DEFAULT_ENCODING,
        },
        "pkcs12_friendly_name": {"type": "str"},
        "pkcs12_generation": {"type": "int", "default": 0},
        "former_addresses": {"type": "list", "elements": "str"},
    }


#: The variables by name, each as an argument spec describes an option.
VARIABLES = _variables()
#: The default of each variable that has one.
DEFAULTS: dict[str, t.Any] = {name: entry["default"] for name, entry in VARIABLES.items() if "default" in entry}
REQUIRED = tuple(name for name, entry in VARIABLES.items() if entry.get("required"))
# null or an empty text is a valid value of these variables: no such rule, no such address, or the default of a key
_MAY_BE_EMPTY = frozenset(
    (
        "remaining_days", "remaining_percentage", "run_interval", "former_addresses", "privatekey_size",
        "privatekey_curve",
    )
)
# whole numbers that have bounds: the least value, and the unit
_LEAST = {**policy.LEAST, "acme_request_timeout": (1, "seconds")}


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


def _at_least(least: int, unit: str) -> Reader:
    def read(value: t.Any) -> int:
        number = _whole(value)
        if not least <= number <= MOST:
            raise ValueError(f"give a whole number of {unit}, {least} or more")
        return number

    return read


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


def _choice(*choices: str) -> Reader:
    def read(value: t.Any) -> str:
        if value not in choices:
            raise ValueError(f"give one of {', '.join(choices)}")
        return str(value)

    return read


def _or_none(read: Reader) -> Reader:
    return lambda value: None if value is None or value == "" else read(value)


def _reader(name: str, entry: t.Mapping[str, t.Any]) -> Reader:
    """The function that reads the value of one variable; it raises ValueError with the end of a sentence."""
    read: Reader
    if "choices" in entry:
        read = _choice(*entry["choices"])
    elif name in _LEAST:
        read = _at_least(*_LEAST[name])
    else:
        by_type: dict[str, Reader] = {
            "bool": _boolean, "int": _whole, "float": _fraction, "list": _addresses, "str": _text, "path": _text,
        }
        read = by_type[entry["type"]]
    return _or_none(read) if name in _MAY_BE_EMPTY else read


#: The function that reads the value of each variable: in an inventory every type may be text.
READERS: dict[str, Reader] = {name: _reader(name, entry) for name, entry in VARIABLES.items()}


@dataclass(frozen=True)
class DesiredState:
    """The desired state of one mailbox, checked.

    :ivar name: the inventory's name of the mailbox.
    :ivar addresses: at least one, each once, in one spelling; the first is the primary.
    :ivar acme_directory: URL of the CA's directory.
    :ivar usage: ``dual``, ``sign`` or ``encrypt``.
    :ivar renewal: the rules for the renewal.
    :ivar profile: :ivar common_name: empty for none.
    :ivar renewal_info: whether the CA is asked for renewal information (RFC 9773).
    :ivar acme_ca_path: roots of the CA's TLS certificate; empty for those of the system.
    :ivar acme_request_timeout: seconds for each answer of the CA.
    :ivar retry_now: whether to try a mailbox on hold at once.
    :ivar pkcs12: whether there is a PKCS#12 file. ``pkcs12_friendly_name``: empty for the primary address.
    :ivar former_addresses: earlier addresses of the mailbox, in one spelling.
    """

    name: str
    addresses: tuple[str, ...]
    acme_directory: str
    usage: str
    key_spec: keys.KeySpec
    account_name: str
    staging: bool
    profile: str
    common_name: str
    renewal: renewal.RenewalPolicy
    renewal_info: bool
    allow_ca_change: bool
    acme_validate_certs: bool
    acme_ca_path: str
    acme_request_timeout: int
    retry_now: bool
    pkcs12: bool
    pkcs12_encoding: str
    pkcs12_friendly_name: str
    pkcs12_generation: int
    former_addresses: tuple[str, ...]

    @classmethod
    def parse(cls, name: str, values: t.Mapping[str, t.Any]) -> DesiredState:
        """Check the variables of one mailbox.

        :arg values: by the names of :data:`VARIABLES`; an absent variable has its default.
        :raises InputError: names the variable. A mistake affects this mailbox only.
        """
        found = _read(name, values)
        addresses = tuple(options.checked_addresses(found["addresses"], option="smime_addresses"))
        former = found.get("former_addresses")
        return cls(
            name=name,
            addresses=addresses,
            acme_directory=found["acme_directory"],
            usage=found["usage"],
            key_spec=options.KeyOptions.parse(found),
            account_name=found["account_name"],
            staging=found["staging"],
            profile=found.get("profile", ""),
            common_name=_common_name(found["common_name"], addresses) if found.get("common_name") else "",
            renewal=policy.RenewalOptions.parse(found),
            renewal_info=found["renewal_info"],
            allow_ca_change=found["allow_ca_change"],
            acme_validate_certs=found["acme_validate_certs"],
            acme_ca_path=found.get("acme_ca_path", ""),
            acme_request_timeout=found["acme_request_timeout"],
            retry_now=found["retry_now"],
            pkcs12=found["pkcs12"],
            pkcs12_encoding=found["pkcs12_encoding"],
            pkcs12_friendly_name=found.get("pkcs12_friendly_name", ""),
            pkcs12_generation=found["pkcs12_generation"],
            former_addresses=_former_addresses(former, addresses) if former else (),
        )

    @property
    def primary(self) -> str:
        """The address that identifies the mailbox in the store."""
        return self.addresses[0]

    def module_options(self) -> dict[str, t.Any]:
        """The desired state as options of the modules, by their names; ``None`` for an option that is not set."""
        return {
            "addresses": list(self.addresses),
            "usage": self.usage,
            "privatekey_type": self.key_spec.type,
            "privatekey_size": self.key_spec.size,
            "privatekey_curve": self.key_spec.curve,
            "common_name": self.common_name or None,
            "profile": self.profile or None,
            "acme_directory": self.acme_directory,
            "validate_certs": self.acme_validate_certs,
            "ca_path": self.acme_ca_path or None,
            "request_timeout": self.acme_request_timeout,
            "encoding": self.pkcs12_encoding,
            "friendly_name": self.pkcs12_friendly_name or None,
            "generation": self.pkcs12_generation,
        }


def _read(name: str, values: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The values of all variables, each of its type; a variable without a value and a default is absent."""
    if UNREADABLE in values:
        raise InputError(str(values[UNREADABLE]))
    unknown = sorted(set(values) - set(READERS))
    if unknown:
        raise InputError(f"The desired state of a mailbox has no {unknown[0]}; it has {', '.join(READERS)}.")
    found = dict(DEFAULTS)
    for variable, value in values.items():
        try:
            found[variable] = READERS[variable](value)
        except ValueError as error:
            raise InputError(f"smime_{variable}: {error}, not {value!r}.") from None
    for variable in REQUIRED:
        if not found.get(variable):
            hint = " (or smime_address)" if variable == "addresses" else ""
            raise InputError(f"smime_{variable}{hint} is not set for {name}.")
    return found


def _common_name(value: str, addresses: t.Sequence[str]) -> str:
    """The common name, in the spelling of the equal address."""
    common_name = options.checked_addresses([value], option="smime_common_name")[0]
    if common_name in addresses:
        return common_name
    raise InputError(f"smime_common_name: give one of the addresses, {', '.join(addresses)}, not {value!r}.")


def _former_addresses(values: list[str], addresses: t.Sequence[str]) -> tuple[str, ...]:
    """The former addresses. A secondary address of the certificate is allowed: it may have been the primary before."""
    former = tuple(options.checked_addresses(values, option="smime_former_addresses"))
    if addresses[0] in former:
        raise InputError(
            f"smime_former_addresses: {addresses[0]} is the mailbox's address now; remove it from the list."
        )
    return former
