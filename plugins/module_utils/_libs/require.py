# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The third-party libraries: which can be used, and the error for those that cannot.

Each other file of this folder imports one library and catches the ImportError. Then it records the library in
:data:`MISSING` and replaces its names by placeholders. So every file of the collection can be imported without any
library, and the first use of a placeholder raises the same error as :func:`require`.

No file here imports another one, so a task loads only the libraries that it needs.
"""

from __future__ import annotations

import sys
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils._errors import MissingLibraryError

#: the name of each library on the package index, with its requirement as pip takes it; requirements.txt says the same
REQUIREMENTS: t.Mapping[str, str] = {
    "PyNaCl": "PyNaCl>=1.5",
    "asn1crypto": "asn1crypto>=1.5",
    "authres": "authres>=1.2",
    "cryptography": "cryptography>=45",
    "dkimpy": "dkimpy>=1.1",
    "dnspython": "dnspython>=2.3",
    "google-auth": "google-auth>=2.20",
    "idna": "idna>=3",
    "imapclient": "imapclient>=3.0",
    "josepy": "josepy>=1.14,<3",
    "msal": "msal>=1.24",
    "pyspf": "pyspf>=2.0.14",
    "requests": "requests>=2.28",
}

#: the libraries that each layer always needs; a library that only one option needs is required where the option is used
ACME = ("cryptography", "josepy", "requests")
PKI = ("cryptography", "asn1crypto")
MAIL = ("authres", "cryptography", "asn1crypto", "dnspython", "dkimpy", "PyNaCl", "imapclient")

#: the libraries whose import failed, each with the version that is there; empty where there is none
MISSING: dict[str, str] = {}


def missing(name: str, module: str) -> None:
    """Record that a library cannot be imported.

    :arg name: a key of :data:`REQUIREMENTS`.
    :arg module: the name of its package. Where only a part of a library is missing, its package is in
        ``sys.modules``: the library is there in a version that does not fit.
    """
    found = sys.modules.get(module)
    MISSING[name] = "" if found is None else str(getattr(found, "__version__", "another version"))


def is_missing(name: str) -> bool:
    """Whether a library cannot be used; its file must have been imported."""
    return name in MISSING


def require(*names: str, purpose: str = "") -> None:
    """Make sure that libraries can be used.

    :arg names: keys of :data:`REQUIREMENTS`. The caller imports their files of this folder, or what it calls does.
    :arg purpose: what needs them, where not every user of a task does: ``oauth_grant: microsoft_app``.
    :raises MissingLibraryError: names all of them that are missing, with the versions found, and one pip line.
    """
    absent = [name for name in dict.fromkeys(names) if name in MISSING]
    if absent:
        raise error_for(*absent, purpose=purpose)


def error_for(*names: str, purpose: str = "") -> MissingLibraryError:
    """The sentence about libraries that are missing, as :func:`require` raises it."""
    several = len(names) > 1
    found = [f"{name} {MISSING[name]}" if several else MISSING[name] for name in names if MISSING.get(name)]
    unfit = ""
    if found:
        unfit = f" in {'versions that fit' if several else 'a version that fits'} ({', '.join(found)} is there)"
    needed = f", and {purpose} needs {'them' if several else 'it'}" if purpose else ""
    requirements = " ".join(f"'{REQUIREMENTS[name]}'" for name in names)
    return MissingLibraryError(
        f"The Python {'libraries' if several else 'library'} {', '.join(names)} {'are' if several else 'is'} not"
        f" installed{unfit} for {sys.executable}{needed}. Install {'them' if several else 'it'}: "
        f"{sys.executable} -m pip install {requirements}"
    )


class Absent:
    """The placeholder for a module, class or function of a missing library.

    Every use raises :class:`MissingLibraryError`. Tools that inspect code ask for names with two underscores; of these
    it has none.
    """

    def __init__(self, name: str) -> None:
        self._library = name

    def __getattr__(self, attribute: str) -> t.Any:
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        raise error_for(self._library)

    def __call__(self, *args: t.Any, **kwargs: t.Any) -> t.Any:
        raise error_for(self._library)


class NeverRaised(Exception):
    """The placeholder for an exception of a missing library: an except clause needs a class."""
