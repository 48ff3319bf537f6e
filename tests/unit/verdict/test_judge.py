"""Every outcome of the design's table, from facts alone."""

from __future__ import annotations

import pytest

from tasks.mail.model.errors import MailboxFailure, SendFailure
from tasks.mail.model.facts import Arrival, Receipt
from tasks.mail.model.moment import Moment
from tasks.mail.model.outcome import ErrorType, Leg, Outcome, Placement, Status
from tasks.mail.model.result import AttemptRecord
from tasks.mail.search.clocks import clock_skew, clock_step, delivery_seconds
from tasks.mail.verdict.judge import judge
from tasks.mail.verdict.observe import Failure
from tests.support.checks.facts import (
    BOUNCE,
    DOUBT,
    JUNK,
    LOST,
    OTHER,
    REFUSED,
    Change,
    arrival,
    hit,
    loop,
    moment,
    sent,
)

FOUND = [
    pytest.param({}, {}, arrival(hit()), Status.OK, Outcome.DELIVERED, None, id="delivered"),
    pytest.param({}, {"warn_after": 60.0}, arrival(hit(at=100), seen=100), "warning", "late", None, id="late"),
    pytest.param({}, {"warn_after": 60.0}, arrival(hit(at=60), seen=60), "ok", "delivered", None, id="not yet late"),
    pytest.param({}, {}, arrival(JUNK), "warning", "junked", None, id="junked"),
    pytest.param({"junked_severity": "critical"}, {}, arrival(JUNK), "error", "junked", None, id="junked, critical"),
    pytest.param({}, {}, arrival(OTHER), "warning", "misplaced", None, id="misplaced"),
    pytest.param({"misplaced_severity": "critical"}, {}, arrival(OTHER), "error", "misplaced", None, id="critical"),
    pytest.param({}, {}, arrival(hit(), hit(uid=8)), "warning", "duplicated", None, id="duplicated"),
    pytest.param({}, {}, arrival(hit(), JUNK), "warning", "duplicated", None, id="one of two copies in junk"),
    pytest.param({}, {}, arrival(), "error", "lost", "no_recent_message", id="lost"),
    pytest.param(
        {"no_recent_message_severity": "warning"}, {}, arrival(), "warning", "lost", "no_recent_message", id="mild"
    ),
    pytest.param({}, {}, arrival(bounce=BOUNCE), "error", "bounced", "bounced", id="bounced"),
    pytest.param({}, {}, arrival(hit(), bounce=BOUNCE), "ok", "delivered", None, id="arrival beats bounce"),
    pytest.param({}, {}, LOST, "error", "unverified", "connection_error", id="mailbox unreachable"),
    pytest.param({}, {}, REFUSED, "error", "unverified", "auth_error", id="mailbox refuses the login"),
]


@pytest.mark.parametrize(("imap", "limits", "found", "status", "outcome", "error_type"), FOUND)
def test_an_accepted_message_is_judged_by_what_the_mailbox_showed(
    imap: Change, limits: Change, found: Arrival | MailboxFailure, status: str, outcome: str, error_type: str | None
) -> None:
    verdict = judge(loop(imap, limits), sent(), found)
    assert (verdict.status, verdict.outcome) == (status, outcome)
    assert (verdict.failure.error_type if verdict.failure else None) == error_type
    assert verdict.sentence.endswith(".")


NOT_SENT = [
    (ErrorType.TEMPORARY, "rcpt", 450, Outcome.DEFERRED),
    (ErrorType.RECIPIENT, "rcpt", 550, Outcome.REJECTED),
    (ErrorType.SMTP, "data", 554, Outcome.REJECTED),
    (ErrorType.AUTH, "auth", 535, Outcome.REJECTED),
    (ErrorType.AUTH, "auth", 454, Outcome.DEFERRED),
    (ErrorType.SMTP, "connect", None, Outcome.UNSENT),
    (ErrorType.CONNECTION, "connect", None, Outcome.UNSENT),
    (ErrorType.TLS, "tls", None, Outcome.UNSENT),
    (ErrorType.TIMEOUT, "ehlo", None, Outcome.UNSENT),
    (ErrorType.UNEXPECTED, "mail", None, Outcome.UNSENT),
]


@pytest.mark.parametrize(("error_type", "stage", "code", "outcome"), NOT_SENT)
def test_a_message_that_was_not_accepted_is_judged_by_the_relays_answer(
    error_type: ErrorType, stage: str, code: int | None, outcome: Outcome
) -> None:
    verdict = judge(loop(), SendFailure(error_type, stage, "said so", code), None)
    assert (verdict.status, verdict.outcome) == (Status.ERROR, outcome)
    assert verdict.failure == Failure(Leg.SENDING, stage, error_type, "said so")
    assert "relay.example.org:587" in verdict.sentence


