"""How long a check took is what the monotonic clock says, however it ended."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tasks.mail.model.errors import MailboxFailure, SendFailure
from tasks.mail.model.facts import Arrival, Receipt
from tasks.mail.model.moment import Tried
from tasks.mail.model.outcome import ErrorType, Outcome
from tasks.mail.model.result import AttemptRecord
from tests.support.checks.facts import BOUNCE, arrival, concluded, hit, loop, moment, sent

ERROR = AttemptRecord(1, ErrorType.RECIPIENT, 550, "550 5.1.1 no such user", "rcpt")
TRIED = Tried(4, moment(1.5), moment(31.0), moment(31.25))
REFUSED = SendFailure(ErrorType.RECIPIENT, "rcpt", "550 5.1.1 no such user", 550)


def shut() -> MailboxFailure:
    failure = MailboxFailure(ErrorType.CONNECTION, "connect", "connection refused")
    failure.tried = TRIED
    return failure


@pytest.mark.parametrize(
    ("outcome", "found", "seconds"),
    [
        (Outcome.UNVERIFIED, shut(), 31.25),
        (Outcome.LOST, replace(arrival(seen=31.0), tried=TRIED), 31.25),
        (Outcome.DELIVERED, replace(arrival(hit(), seen=31.125), tried=TRIED), 31.125),
        (Outcome.BOUNCED, replace(arrival(seen=31.125, bounce=BOUNCE), tried=TRIED), 31.125),
    ],
)
def test_a_check_lasts_to_the_detection_or_else_to_its_end(
    outcome: Outcome, found: Arrival | MailboxFailure, seconds: float
) -> None:
    result = concluded(found)
    assert (result.outcome, result.total_seconds) == (outcome, seconds)
    assert (result.imap_tries, result.imap_times) == (4, ((1.5, 31.0), (31.0, seconds)))


def test_a_look_after_the_bounce_was_seen_is_behind_the_end_of_the_check() -> None:
    result = concluded(replace(arrival(seen=2.5, bounce=BOUNCE), tried=TRIED))
    assert (result.total_seconds, result.imap_times) == (2.5, ((1.5, 2.5), (2.5, 2.5)))


def test_a_mailbox_that_was_opened_once_has_the_times_of_one_try() -> None:
    result = concluded(replace(arrival(), tried=replace(TRIED, count=1, last=TRIED.first)))
    assert (result.imap_tries, result.imap_times) == (1, ((1.5, 31.25),))


@pytest.mark.parametrize(("found", "seconds"), [(None, 0.5), (replace(arrival(), tried=TRIED), 31.25), (shut(), 31.25)])
def test_a_refused_message_took_its_attempts_and_the_look_for_it(
    found: Arrival | MailboxFailure | None, seconds: float
) -> None:
    result = concluded(found, REFUSED, errors=[ERROR])
    assert (result.outcome, result.total_seconds) == (Outcome.REJECTED, seconds)


def test_without_a_mailbox_a_check_ends_with_the_acceptance() -> None:
    receipt: Receipt = sent(accepted=1.75)
    assert concluded(None, receipt, loop(with_imap=False)).total_seconds == 1.75
