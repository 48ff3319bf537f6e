"""What is told of a probe of an earlier run: by its own header, and by clocks that may be off."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.mail.config.loop import SmtpConfig
from tasks.mail.model.header import Header, Ref
from tasks.mail.model.outcome import Reported
from tasks.mail.model.result import EarlierProbe
from tasks.mail.probe.compose import compose
from tasks.mail.search.cleanup.ledger import (
    CHECK_MARGIN,
    MAX_EARLIER_LINES,
    Terms,
    earlier_line,
    earlier_lines,
    earlier_probe,
    sender_is_done,
    sent_at,
)

SMTP = SmtpConfig(host="mx.test", from_addr="a@example.org", to_addr="b@example.org", subject_prefix="[loop]")
SENT = datetime(2026, 11, 23, 14, 15, tzinfo=UTC)
RUN = "0198f3a2-5c1e-7d4f-9a3b-2f1c0d9e8b7a"
KEY = b"k" * 32
PROBE = compose("office", SMTP, SENT, RUN, KEY)
HEAD = PROBE.content.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
DATE = b"Date: Mon, 23 Nov 2026 14:15:00 +0000"
WAIT = timedelta(minutes=5)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
TERMS = Terms(now=SENT + HOUR, ours=SENT + HOUR, lost_after=WAIT, key=KEY)


def row(arrived: datetime = SENT + 37 * MINUTE, **changes: str | None) -> Header:
    """The probe in a mailbox, some of its fields changed or taken away."""
    head = HEAD
    for name, value in changes.items():
        field = name.replace("_", "-").encode()
        kept = [text for text in head.rstrip().split(b"\r\n") if not text.lower().startswith(field.lower() + b":")]
        head = b"\r\n".join([*kept, *([field + b": " + value.encode()] if value is not None else [])]) + b"\r\n\r\n"
    return Header(Ref("INBOX", 3, 7), arrived, head)


def told(arrived: datetime = SENT + 37 * MINUTE, terms: Terms = TERMS, **changes: str | None) -> EarlierProbe:
    return earlier_probe(row(arrived, **changes), terms)


def test_a_probe_says_who_sent_it_and_when() -> None:
    assert told() == EarlierProbe(
        probe_id=PROBE.id,
        token=PROBE.token,
        flow_run_id=RUN,
        sent_at=SENT,
        arrived_at=SENT + 37 * MINUTE,
        delivery_seconds=37 * 60 + 1.0,  # INTERNALDATE is cut off to the second
        reported=Reported.LOST,
        folder="INBOX",
        uidvalidity=3,
        uid=7,
    )


@pytest.mark.parametrize(
    ("delay", "reported"),
    [
        (timedelta(), "uncollected"),
        (WAIT, "uncollected"),
        (WAIT + SECOND, "lost"),
        (30 * 24 * HOUR, "lost"),
    ],
)
def test_what_came_later_than_its_check_waits_was_reported_lost(delay: timedelta, reported: str) -> None:
    terms = replace(TERMS, ours=SENT + 40 * 24 * HOUR)
    assert told(SENT + delay, terms).reported == reported


@pytest.mark.parametrize(
    ("arrived", "ahead", "seconds"),
    [
        (SENT - 2 * SECOND, timedelta(), 0.0),  # two clocks are never quite the same
        (SENT - 3 * SECOND, timedelta(), None),  # before it was sent
        (SENT + 2 * HOUR, timedelta(), None),  # not yet
        (SENT + 32 * 24 * HOUR, timedelta(), None),
        (SENT + 37 * MINUTE - HOUR, -HOUR, 37 * 60 + 1.0),  # by a clock that is known to be slow
        (SENT + 37 * MINUTE + HOUR, HOUR, 37 * 60 + 1.0),
    ],
)
def test_a_delay_is_told_only_where_the_clocks_agree(
    arrived: datetime, ahead: timedelta, seconds: float | None
) -> None:
    probe = told(arrived, replace(TERMS, ahead=ahead))
    assert (probe.delivery_seconds, probe.arrived_at) == (seconds, arrived)
    assert (probe.reported is Reported.LOST) is (seconds is not None and seconds > WAIT.total_seconds())


@pytest.mark.parametrize("date", [None, "", "yesterday", "Mon, 99 Foo 2026 25:61:00 +9999", "x" * 5000])
def test_without_a_date_nothing_is_said_of_the_delay(date: str | None) -> None:
    probe = told(Date=date)
    assert (probe.sent_at, probe.delivery_seconds, probe.reported) == (None, None, Reported.UNCOLLECTED)


@pytest.mark.parametrize(
    "date", ["Thu, 1 Jan 1970 00:00:00 +0000", "Sat, 1 Jan 0001 00:00:00 +1400", "Fri, 31 Dec 9999 23:59:59 -1200"]
)
def test_a_forged_date_is_not_taken_for_a_delay(date: str) -> None:
    assert told(Date=date).delivery_seconds is None


def test_a_second_date_makes_none_of_them_believable() -> None:
    head = HEAD.replace(DATE, DATE + b"\r\n" + DATE)
    assert head != HEAD
    assert sent_at(Header(Ref("INBOX", 3, 7), SENT, head)) is None


@pytest.mark.parametrize("run", [None, "", "not an id", "prefect.flow-run.*", RUN + "\r\nX-Mail-Loop-Run: " + RUN])
def test_only_what_can_be_a_flow_run_is_taken_for_one(run: str | None) -> None:
    assert told(X_Mail_Loop_Run=run).flow_run_id is None


@pytest.mark.parametrize(
    ("now", "done"),
    [
        (SENT, False),
        (SENT + WAIT + CHECK_MARGIN, False),
        (SENT + WAIT + CHECK_MARGIN + SECOND, True),
        (SENT - HOUR, False),  # sent in the future, arrived even later
    ],
)
def test_a_check_is_over_when_its_time_and_a_margin_are(now: datetime, done: bool) -> None:
    assert sender_is_done(row(), replace(TERMS, now=now)) is done


def test_a_date_in_the_future_keeps_no_probe_from_being_told() -> None:
    """The clock of the machine that sent it was wrong: then INTERNALDATE decides."""
    future = row(SENT, Date="Tue, 23 Nov 2027 14:15:00 +0000")
    assert sender_is_done(future, TERMS)
    assert not sender_is_done(future, replace(TERMS, now=SENT + WAIT))


@pytest.mark.parametrize(
    ("probe", "sentence"),
    [
        (told(), "The probe of 2026-11-23 14:15 UTC ({}) reported lost arrived in INBOX after 37 min."),
        (
            told(SENT + 2 * SECOND),
            "The probe of 2026-11-23 14:15 UTC ({}) that its check did not collect arrived in INBOX after 3 s.",
        ),
        (
            told(SENT - HOUR),
            "The probe of 2026-11-23 14:15 UTC ({}) that its check did not collect arrived in INBOX "
            "at 2026-11-23 13:15 by the mail server's clock; how long it took is not certain.",
        ),
        (
            told(X_Mail_Loop_Signature=None),
            "A probe of this loop without our signature ({}) arrived in INBOX at 2026-11-23 14:52 UTC: "
            "an older version or another installation sent it, or it is forged; it counts for nothing.",
        ),
    ],
)
def test_a_line_tells_it_in_words(probe: EarlierProbe, sentence: str) -> None:
    assert earlier_line(probe) == sentence.format(PROBE.token)


def test_many_are_told_in_few_lines() -> None:
    assert len(list(earlier_lines([told()] * MAX_EARLIER_LINES))) == MAX_EARLIER_LINES
    assert [*earlier_lines([told()] * (MAX_EARLIER_LINES + 7))][
        -1
    ] == "So did 7 more earlier probes: see earlier_probes."
    assert list(earlier_lines([])) == []


TIMES = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))
VALUES = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=80)


@given(
    arrived=TIMES,
    now=TIMES,
    ours=TIMES,
    ahead=st.timedeltas(-400 * 24 * HOUR, 400 * 24 * HOUR),
    date=VALUES,
    run=VALUES,
)
def test_whatever_the_header_and_the_clocks_say_is_told_within_bounds(
    arrived: datetime, now: datetime, ours: datetime, ahead: timedelta, date: str, run: str
) -> None:
    terms = Terms(now, ours, WAIT, ahead)
    for probe in (told(arrived, terms, Date=date, X_Mail_Loop_Run=run), told(arrived, terms)):
        assert probe.delivery_seconds is None or 0 <= probe.delivery_seconds <= 32 * 24 * 3600
        assert (probe.reported is Reported.LOST) <= (probe.delivery_seconds is not None)
        assert earlier_line(probe).isprintable()
        assert EarlierProbe.model_validate_json(probe.model_dump_json()) == probe
    assert sender_is_done(row(arrived, Date=date), terms) in (True, False)


@given(delay=st.integers(0, 30 * 24 * 3600), skew=st.integers(-(10**6), 10**6))
def test_a_clock_that_is_known_to_be_off_changes_no_delay(delay: int, skew: int) -> None:
    now, ahead = SENT + 31 * 24 * HOUR, timedelta(seconds=skew)
    probe = told(SENT + timedelta(seconds=delay) + ahead, Terms(now, now, WAIT, ahead))
    assert probe.delivery_seconds == delay + 1.0
