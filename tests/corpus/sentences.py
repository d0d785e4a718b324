# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a challenge must be, sentence by sentence: RFC 8823, section 3.1, and the rules 6 to 14 of this collection.

A case names the sentences that it shows. Where one mail cannot show a sentence (it takes several, or the state of a
store), the tests that do stand here.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

LAB = "tests/integration/lab"
MAIL = "tests/unit/plugins/module_utils/_mail"
STORE = "tests/unit/plugins/module_utils/_store"
TASKS = "tests/unit/plugins/module_utils/_tasks"


@dataclass(frozen=True)
class Sentence:
    """One sentence.

    :ivar tests: next to the cases, ``file::function`` below the root of the repository.
    """

    id: str
    text: str
    tests: tuple[str, ...] = ()


SENTENCES: t.Mapping[str, t.Sequence[Sentence]] = {
    "RFC 8823": (
        Sentence(
            "RFC 8823 3 (5) s2",
            "The client ignores a challenge that it does not expect.",
            (
                f"{LAB}/test_forged.py::test_mail_of_an_order_that_was_given_up_is_not_answered",
                f"{LAB}/test_second_run.py::test_run_with_nothing_to_do_changes_nothing_and_talks_to_no_server",
            ),
        ),
        Sentence("RFC 8823 3 (5) s3", "It also ignores one whose Subject says that it is a reply, such as `Re:`."),
        Sentence(
            "RFC 8823 3.1 (1) s1",
            "The Subject is `ACME:`, folding white space, and token-part1 in base64url, at least 128 bits.",
        ),
        Sentence("RFC 8823 3.1 (1) s2", "The Subject can be folded, and white space within the token is ignored."),
        Sentence("RFC 8823 3.1 (1) s3", "Encoded Subjects are supported, in UTF-8 and US-ASCII only."),
        Sentence("RFC 8823 3.1 (1) s4", "US-ASCII should be used."),
        Sentence("RFC 8823 3.1 (2) s1", "From is the address in `from` of the challenge object."),
        Sentence("RFC 8823 3.1 (3) s1", "To is the address that asked for the certificate."),
        Sentence("RFC 8823 3.1 (4) s1", "There may be Reply-To and Cc."),
        Sentence("RFC 8823 3.1 (5) s1", "Auto-Submitted is there and says `auto-generated`."),
        Sentence("RFC 8823 3.1 (5) s2", "It should have the parameter `type=acme`."),
        Sentence("RFC 8823 3.1 (5) s3", "It may have other parameters."),
        Sentence("RFC 8823 3.1 (6) s1", "The mail is signed by DKIM or S/MIME."),
        Sentence(
            "RFC 8823 3.1 (6) s2",
            "`h=` has at least From, Sender, Reply-To, To, Cc, Subject, Date, In-Reply-To, References, Message-ID, "
            "Auto-Submitted, Content-Type and Content-Transfer-Encoding.",
        ),
        Sentence("RFC 8823 3.1 (6) s3", "`h=` should also have the Resent-\\* and List-\\* headers."),
        Sentence("RFC 8823 3.1 (6) s4", "`d=` is the domain of From."),
        Sentence("RFC 8823 3.1 (6) s5", "With S/MIME the signer's certificate has an rfc822Name equal to From."),
        Sentence("RFC 8823 3.1 (7) s1", "The body is not used, and can be of any media type."),
        Sentence("RFC 8823 3.1 (7) s2", "Typically it is text or HTML for a person."),
        Sentence("RFC 8823 3.1 (7) s3", "With S/MIME the mail is `multipart/signed` or `application/pkcs7-mime`."),
        Sentence("RFC 8823 3.1 (7) s4", "Either way it uses S/MIME header protection."),
        Sentence(
            "RFC 8823 3.1 (end) s1",
            "A mail that fails is ignored and gets no reply.",
            (f"{LAB}/test_forged.py::test_forged_challenge_gets_no_reply_and_the_genuine_one_is_answered",),
        ),
        Sentence(
            "RFC 8823 3.1 (end) s2",
            "The failure should be logged.",
            (f"{LAB}/test_forged.py::test_forgery_alone_is_never_answered_and_its_reason_is_told",),
        ),
    ),
    "rules": (
        Sentence(
            "rule 6 s1",
            "Matching is by the challenge's `from`, the recipient and a time window.",
            (
                f"{LAB}/test_matching.py::test_catch_all_mailbox_with_many_challenges_at_once",
                f"{MAIL}/imap/test_reader.py::test_mail_for_another_recipient_is_left_out_if_asked",
            ),
        ),
        Sentence(
            "rule 6 s2",
            "An order may be older than the run: time ranks candidates, and rejects only what is older than 24 hours.",
            (
                f"{TASKS}/challenge/test_find_mail.py::test_mail_from_before_the_order_is_another_order_s",
                f"{LAB}/test_matching.py::test_stranger_who_orders_for_our_address_does_not_get_our_answer",
            ),
        ),
        Sentence(
            "rule 6 s3",
            "Where `from` is not unique, one challenge for one CA and address is open at a time.",
            (
                f"{LAB}/test_matching.py::test_sign_and_encrypt_certificates_for_one_address_in_one_run",
                f"{LAB}/test_matching.py::test_address_in_the_certificates_of_two_mailboxes",
                f"{LAB}/test_matching.py::test_challenge_that_gave_up_is_ended_before_the_next_is_opened",
                f"{STORE}/state/test_challenge_turns.py::test_of_several_processes_exactly_one_gets_it",
            ),
        ),
        Sentence(
            "rule 6 s4",
            "Of several authentic candidates the newest unanswered is answered; one reply for one authorization.",
            (
                f"{LAB}/test_proofs.py::test_of_two_authentic_mails_the_newest_is_answered_once",
                f"{MAIL}/imap/test_reader.py::test_what_is_there_comes_newest_first",
                f"{STORE}/state/test_reply_ledger.py::test_one_mail_is_answered_for_one_authorization_only",
            ),
        ),
        Sentence(
            "rule 7 s1",
            "Every instance of each header of RFC 8823, 3.1 (6) is covered, as often in `h=` as in the mail.",
        ),
        Sentence(
            "rule 7 s2", "Subject, From, To, Date, Message-ID, Reply-To or Auto-Submitted more than once is refused."
        ),
        Sentence(
            "rule 7 s3",
            "Values are read from the covered instances.",
            (f"{MAIL}/authentication/test_dkim_verify.py::test_the_proof_tells_what_was_covered",),
        ),
        Sentence(
            "rule 7 s4",
            "Refused: rsa-sha1, RSA under 1024 bits, `l=`, keys with `t=y`, records whose `h=` lacks sha256, "
            "an `x=` in the past.",
        ),
        Sentence(
            "rule 7 s5",
            "Each signature whose `d=` is the domain of From is tried, five at most; no other domain is looked up.",
        ),
        Sentence(
            "rule 7 s6",
            "dkimpy alone takes a prepended second Subject, `l=` and the first signature as they come; "
            "this collection does not.",
            (f"{MAIL}/authentication/test_dkim_verify.py::test_a_part_of_the_body_is_refused",),
        ),
        Sentence(
            "rule 7 s7",
            "A preset loosens which headers must be present, never how what is present is proved.",
            (f"{LAB}/test_habits.py::test_header_that_the_ca_leaves_out_may_be_absent_only_by_option",),
        ),
        Sentence(
            "rule 8 s1",
            "S/MIME: signature, chain to given roots, emailProtection, rfc822Name = From, and the time are checked.",
        ),
        Sentence("rule 8 s2", "From, To, Subject, Reply-To and Message-ID are read only from protected headers."),
        Sentence(
            "rule 9 s1",
            "Only Authentication-Results of the configured authserv-id count, above the first Received "
            "that no trusted host wrote.",
        ),
        Sentence("rule 9 s2", "They say `dkim=pass` with `header.d` = the domain of From."),
        Sentence("rule 9 s3", "The rule of coverage holds for that signature, too."),
        Sentence("rule 9 s4", "SPF, DMARC and ARC never suffice."),
        Sentence("rule 10 s1", "Reply-To, Message-ID and Auto-Submitted count only as far as the proof covers them."),
        Sentence("rule 10 s2", "A Reply-To that is not covered is a refusal."),
        Sentence(
            "rule 10 s3", "Without authentication the reply goes to the challenge's `from`, as learned over HTTPS."
        ),
        Sentence(
            "rule 11 s1",
            "At most one reply; its states are on disk: `claimed` before sending, `sent`, `refused`.",
            (
                f"{STORE}/state/test_reply_ledger.py::test_a_claim_is_on_disk_before_it_returns",
                f"{STORE}/state/test_reply_ledger.py::test_of_many_processes_exactly_one_claims",
                f"{LAB}/test_reply_faults.py::test_lab_never_sees_two_replies_to_one_challenge",
            ),
        ),
        Sentence(
            "rule 11 s2",
            "Only what was refused with 4xx is sent again, the same bytes.",
            (
                f"{STORE}/state/test_reply_ledger.py::test_refused",
                f"{LAB}/test_reply_refused.py::test_what_was_put_off_keeps_its_order_and_its_bytes",
                f"{LAB}/test_reply_refused.py::test_what_was_denied_is_given_up_and_ordered_anew",
            ),
        ),
        Sentence(
            "rule 11 s3",
            "If no one knows whether a reply left, it is never sent again; the order is abandoned for a new one.",
            (
                f"{STORE}/state/test_reply_ledger.py::test_a_claim_after_a_restart_stays_unknown",
                f"{LAB}/test_reply_faults.py::test_reply_in_doubt_costs_its_order_and_is_never_sent_again",
                f"{LAB}/test_reply_kills.py::test_killed_at_every_moment_of_the_reply",
            ),
        ),
        Sentence(
            "rule 11 s4",
            "The result has the state of the reply.",
            (
                f"{LAB}/test_proofs.py::test_mail_that_is_signed_by_smime_is_answered",
                f"{LAB}/test_reply_refused.py::test_refusal_is_told_in_the_server_s_words",
            ),
        ),
        Sentence(
            "rule 12 s1",
            "No second POST of a challenge, unless the preset allows it. "
            "The lab counts it as a violation, and no test may end with one.",
            (
                f"{LAB}/test_presets.py::test_challenge_is_posted_a_second_time_only_where_the_preset_allows_it",
                f"{LAB}/test_interrupted.py::test_killed_run_is_gone_on_with",
                f"{TASKS}/challenge/test_ca_preset.py::test_the_standard_as_written_takes_no_liberty",
            ),
        ),
        Sentence(
            "rule 13 s1",
            "A forged mail that comes first does not end the wait.",
            (f"{LAB}/test_forged.py::test_forged_challenge_gets_no_reply_and_the_genuine_one_is_answered",),
        ),
        Sentence("rule 13 s2", "A changed body or Subject is refused under DKIM, whoever changed it."),
        Sentence("rule 13 s3", "Only the policy of a trusted gateway can accept it."),
        Sentence(
            "rule 14 s1",
            "Headers are read by PEEK, the size before the mail; an answered mail is marked, moved or deleted only by "
            "option, after its authorization is valid, never by a bare EXPUNGE.",
            (
                f"{LAB}/test_folders.py::test_answered_mail",
                f"{LAB}/test_folders.py::test_answered_mail_is_handled_only_after_the_authorization_is_valid",
                f"{MAIL}/imap/test_reader.py::test_nothing_is_ever_marked",
                f"{MAIL}/imap/test_reader.py::test_a_mail_that_is_too_large_is_not_fetched",
            ),
        ),
        Sentence(
            "rule 14 s2",
            "Login, folder and sender can differ for each address of a certificate.",
            (f"{LAB}/test_issue.py::test_each_address_has_its_own_login_and_folder",),
        ),
    ),
}
