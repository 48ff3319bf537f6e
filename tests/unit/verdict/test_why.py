"""The cause of what no server says, and of what comes back: from facts alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tasks.mail.model.cause import Cause
from tasks.mail.model.errors import MailboxFailure, SendFailure
from tasks.mail.model.facts import Quota
from tasks.mail.model.outcome import ErrorType, Outcome, Status
from tasks.mail.model.result import AttemptRecord, BounceRecord
from tasks.mail.verdict.judge import judge
from tasks.mail.verdict.notes import refusal_notes
from tests.support.checks.facts import arrival, loop, sent
from tests.support.mail.notices import bounced

SILENT = SendFailure(ErrorType.TIMEOUT, "connect", "no answer within 30 s", cause=Cause.NO_ANSWER)


@pytest.mark.parametrize(
    ("smtp", "cause", "told"),
    [
        ({"port": 465, "tls": "starttls"}, Cause.TLS_MODE, "set smtp.tls to implicit"),
        ({"port": 993, "tls": "implicit"}, Cause.TLS_MODE, "smtp.port 993 is one of IMAP"),
        ({"port": 587, "tls": "starttls"}, Cause.NO_ANSWER, "its port filtered"),
    ],
)
def test_silence_on_a_port_that_does_not_fit_names_the_field(smtp: dict[str, object], cause: Cause, told: str) -> None:
    config = loop()
    config = config.model_copy(update={"smtp": config.smtp.model_copy(update=smtp)})
    verdict = judge(config, SILENT, None)
    assert (verdict.outcome, verdict.cause) == (Outcome.UNSENT, cause)
    assert verdict.failure is not None
    assert verdict.failure.error_type is ErrorType.TIMEOUT
    assert told in verdict.sentence


def test_silence_of_a_mailbox_on_such_a_port_names_its_field() -> None:
    failure = MailboxFailure(ErrorType.TIMEOUT, "connect", "no greeting within 30 s", cause=Cause.NO_ANSWER)
    verdict = judge(loop({"port": 993, "tls": "starttls"}), sent(), failure)
    assert (verdict.outcome, verdict.cause) == (Outcome.UNVERIFIED, Cause.TLS_MODE)
    assert "set imap.tls to implicit" in verdict.sentence


def bounce(diagnostic: str, status: str = "5.0.0", action: str = "failed") -> BounceRecord:
    return bounced(status, diagnostic, "b@example.net", "relay.example.org", "mx.example.net", action)


@pytest.mark.parametrize(
    ("notice", "cause"),
    [
        (bounce("550 5.1.1 user unknown"), Cause.RECIPIENT_UNKNOWN),
        (bounce("smtp; 552 5.2.2 mailbox full"), Cause.MAILBOX_FULL),
        (bounce("", "5.1.1"), Cause.RECIPIENT_UNKNOWN),
        (bounce("550 no", "5.2.2"), Cause.MAILBOX_FULL),
        (bounce("", "4.4.7"), Cause.EXPIRED),
        (bounce("delivery time expired", "5.0.0"), Cause.EXPIRED),
        (bounce("554 5.4.6 too many hops", "5.4.6"), Cause.MAIL_LOOP),
        (bounce("", "4.4.1"), Cause.UNREACHABLE),
        (bounce("Host or domain name not found", "5.4.4"), Cause.RECIPIENT_DOMAIN),
        (bounce("550 spam message rejected"), Cause.CONTENT_REFUSED),
        (bounce("550 no"), None),
        (bounce(""), None),
    ],
)
def test_a_bounce_has_the_cause_of_its_reason_else_of_its_status(notice: BounceRecord, cause: Cause | None) -> None:
    verdict = judge(loop(), sent(), arrival(bounce=notice))
    assert (verdict.outcome, verdict.cause) == (Outcome.BOUNCED, cause)
    assert verdict.who_acts


def test_lost_has_the_cause_of_the_last_delay_or_of_the_quota_and_else_none() -> None:
    assert judge(loop(), sent(), arrival()).cause is None
    delayed = replace(arrival(), delay=bounce("451 4.7.1 Greylisted", "4.7.1", "delayed"))
    assert judge(loop(), sent(), delayed).cause is Cause.GREYLISTED
    full = replace(arrival(), quotas=(Quota("STORAGE", 100, 100),))
    assert judge(loop(), sent(), full).cause is Cause.MAILBOX_FULL


def test_a_refusal_that_was_overcome_is_told_in_a_note_with_its_remedy_and_is_no_cause() -> None:
    errors = [AttemptRecord(1, ErrorType.TEMPORARY, 450, "450 4.2.1 receiving mail too quickly", "rcpt")]
    assert judge(loop(), sent(), None, errors).cause is None
    (note,) = refusal_notes(loop(), sent(), errors)
    assert "check more rarely, or have the limit raised" in note


def test_an_error_without_a_cause_accuses_nobody_in_particular() -> None:
    verdict = judge(loop(), SendFailure(ErrorType.SMTP, "data", "554 no", 554), None)
    assert (verdict.status, verdict.outcome, verdict.cause) == (Status.ERROR, Outcome.REJECTED, None)
    assert verdict.who_acts == "whoever runs relay.example.org"