def test_without_a_mailbox_the_acceptance_decides_and_is_not_called_an_arrival() -> None:
    verdict = judge(loop(with_imap=False), sent(), None)
    assert (verdict.status, verdict.outcome) == (Status.OK, Outcome.DELIVERED)
    assert "whether it arrives was not looked at" in verdict.sentence


DOUBTFUL = [
    pytest.param(True, arrival(hit()), Status.OK, Outcome.DELIVERED, id="settled by arrival"),
    pytest.param(True, arrival(), Status.ERROR, Outcome.UNSENT, id="did not arrive, so was not accepted"),
    pytest.param(True, LOST, Status.ERROR, Outcome.UNVERIFIED, id="nobody can tell"),
    pytest.param(True, arrival(bounce=BOUNCE), Status.ERROR, Outcome.BOUNCED, id="accepted after all, and bounced"),
    pytest.param(False, None, Status.ERROR, Outcome.UNSENT, id="no mailbox to look into"),
]


@pytest.mark.parametrize(("with_imap", "found", "status", "outcome"), DOUBTFUL)
def test_a_doubt_after_the_final_dot_is_settled_by_the_mailbox(
    with_imap: bool, found: Arrival | MailboxFailure | None, status: Status, outcome: Outcome
) -> None:
    verdict = judge(loop(with_imap=with_imap), sent(DOUBT), found)
    assert (verdict.status, verdict.outcome) == (status, outcome)
    if outcome is not Outcome.BOUNCED:
        assert "no answer within 30 s" in verdict.sentence


def test_deferred_says_how_often_it_was_tried() -> None:
    errors = [AttemptRecord(n, ErrorType.TEMPORARY, 450, "450 later", "rcpt") for n in (1, 2, 3)]
    verdict = judge(loop(), SendFailure(ErrorType.TEMPORARY, "rcpt", "450 later", 450), None, errors)
    assert "on all 3 attempts" in verdict.sentence


def test_a_lost_message_can_be_followed_by_its_queue_id() -> None:
    sentence = judge(loop(), sent(), arrival()).sentence
    assert "not found in the mailbox of b at imap.example.net within 300 s, and no bounce came" in sentence
    assert sentence.endswith("the mailbox discarded it: follow 4XyZ12 in the log of relay.example.org.")


TIMES = [
    pytest.param(2.0, 2.5, 1.5, id="seen at once: detection bounds it"),
    pytest.param(2.0, 60.0, 2.0, id="seen late: the server's second, taken to its end, bounds it"),
    pytest.param(0.0, 1.2, 0.0, id="never negative"),
    pytest.param(700.0, 2.5, 1.5, id="a server clock that is fast is not believed"),
    pytest.param(-600.0, 2.5, 1.5, id="a server clock that is slow is not believed"),
]


@pytest.mark.parametrize(("arrived", "seen", "expected"), TIMES)
def test_delivery_takes_what_the_clocks_can_prove(arrived: float, seen: float, expected: float) -> None:
    assert delivery_seconds(sent(), arrival(hit(at=arrived), seen=seen)) == pytest.approx(expected)


def test_clock_skew_is_recognised_in_both_directions_and_not_within_the_grain() -> None:
    assert clock_skew(sent(), arrival(hit(at=602), seen=2)) == pytest.approx(600)
    assert clock_skew(sent(), arrival(hit(at=-600), seen=2)) == pytest.approx(-600)
    assert clock_skew(sent(), arrival(hit(at=-1), seen=2)) == 0.0
    assert clock_skew(sent(), arrival()) == 0.0


@pytest.mark.parametrize("step", [3600.0, -3600.0])
def test_a_clock_of_ours_that_is_set_is_recognised_and_moves_no_time(step: float) -> None:
    """Once between the start and the acceptance, once between the acceptance and the arrival."""
    set_early = Receipt("f" * 32, "ffffff", moment(0), Moment(moment(1 + step).utc, moment(1).monotonic))
    seen = Arrival((hit(at=2),), None, Moment(moment(4.5 + step).utc, moment(4.5).monotonic))
    for receipt in (set_early, sent()):
        assert clock_step(receipt, seen) == pytest.approx(step)
        assert delivery_seconds(receipt, seen) == pytest.approx(2.0)
    assert clock_step(sent(), arrival(hit(at=2))) == clock_step(sent(), arrival(seen=9)) == 0.0


def test_the_first_copy_in_the_expected_folder_says_where_and_when() -> None:
    found = arrival(hit(Placement.JUNK, at=1, folder="Junk"), hit(at=3, uid=9), hit(at=2, uid=8), seen=4)
    assert "in INBOX" not in judge(loop(), sent(), arrival(JUNK)).sentence
    assert "arrived 3 times (INBOX, Junk)" in judge(loop(), sent(), found).sentence
