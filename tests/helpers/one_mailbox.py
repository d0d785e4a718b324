# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One mailbox whose modules are run in this process, one by one, as a role author would: no playbook, so it is quick.

``endpoints`` is what the lab and the rig of real servers print when they start.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import pathlib
import typing as t

from ansible_collections.mailcert.acme.plugins.module_utils import _runner
from ansible_collections.mailcert.acme.plugins.module_utils._acme.client import AcmeClient
from ansible_collections.mailcert.acme.plugins.module_utils._deadline import Deadline
from ansible_collections.mailcert.acme.plugins.module_utils._pki import certificate
from ansible_collections.mailcert.acme.plugins.module_utils._task import Context
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.account import connection

TASKS = "ansible_collections.mailcert.acme.plugins.module_utils._tasks."


class OneMailbox:
    """A mailbox and its files.

    :arg folder: of its files; ``account`` is that of the account, which several mailboxes may share.
    :arg options: of any module; each gets those that it has.
    """

    def __init__(
        self,
        endpoints: t.Mapping[str, t.Any],
        folder: pathlib.Path,
        mailbox: t.Mapping[str, t.Any],
        *,
        account: pathlib.Path | None = None,
        **options: t.Any,
    ) -> None:
        self.address = mailbox["address"]
        self.folder = folder
        account = account or folder
        self.journal_path = folder / "order.json"
        self.certificate_path = folder / "cert.pem"
        self.options: dict[str, t.Any] = {
            "acme_directory": endpoints["directory"],
            "ca_path": endpoints["ca_file"],
            "account_key_src": str(account / "account.key"),
            "account_record_path": str(account / "account.json"),
            "contact": ["postmaster@" + endpoints["domains"][0]],
            "terms_agreed": True,
            "addresses": [self.address],
            "privatekey_path": str(folder / "privkey.pem"),
            "privatekey_type": "ECC",
            "csr_path": str(folder / "request.csr"),
            "certificate_path": str(self.certificate_path),
            "chain_path": str(folder / "chain.pem"),
            "journal_path": str(self.journal_path),
            "replies_path": str(folder / "replies"),
            "imap_host": endpoints["imaps"]["host"],
            "imap_port": endpoints["imaps"]["port"],
            "imap_user": mailbox["user"],
            "imap_password": mailbox["password"],
            "smtp_host": endpoints["submission"]["host"],
            "smtp_port": endpoints["submission"]["port"],
            "mail_ca_path": endpoints["ca_file"],
            "dns_servers": ["{host}:{port}".format(**endpoints["dns"])],
            "deadline": 60,
            **options,
        }

    def try_to(self, module: str, *, check_mode: bool = False, **own: t.Any) -> dict[str, t.Any]:
        """Run a module; gives its result, failed or not."""
        task = importlib.import_module(TASKS + module).TASK
        options = {**{name: value for name, value in self.options.items() if name in task.argument_spec}, **own}
        context = Context(check_mode=check_mode)
        result = _runner.run_in_process(task, options, context, name=module, show_invocation=False)
        assert "exception" not in result, result
        return result

    def run(self, module: str, **own: t.Any) -> dict[str, t.Any]:
        """Run a module, which must succeed."""
        result = self.try_to(module, **own)
        assert not result.get("failed"), result
        return result

    def prepare(self) -> None:
        """Account, key and request."""
        self.run("smime_account")
        self.run("smime_csr")

    def order(self, **own: t.Any) -> dict[str, t.Any]:
        """Make the order or go on with it."""
        return self.run("smime_order", state="requested", **own)

    def answer(self, ordered: t.Mapping[str, t.Any], **own: t.Any) -> dict[str, t.Any]:
        """Answer the challenges of an order."""
        return self.run("smime_email_challenge", challenges=ordered["challenges"], **own)

    def fetch(self, **own: t.Any) -> dict[str, t.Any]:
        """Finalize and install."""
        return self.run("smime_order", state="issued", **own)

    def issue(self, **own: t.Any) -> dict[str, t.Any]:
        """The whole chain; gives the result of its last step."""
        self.prepare()
        self.answer(self.order(**own))
        return self.fetch(**own)

    def journal(self) -> dict[str, t.Any]:
        """What the journal of the order says."""
        return json.loads(self.journal_path.read_text("utf-8"))


@contextlib.contextmanager
def client_of(mailbox: OneMailbox) -> t.Iterator[AcmeClient]:
    """The layer below the modules, for what no module does on purpose."""
    spec = connection.AcmeOptions.spec()
    params = {name: mailbox.options.get(name, entry.get("default")) for name, entry in spec.items()}
    acme = connection.AcmeOptions.parse(params)
    client = acme.client(Deadline(60), acme.account_key())
    try:
        yield client
    finally:
        client.transport.close()


def leaf_of(mailbox: OneMailbox) -> certificate.Certificate:
    return certificate.load_certificate(mailbox.certificate_path.read_bytes(), source="the certificate")
