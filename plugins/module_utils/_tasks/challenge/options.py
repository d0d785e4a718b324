# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of smime_email_challenge."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.mailcert.acme.plugins.module_utils._tasks.account.connection import AcmeOptions
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.common import options
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.mailbox.mailbox import mailbox_of
from ansible_collections.mailcert.acme.plugins.module_utils._tasks.mailbox.options import MailOptions

from .answered_mail import AnsweredMailOptions
from .ca_preset import CaPreset
from .manual import ManualOptions
from .model import Challenge
from .proof_policy import ProofPolicy
from .sent_copy import SentCopyOptions

# the minimum of each number, checked before anything is sent
LEAST = {
    "deadline": 1,
    "mail_timeout": 1,
    "dns_timeout": 1,
    "search_interval": 0.1,
    "settle_delay": 0,
    "reply_retries": 0,
    "slots": 0,
}


@dataclass(frozen=True)
class ChallengeOptions:
    """The options of the module.

    :ivar challenges: as smime_order gave them.
    :ivar replies_path: absolute path of the folder of the replies.
    :ivar attempts_path: absolute path of the file that keeps a failure; ``None`` keeps none.
    :ivar run_id: of the run; ``None`` for a task on its own.
    :ivar reply_retries: how often a reply that was certainly not sent is tried again.
    :ivar search_interval: seconds between two searches of a mailbox.
    :ivar slots_path: absolute path of the folder that limits how many of these tasks run at once.
    :ivar slots: how many; 0 for no limit.
    :ivar would_exist: whether in check mode an earlier step of the run would make the challenges.
    """

    acme: AcmeOptions
    mail: MailOptions
    challenges: tuple[Challenge, ...]
    replies_path: str
    attempts_path: str | None
    run_id: str | None
    proof: ProofPolicy
    preset: CaPreset
    answered_mail: AnsweredMailOptions
    sent_copy: SentCopyOptions
    manual: ManualOptions
    reply_retries: int
    search_interval: float
    slots_path: str | None
    slots: int
    would_exist: bool

    @staticmethod
    def spec() -> options.Params:
        """The argument spec."""
        return {
            **AcmeOptions.spec(),
            **MailOptions.spec(),
            "challenges": {"type": "list", "elements": "dict", "required": True, "options": Challenge.spec()},
            "replies_path": {"type": "path", "required": True},
            "attempts_path": {"type": "path"},
            "run_id": {"type": "str"},
            **ProofPolicy.spec(),
            **CaPreset.spec(),
            **AnsweredMailOptions.spec(),
            **SentCopyOptions.spec(),
            **ManualOptions.spec(),
            "reply_retries": {"type": "int", "default": 8},
            "search_interval": {"type": "float", "default": 15.0},
            "slots_path": {"type": "path"},
            "slots": {"type": "int", "default": 0},
            "would_exist": {"type": "bool", "default": False},
        }

    @classmethod
    def parse(cls, params: options.Params) -> ChallengeOptions:
        """The options.

        :raises InputError: an option that cannot be used; naming it.
        """
        options.check_paths(params, "replies_path", "slots_path", "attempts_path")
        for name, least in LEAST.items():
            options.check_number(params, name, least=least)
        return cls(
            acme=AcmeOptions.parse(params),
            mail=MailOptions.parse(params),
            challenges=tuple(Challenge.from_params(entry) for entry in params["challenges"]),
            replies_path=params["replies_path"],
            attempts_path=params["attempts_path"],
            run_id=params["run_id"],
            proof=ProofPolicy.parse(params),
            preset=CaPreset.parse(params),
            answered_mail=AnsweredMailOptions.parse(params),
            sent_copy=SentCopyOptions.parse(params),
            manual=ManualOptions.parse(params),
            reply_retries=params["reply_retries"],
            search_interval=params["search_interval"],
            slots_path=params["slots_path"],
            slots=params["slots"],
            would_exist=params["would_exist"],
        )

    @property
    def open_challenges(self) -> list[Challenge]:
        """The challenges that have to be answered."""
        return [challenge for challenge in self.challenges if challenge.status == "pending"]

    def subjects(self) -> dict[str, str]:
        """Check the options that an open challenge needs, before the first mail is read.

        :returns: the subject that a person gave for each address; empty where none was given.
        :raises InputError, StoreError: naming the option.
        """
        addresses = [challenge.address for challenge in self.open_challenges]
        self.answered_mail.handling()
        self.sent_copy.check(self.mail.access)
        subjects = self.manual.subjects_of(addresses)
        if not self.mail.by_hand:
            for address in addresses:
                self.answered_mail.check(mailbox_of(self.mail, address).reader)
        return subjects
