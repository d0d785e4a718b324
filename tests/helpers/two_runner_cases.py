# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tasks that do their work, for test_two_runners.py: the chain on the lab, and what needs no server."""

from __future__ import annotations

import pathlib
import typing as t

from .two_runners import SECRET, Case

DIFF = {"diff": True}
CHECK = {"check_mode": True, "diff": True}
NEW_CERTIFICATE = ("fingerprint", "fingerprints", "serial_number", "not_before", "not_after", "before", "after")
NEW_CHALLENGE = ("from", "token", "opened", "message_id")


def chain(lab: t.Any, folder: pathlib.Path) -> tuple[Case, ...]:
    """All modules that talk to servers, in the order of the chain, on the lab."""
    mailbox = lab.mailboxes[0]
    address = mailbox["address"]
    ca = {"acme_directory": lab.directory, "ca_path": lab.ca_file, "deadline": 60}
    acme = {**ca, "account_key_src": f"{folder}/account.key", "account_record_path": f"{folder}/account.json"}
    contact = {"contact": [f"postmaster@{lab.domains[0]}"], "terms_agreed": True}
    other = {"contact": [f"mailto:hostmaster@{lab.domains[0]}"], "terms_agreed": True}
    order = {
        **acme,
        "addresses": [address],
        "csr_path": f"{folder}/user.csr",
        "privatekey_path": f"{folder}/user.key",
        "certificate_path": f"{folder}/1/cert.pem",
        "chain_path": f"{folder}/1/chain.pem",
        "current_path": f"{folder}/current",
        "record_path": f"{folder}/1/record.json",
        "journal_path": f"{folder}/journal.json",
    }
    key = {"privatekey_path": f"{folder}/user.key", "privatekey_size": 2048, "csr_path": f"{folder}/user.csr"}
    csr = {**key, "addresses": [address], "return_content": True}
    challenge = {
        **acme,
        "replies_path": f"{folder}/replies",
        "challenges": "{{ r_order_requested.challenges }}",
        "imap_host": lab.imaps["host"],
        "imap_port": lab.imaps["port"],
        "imap_user": mailbox["user"],
        "imap_password": mailbox["password"],
        "smtp_port": lab.submission["port"],
        "mail_ca_path": lab.ca_file,
        "dns_servers": ["{host}:{port}".format(**lab.dns)],
    }
    shared = ("imap_host", "imap_port", "imap_user", "imap_password", "smtp_port", "mail_ca_path", "dns_servers")
    look = {"addresses": [address], "ca_from": lab.ca_from, **{name: challenge[name] for name in shared}}
    wrong = {**look, "smtp_password": f"{SECRET}, but the wrong one"}
    identity = {
        "path": f"{folder}/identity.p12",
        "privatekey_path": f"{folder}/user.key",
        "certificate_path": f"{folder}/1/cert.pem",
        "other_certificates_path": f"{folder}/1/chain.pem",
        "passphrase": f"{SECRET} of the identity",
    }
    revoke = {**acme, "certificate_path": f"{folder}/1/cert.pem", "reason": "superseded"}
    by_key = {**ca, "revoke_by": "certificate_key", "pkcs12_path": identity["path"]}
    return (
        Case("account in check mode", "smime_account", {**acme, **contact}, True, keywords=CHECK),
        Case("account made", "smime_account", {**acme, **contact}, True, keywords=DIFF),
        Case("account again", "smime_account", {**acme, **contact}, keywords=DIFF),
        Case("contact in check mode", "smime_account", {**acme, **other}, True, keywords=CHECK),
        Case("contact changed", "smime_account", {**acme, **other}, True, keywords=DIFF),
        Case(
            "account with a new key",
            "smime_account",
            {**acme, **contact, "account_key_src": f"{folder}/new.key", "account_record_path": f"{folder}/new.json"},
            True,
            fresh=("public_key_fingerprint",),
        ),
        Case("request in check mode", "smime_csr", csr, True, keywords=CHECK),
        Case("request made", "smime_csr", csr, True, keywords=DIFF),
        Case("request again", "smime_csr", csr),
        Case("mailbox looked at", "smime_mail_check", look, keywords=CHECK),
        Case("mailbox with a wrong password", "smime_mail_check", wrong, keywords=DIFF),
        Case("mailbox that fails", "smime_mail_check", {**wrong, "fail_on_error": True}, None, "smtp_password"),
        Case("order in check mode", "smime_order", {**order, "state": "requested"}, True, keywords=CHECK),
        Case(
            "order requested", "smime_order", {**order, "state": "requested"}, True, keywords=DIFF, fresh=NEW_CHALLENGE
        ),
        Case("order again", "smime_order", {**order, "state": "requested"}, fresh=NEW_CHALLENGE),
        Case("order not ready", "smime_order", {**order, "state": "issued"}, None, "smime_email_challenge answers it"),
        Case("challenge in check mode", "smime_email_challenge", challenge, True, keywords=CHECK, fresh=NEW_CHALLENGE),
        Case(
            "login refused",
            "smime_email_challenge",
            {**challenge, "imap_password": f"{SECRET}, but the wrong one"},
            None,
            "imap_password",
            fresh=NEW_CHALLENGE,
        ),
        Case("challenge answered", "smime_email_challenge", challenge, True, keywords=DIFF, fresh=NEW_CHALLENGE),
        Case("nothing to answer", "smime_email_challenge", {**challenge, "challenges": []}, keywords=DIFF),
        Case("certificate in check mode", "smime_order", {**order, "state": "issued"}, True, keywords=CHECK),
        Case(
            "certificate issued",
            "smime_order",
            {**order, "state": "issued"},
            True,
            keywords=DIFF,
            fresh=NEW_CERTIFICATE[:-2],
        ),
        Case("certificate again", "smime_order", {**order, "state": "issued"}, fresh=NEW_CERTIFICATE),
        Case("no order is due", "smime_order", {**order, "state": "requested"}, keywords=CHECK, fresh=NEW_CERTIFICATE),
        Case("identity in check mode", "smime_pkcs12", identity, True, keywords=CHECK, fresh=NEW_CERTIFICATE[:-2]),
        Case("identity made", "smime_pkcs12", identity, True, keywords=DIFF, fresh=NEW_CERTIFICATE[:-2]),
        Case("identity again", "smime_pkcs12", identity, fresh=NEW_CERTIFICATE),
        Case(
            "identity that is weak",
            "smime_pkcs12",
            {**identity, "path": f"{folder}/weak.p12", "passphrase": f"{SECRET}!", "encoding": "compatible"},
            True,
            "compatible is weak",
            fresh=NEW_CERTIFICATE,
        ),
        Case("revocation in check mode", "smime_revoke", revoke, True, keywords=CHECK, fresh=NEW_CERTIFICATE),
        Case("revoked", "smime_revoke", revoke, True, keywords=DIFF, fresh=NEW_CERTIFICATE),
        Case("revoked again", "smime_revoke", revoke, fresh=NEW_CERTIFICATE),
        Case(
            "revoked again by its own key",
            "smime_revoke",
            {**by_key, "pkcs12_passphrase": f"{SECRET} of the identity"},
            fresh=NEW_CERTIFICATE,
        ),
        Case(
            "revocation with a wrong passphrase",
            "smime_revoke",
            {**by_key, "pkcs12_passphrase": f"{SECRET}, but the wrong one"},
            None,
            "passphrase",
        ),
        Case(
            "roots from the environment",
            "smime_account",
            {**acme, **other, "ca_path": None, "account_record_path": None},
            keywords={"environment": {"REQUESTS_CA_BUNDLE": lab.ca_file}},
        ),
        Case(
            "no roots for the CA",
            "smime_account",
            {**acme, **other, "ca_path": None, "account_record_path": None},
            None,
            "certificate",
        ),
    )


