# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the files that repeat roles/smime/variables.yml and the argument specs.

With --check, change nothing and fail where one is stale.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import re
import sys
import typing as t

import yaml

from . import role_variables
from .role_variables import ROLE, ROOT, Role, Variable

MADE = "Made by `make generate` from roles/smime/variables.yml and the argument specs; change those."
LICENCE = """\
# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""
# of a line of YAML; the word that passes it is still on it
WIDTH = 110

README_HEAD = """\
<!-- {made} -->

# Role mailcert.acme.smime

{description}

For a fleet, the playbook `mailcert.acme.issue_smime` does the same with fewer tasks:

```sh
ansible-playbook mailcert.acme.issue_smime -i inventory
```

In a play of your own:

```yaml
- name: S/MIME certificates
  hosts: mailboxes
  gather_facts: false
  roles:
    - role: mailcert.acme.smime
```

with, for example, `group_vars/mailboxes.yml`

```yaml
smime_acme_directory: https://acme.example.com/directory
smime_terms_agreed: true
smime_account_contact: [postmaster@example.com]
smime_store_path: /etc/smime/store
smime_imap_host: imap.example.com
smime_smtp_host: smtp.example.com
```

and, for each mailbox, `host_vars/anna.yml`

```yaml
smime_address: anna@example.com
smime_imap_password: "{{{{ vault_imap_password }}}}"
smime_pkcs12_passphrase: "{{{{ vault_pkcs12_passphrase }}}}"
```

## Variables
"""


# --- YAML ----------------------------------------------------------------------------------------------------------


class _Dumper(yaml.SafeDumper):
    """Lists are indented below their key, as ansible-lint wants it."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


class _Inline(list[t.Any]):
    """A list on one line."""


_Dumper.add_representer(
    _Inline, lambda dumper, value: dumper.represent_sequence("tag:yaml.org,2002:seq", list(value), flow_style=True)
)
_Dumper.add_representer(type(None), lambda dumper, value: dumper.represent_scalar("tag:yaml.org,2002:null", ""))


def as_yaml(value: t.Any, *, indent: int = 0) -> str:
    """A value as lines of YAML, ``indent`` spaces deep."""
    text = yaml.dump(value, Dumper=_Dumper, sort_keys=False, width=WIDTH - indent, allow_unicode=True)
    return "".join(f"{' ' * indent}{line}\n" for line in text.splitlines())


def inline(value: t.Any) -> t.Any:
    """A value for one line."""
    return _Inline(value) if isinstance(value, (list, tuple)) else value


# --- the files -----------------------------------------------------------------------------------------------------


def defaults(role: Role) -> str:
    """roles/smime/defaults/main.yml."""
    parts = [f"---\n# {MADE}\n"]
    for title, variables in role.sections:
        entries = {variable.name: inline(variable.default) for variable in variables if variable.defined}
        if entries:
            parts.append(f"# {title}\n{as_yaml(entries)}")
    return "\n".join(parts)


def argument_specs(role: Role) -> str:
    """roles/smime/meta/argument_specs.yml."""
    parts = [
        f"---\n# {MADE}\n"
        "# There is no entry for the other task files: it would cost a task for each mailbox of a fleet.\n"
        f"argument_specs:\n  main:\n{as_yaml(role.about, indent=4)}    options:\n"
    ]
    for number, (title, variables) in enumerate(role.sections):
        entries = {variable.name: _option(variable) for variable in variables}
        parts.append(("\n" if number else "") + f"      # {title}\n" + as_yaml(entries, indent=6))
    return "".join(parts)


def _option(variable: Variable) -> dict[str, t.Any]:
    said = {
        "type": variable.type,
        "elements": variable.elements,
        "choices": inline(variable.choices) or None,
        "default": inline(variable.default),
        "required": variable.required or None,
    }
    return {
        **{key: value for key, value in said.items() if value is not None},
        "description": list(variable.description),
    }


def plugin(role: Role) -> str:
    """plugins/plugin_utils/role_variables.py."""
    modules = {
        module: [(variable.feeds[module], variable.name) for variable in role.variables if module in variable.feeds]
        for module in role_variables.MODULES
    }
    lines = [
        f'{LICENCE}"""The variables of the role, and the options that they are for.\n\n{MADE}\n"""\n',
        "from __future__ import annotations\n",
        "NAMES = frozenset(",
        "    {",
        *(f'        "{name}",' for name in sorted(variable.name for variable in role.variables)),
        "    }",
        ")",
        "# by module: the variable for each option that has one",
        "OPTIONS: dict[str, dict[str, str]] = {",
    ]
    for module, pairs in modules.items():
        lines.append(f'    "{module}": {{')
        lines += [f'        "{option}": "{name}",' for option, name in pairs]
        lines.append("    },")
    return "\n".join([*lines, "}", ""])


def readme(role: Role) -> str:
    """roles/smime/README.md."""
    parts = [README_HEAD.format(made=MADE, description="\n\n".join(map(marked_up, role.about["description"])))]
    for title, variables in role.sections:
        table = ["| variable | type | default | meaning |", "| --- | --- | --- | --- |", *map(row, variables)]
        parts.append("\n".join([f"### {title}", "", *table]) + "\n")
    return "\n".join(parts)


def row(variable: Variable) -> str:
    """A variable as a row of the table."""
    kind = variable.type + (f" of {variable.elements}" if variable.elements else "")
    default = "**required**" if variable.required else ""
    if variable.default is not None:
        value = variable.default
        default = f"`{value if isinstance(value, str) else json.dumps(value)}`"
    text = " ".join(map(marked_up, variable.description))
    if variable.choices:
        choices = ", ".join(f"`{choice}`" for choice in variable.choices)
        text += f" {'Any' if variable.elements else 'One'} of {choices}."
    return f"| `{variable.name}` | {kind} | {default} | {text} |"


def marked_up(text: str) -> str:
    """Ansible's markup as Markdown."""
    text = re.sub(r"\b[OVCMP]\(((?:[^()\\]|\\.)*)\)", lambda found: f"`{found[1]}`", text)
    return text.replace("|", "\\|")


FILES: dict[pathlib.Path, t.Callable[[Role], str]] = {
    ROLE / "defaults" / "main.yml": defaults,
    ROLE / "meta" / "argument_specs.yml": argument_specs,
    ROLE / "README.md": readme,
    ROOT / "plugins" / "plugin_utils" / "role_variables.py": plugin,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing; fail where a file is stale")
    check = parser.parse_args().check
    try:
        role = role_variables.read()
    except role_variables.SourceError as error:
        sys.exit(f"roles/smime/variables.yml: {error}")
    stale = []
    for path, make in FILES.items():
        wanted = make(role)
        if path.exists() and path.read_text(encoding="utf-8") == wanted:
            continue
        stale.append(path.relative_to(ROOT).as_posix())
        if not check:
            path.write_text(wanted, encoding="utf-8")
    if check and stale:
        sys.exit(f"Stale, run `make generate`: {', '.join(stale)}")
    print(f"written: {', '.join(stale)}" if stale else "nothing to do")


if __name__ == "__main__":
    main()
