# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make roles/smime/README.md from meta/argument_specs.yml; with --check, fail where it is stale."""

from __future__ import annotations

import argparse
import json
import pathlib
import re
import sys
import typing as t

import yaml

ROLE = pathlib.Path(__file__).resolve().parents[2] / "roles" / "smime"
SPECS = ROLE / "meta" / "argument_specs.yml"
README = ROLE / "README.md"

HEAD = """\
<!-- Made from meta/argument_specs.yml by tests/tools/role_readme.py. Change those, and run that. -->

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


def sections(text: str, options: t.Iterable[str]) -> list[tuple[str, list[str]]]:
    """The sections of the file and their variables: a comment at the depth of the variables begins one."""
    known = set(options)
    found: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        comment = re.fullmatch(r" {6}# (.+)", line)
        variable = re.fullmatch(r" {6}(\w+):", line)
        if comment:
            found.append((comment[1], []))
        elif variable and variable[1] in known:
            found[-1][1].append(variable[1])
    return found


def marked_up(text: str) -> str:
    """Ansible's markup as Markdown."""
    text = re.sub(r"\b[OVC]\(((?:[^()\\]|\\.)*)\)", lambda found: f"`{found[1]}`", text)
    return text.replace("|", "\\|")


def sentences(lines: str | list[str]) -> str:
    return " ".join(marked_up(line) for line in ([lines] if isinstance(lines, str) else lines))


def row(name: str, option: dict[str, t.Any]) -> str:
    """A variable as a row of the table."""
    kind = option["type"]
    if "elements" in option:
        kind += f" of {option['elements']}"
    default = "**required**" if option.get("required") else ""
    if "default" in option:
        default = f"`{json.dumps(option['default']) if not isinstance(option['default'], str) else option['default']}`"
    text = sentences(option["description"])
    if "choices" in option:
        choices = ", ".join(f"`{choice}`" for choice in option["choices"])
        text += f" {'Any' if 'elements' in option else 'One'} of {choices}."
    return f"| `{name}` | {kind} | {default} | {text} |"


def readme() -> str:
    """The whole text."""
    text = SPECS.read_text(encoding="utf-8")
    entry = yaml.safe_load(text)["argument_specs"]["main"]
    options = entry["options"]
    parts = [HEAD.format(description="\n\n".join(marked_up(line) for line in entry["description"]))]
    for title, names in sections(text, options):
        rows = [row(name, options[name]) for name in names]
        table = ["| variable | type | default | meaning |", "| --- | --- | --- | --- |", *rows]
        parts.append("\n".join([f"### {title}", "", *table]) + "\n")
    return "\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; fail where the file is stale")
    wanted = readme()
    if not parser.parse_args().check:
        README.write_text(wanted, encoding="utf-8")
    elif not README.exists() or README.read_text(encoding="utf-8") != wanted:
        sys.exit("roles/smime/README.md is stale; run tests/tools/role_readme.py")


if __name__ == "__main__":
    main()