def on_files(folder: pathlib.Path, store: pathlib.Path, address: str, silent_port: int) -> tuple[Case, ...]:
    """The modules that need no server, and the keywords of Ansible.

    :arg store: is only read.
    :arg silent_port: where somebody listens and never answers.
    """
    key = {"privatekey_path": f"{folder}/user.key", "privatekey_size": 2048, "addresses": [address]}
    csr = {**key, "csr_path": f"{folder}/user.csr"}
    certificate = {"certificate_path": f"{folder}/cert.pem", "chain_path": f"{folder}/chain.pem"}
    wish = {"addresses": [address], "acme_directory": "https://ca.test/directory"}
    due = {"store_path": f"{folder}/store", "desired_states": {"one": wish, "two": {"addresses": ["none"]}}}
    pair = {"privatekey_path": f"{folder}/privkey.pem", "certificate_path": f"{folder}/cert.pem"}
    identity = {**pair, "passphrase": "{{ vaulted }}", "friendly_name": {"__ansible_unsafe": "{{ 6 * 7 }}"}}
    names = {"path": f"{folder}/id.p12", "friendly": {"__ansible_unsafe": "{{ 6 * 7 }}"}}
    plan = {"path": f"{folder}/id.p12", "friendly_name": names["friendly"], "reason": "missing"}
    by_name = {"path": "names.path", "friendly_name": "names.friendly"}
    return (
        Case("info of a file", "smime_certificate_info", certificate, keywords=DIFF),
        Case(
            "info with a passphrase for a key that has none",
            "smime_certificate_info",
            {**certificate, **pair, "privatekey_passphrase": f"{SECRET} for nothing"},
            None,
            "privatekey_passphrase",
        ),
        Case("info of a store", "smime_certificate_info", {"store_path": str(store)}, keywords=CHECK),
        Case("info of nothing", "smime_certificate_info", {"certificate_path": f"{folder}/none"}, None, "none"),
        Case("info of a relative path", "smime_certificate_info", {"certificate_path": "cert.pem"}, None, "absolute"),
        Case("selection in check mode", "smime_select", due, keywords=CHECK, fresh=("run_id",)),
        Case("selection", "smime_select", due, True, keywords=DIFF, fresh=("run_id",)),
        Case("selection again", "smime_select", due, fresh=("run_id",)),
        Case("selection from the inventory", "smime_select", {"store_path": str(store)}, fresh=("run_id",)),
        Case("selection without a store", "smime_select", {"store_path": "store", "run_id": "r"}, None, "absolute"),
        Case("identity made", "smime_pkcs12", {**identity, "path": f"{folder}/id.p12"}, True, keywords=DIFF),
        Case(
            "identity by the names of variables",
            "smime_pkcs12",
            {**pair, "variables": {**by_name, "passphrase": "vaulted", "other_certificates_path": "omitted"}},
            keywords={"vars": {"names": names, "omitted": "{{ omit }}"}},
        ),
        Case(
            "identity from a dictionary and from the role's variables",
            "smime_pkcs12",
            {**pair, "options_from": ["from_plan", "smime_*"]},
            keywords={"vars": {"from_plan": plan, "smime_pkcs12_passphrase": "{{ vaulted }}"}},
        ),
        Case(
            "identity over another",
            "smime_pkcs12",
            {**identity, "path": f"{folder}/id.p12", "friendly_name": "Ünïcödé", "backup": True},
            True,
        ),
        Case("request made", "smime_csr", {**csr, "return_content": True}, True, keywords=DIFF),
        Case(
            "new key",
            "smime_csr",
            {**csr, "privatekey_path": f"{folder}/new/user.key", "privatekey_type": "ECC"},
            True,
            fresh=("public_key_fingerprint",),
        ),
        Case("no address", "smime_csr", {**csr, "addresses": ["none"]}, None, "addresses"),
        Case("wide mode", "smime_csr", {**csr, "mode": "0644"}, None, "allow_wide_mode"),
        # keywords of Ansible
        Case(
            "path with a variable of the environment",
            "smime_certificate_info",
            {"certificate_path": "$FOLDER/cert.pem"},
            keywords={"environment": {"FOLDER": str(folder)}},
        ),
        Case(
            "environment that a process starts with",
            "smime_certificate_info",
            certificate,
            keywords={"environment": {"PYTHONUTF8": "1"}},
            sent=True,
        ),
        Case(
            "environment that is none",
            "smime_certificate_info",
            certificate,
            keywords={"environment": "a"},
        ),
        Case(
            "loop",
            "smime_certificate_info",
            {"certificate_path": "{{ item }}"},
            None,
            keywords={"loop": [f"{folder}/cert.pem", f"{folder}/chain.pem", f"{folder}/none"]},
        ),
        Case("no_log", "smime_csr", {**csr, "common_name": address}, True, keywords={"no_log": True}),
        Case("failed_when", "smime_csr", csr, None, keywords={"failed_when": "r_failed_when is changed"}),
        Case("changed_when", "smime_csr", csr, True, keywords={"changed_when": True}),
        Case("until", "smime_csr", csr, None, keywords={"until": False, "retries": 1, "delay": 0}),
        Case("within its timeout", "smime_csr", csr, keywords={"timeout": 30}),
        Case(
            "beyond its timeout",
            "smime_account",
            {
                "acme_directory": f"https://127.0.0.1:{silent_port}/directory",
                "account_key_src": f"{folder}/account.key",
                "request_timeout": 3,
                "request_retries": 0,
            },
            None,
            keywords={"timeout": 1},
            fresh=("frame",),
            hasty=True,
        ),
        Case(
            "async",
            "smime_csr",
            csr,
            keywords={"async": 30, "poll": 1},
            fresh=("ansible_job_id", "results_file"),
            sent=True,
        ),
        Case(
            "become",
            "smime_csr",
            csr,
            keywords={
                "become": True,
                "vars": {"ansible_become_exe": f"{folder}/sudo", "ansible_become_method": "sudo"},
            },
            sent=True,
        ),
        Case("delegated", "smime_csr", csr, keywords={"delegate_to": "localhost"}, sent=False),
        Case("delegated to another machine", "smime_csr", csr, keywords={"delegate_to": "remote"}, sent=True),
        Case(
            "defaults of the action group",
            "smime_csr",
            csr,
            True,
            keywords={"module_defaults": {"group/mailcert.acme.smime": {"common_name": address}}},
        ),
    )
