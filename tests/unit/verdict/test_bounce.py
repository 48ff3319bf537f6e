"""What a result and its report say of a bounce or of the notice of a delay."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from tasks.mail.config.loop import LoopConfig, loop_config
from tasks.mail.model.errors import MailboxFailure
from tasks.mail.model.facts import Arrival, Hit, Receipt
from tasks.mail.model.header import Ref
from tasks.mail.model.moment import Moment
from tasks.mail.model.outcome import DELAYED, FAILED, Outcome, Placement, Status
from tasks.mail.model.result import BounceRecord, LoopResult
from tasks.mail.probe.compose import compose
from tasks.mail.report.report import markdown
from tasks.mail.senders.registry import Attempts
from tasks.mail.verdict.result import conclude
from tests.support.mail.notices import bounced

START = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
PASSWORD = "Kanari7enVogelTon9"
LOOP: dict[str, Any] = {
    "name": "office",
    "smtp": {
        "host": "relay.example.org",
        "username": "monitor",
        "password": PASSWORD,
        "from_addr": "a@example.org",
        "to_addr": "b@example.net",
        "subject_prefix": "[loop]",
    },
    "imap": {"host": "imap.example.net", "username": "b", "password": "another-password"},
}
BOUNCE = BounceRecord(
    action=FAILED,
    status="5.1.1",
    diagnostic="550 5.1.1 user unknown",
    recipient="b@example.net",
    reporting_mta="relay.example.org",
    remote_mta="mx.example.net",
    mailbox="b at imap.example.net",
    folder="INBOX",
    arrived_at=START + timedelta(seconds=3),
)
DELAY = replace(BOUNCE, action=DELAYED, status="4.7.1", diagnostic="451 4.7.1 Greylisted.")
HIT = Hit(Ref("INBOX", 1, 7), Placement.EXPECTED, START + timedelta(seconds=2), own=True)


def moment(seconds: float) -> Moment:
    return Moment(START + timedelta(seconds=seconds), 1000.0 + seconds)


def loop(**sections: Any) -> LoopConfig:
    return loop_config(LOOP | sections)


def concluded(found: Arrival | MailboxFailure | None, config: LoopConfig | None = None) -> LoopResult:
    config = config or loop()
    probe = compose("office", config.smtp)
    sent = Receipt(probe.id, probe.token, moment(0), moment(1), 250, "2.0.0 Ok", queue_id="4XyZ12")
    return conclude(config, probe, Attempts(), sent, found)


def arrival(*hits: Hit, bounce: BounceRecord | None = None, delay: BounceRecord | None = None) -> Arrival:
    return Arrival(hits, bounce, moment(4), delay=delay)


def test_a_bounce_is_on_record_as_the_notification_told_it() -> None:
    result = concluded(arrival(bounce=BOUNCE))
    assert (result.status, result.outcome) == (Status.ERROR, Outcome.BOUNCED)
    assert result.bounce == BounceRecord(
        action="failed",
        status="5.1.1",
        diagnostic="550 5.1.1 user unknown",
        recipient="b@example.net",
        reporting_mta="relay.example.org",
        remote_mta="mx.example.net",
        mailbox="b at imap.example.net",
        folder="INBOX",
        arrived_at=START + timedelta(seconds=3),
    )
    assert (result.folder, result.arrived_at, result.notes) == (None, None, ())


def test_a_report_shows_the_bounce_as_a_table() -> None:
    report = markdown(concluded(arrival(bounce=BOUNCE)), {})
    table = report.partition("### The bounce")[2].partition("###")[0]
    for cell in ("failed", "5.1.1", "550 5.1.1 user unknown", "b@example.net", "relay.example.org", "mx.example.net"):
        assert f"`{cell}`" in table
    assert "2026-11-22 12:00:03 UTC" in table
    assert "### The notice of a delay" in markdown(concluded(arrival(delay=DELAY)), {})
    assert "bounce" not in markdown(concluded(arrival(HIT)), {})


def test_a_lost_message_that_is_delayed_is_lost_with_the_place_where_it_waits() -> None:
    result = concluded(arrival(delay=DELAY))
    assert (result.outcome, result.bounce and result.bounce.action) == (Outcome.LOST, "delayed")
    waits = "relay.example.org says that it is still trying: mx.example.net: 451 4.7.1 Greylisted"
    assert f"within 300 s; {waits}; follow 4XyZ12 in the log" in result.sentence
    assert result.notes == (f"Delayed: {waits}.",)


def test_a_message_that_comes_after_the_notice_of_its_delay_has_arrived() -> None:
    result = concluded(arrival(HIT, delay=DELAY))
    assert (result.status, result.outcome, len(result.notes)) == (Status.OK, Outcome.DELIVERED, 1)
    assert result.bounce is not None
    assert result.bounce.remote_mta == "mx.example.net"


def test_a_notice_that_gives_no_reason_makes_a_sentence_all_the_same() -> None:
    told = "Delayed: the relay says that it is still trying."
    assert concluded(arrival(delay=bounced("", "", "", "", "", DELAYED))).notes == (told,)
    assert (
        "bounced at a mail server (no reason given)" in concluded(arrival(bounce=bounced("", "", "", "", ""))).sentence
    )


def test_a_bounce_after_a_delay_is_the_one_on_record() -> None:
    result = concluded(arrival(bounce=BOUNCE, delay=DELAY))
    assert (result.outcome, result.bounce and result.bounce.action) == (Outcome.BOUNCED, "failed")


def test_a_message_that_arrived_and_bounced_has_arrived_and_the_bounce_is_told() -> None:
    """One recipient of an alias has it, another has not."""
    result = concluded(arrival(HIT, bounce=BOUNCE))
    assert (result.status, result.outcome) == (Status.OK, Outcome.DELIVERED)
    assert result.notes == (
        "A bounce came as well (550 5.1.1 user unknown): the address may have more than one recipient.",
    )


def test_no_password_that_a_server_writes_into_a_notice_is_told() -> None:
    """The relay knows it; the diagnostic of its bounce is its own text."""
    for notice in (BOUNCE, DELAY):
        hostile = replace(notice, status=PASSWORD, diagnostic=f"550 {PASSWORD}", recipient=PASSWORD)
        hostile = replace(hostile, remote_mta=f"mx {PASSWORD}", reporting_mta=f"{PASSWORD} mx")
        for found in (arrival(bounce=hostile), arrival(delay=hostile), arrival(HIT, bounce=hostile)):
            result = concluded(found)
            assert PASSWORD not in result.model_dump_json() + markdown(result, {})
