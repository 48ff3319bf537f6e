"""From a result to its timeline: what the picture of a run says is what was measured."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

import pytest

from tasks.mail.config.loop import Limits
from tasks.mail.model.durations import duration
from tasks.mail.model.journey_record import HopRecord, JourneyRecord
from tasks.mail.model.outcome import ErrorType, Outcome, Status
from tasks.mail.model.result import AttemptRecord, LoopResult
from tasks.mail.report.svg.bars import Bar
from tasks.mail.report.svg.layout import Scale, tick, ticks
from tasks.mail.report.svg.text import alternative, text
from tasks.mail.report.svg.timeline import MAX_HOPS_DRAWN, Mark, Timeline, timeline_of

AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
LIMITS = Limits(warn_after=60, max_wait=300)
SMTP = {"dns": 0.001, "connect": 0.01, "ehlo": 0.002, "tls": 0.02, "rcpt": 0.007, "data": 0.06}
IMAP = {"dns": 0.001, "connect": 0.01, "tls": 0.02, "login": 0.03, "select": 0.5, "search": 7.0}


def result(**facts: object) -> LoopResult:
    """A delivered one, but for these facts."""
    known: dict[str, object] = {
        "loop": "office",
        "status": Status.OK,
        "outcome": Outcome.DELIVERED,
        "sentence": "",
        "attempts": 1,
        "accepted_at": AT,
        "detected_at": AT,
        "send_seconds": 0.1,
        "delivery_seconds": 0.2,
        "total_seconds": 0.4,
        "smtp_stages": SMTP,
        "imap_stages": IMAP,
    }
    return LoopResult.model_validate(known | facts)


def refused(attempt: int, stage: str = "rcpt") -> AttemptRecord:
    return AttemptRecord(
        attempt=attempt, error_type=ErrorType.TEMPORARY, smtp_code=450, error_msg="450 4.2.0 later", stage=stage
    )


def relayed(delays: dict[str, float]) -> JourneyRecord:
    """The journey over these servers, each with how long the message took to it."""
    return JourneyRecord(hops=tuple(HopRecord(by=name, delay_seconds=delay) for name, delay in delays.items()))


NOT_SENT: dict[str, object] = {
    "status": Status.ERROR,
    "accepted_at": None,
    "detected_at": None,
    "send_seconds": None,
    "delivery_seconds": None,
    "total_seconds": None,
    "imap_stages": {},
}


def lane(timeline: Timeline, name: str) -> list[tuple[str, float, float, str]]:
    return [(bar.label, round(bar.start, 4), round(bar.end, 4), bar.kind) for bar in timeline.bars if bar.lane == name]


def marks(timeline: Timeline) -> list[tuple[float, str, str]]:
    return [(round(mark.at, 4), mark.label, mark.kind) for mark in timeline.marks]


def test_the_stages_of_the_smtp_leg_follow_one_another_and_end_with_the_acceptance() -> None:
    timeline = timeline_of(result(send_seconds=0.11), LIMITS)
    bars = lane(timeline, "smtp")
    assert [label for label, *_ in bars] == list(SMTP)
    assert bars[0][1] == 0.01
    assert all(left[2] == right[1] for left, right in pairwise(bars))
    assert bars[-1][2] == 0.11
    assert (0.11, "accepted", "moment") in marks(timeline)


def test_the_imap_leg_opens_the_mailbox_then_waits_until_the_arrival_then_finds_the_message() -> None:
    """What is a sum over many looks has no place of its own."""
    timeline = timeline_of(result(), LIMITS)
    assert lane(timeline, "imap") == [
        ("dns", 0.1, 0.101, "step"),
        ("connect", 0.101, 0.111, "step"),
        ("tls", 0.111, 0.131, "step"),
        ("login", 0.131, 0.161, "step"),
        ("waiting", 0.161, 0.3, "waiting"),
        ("detection", 0.3, 0.4, "step"),
    ]
    assert marks(timeline) == [
        (0.1, "accepted", "moment"),
        (0.3, "arrived", "moment"),
        (0.4, "detected", "moment"),
        (60.1, "late after 1 min", "limit"),
        (300.1, "lost after 5 min", "limit"),
    ]
    assert timeline.total == 0.4


def test_a_message_that_is_there_before_the_mailbox_is_open_was_not_waited_for() -> None:
    bars = lane(timeline_of(result(delivery_seconds=0.01), LIMITS), "imap")
    assert [label for label, *_ in bars] == ["dns", "connect", "tls", "login", "detection"]
    assert bars[-1][1:3] == (0.161, 0.4)


def test_an_arrival_and_its_detection_in_the_same_moment_are_one_mark() -> None:
    timeline = timeline_of(result(delivery_seconds=0.2995), LIMITS)
    assert (0.4, "arrived, detected", "moment") in marks(timeline)


def test_earlier_attempts_whose_times_are_not_known_are_one_bar_with_their_pauses() -> None:
    timeline = timeline_of(
        result(attempts=3, attempt_errors=(refused(1), refused(2)), send_seconds=10.1, total_seconds=10.5), LIMITS
    )
    first, *stages = lane(timeline, "smtp")
    assert first == ("attempts 1 to 2 and pauses (450)", 0.0, 10.0, "waiting")
    assert stages[0][:2] == ("attempt 3: dns", 10.0)
    assert timeline.headline == "10.5 s in all; longest: attempts 1 to 2 and pauses (450) 10 s"


def test_attempts_whose_times_are_known_stand_where_they_were_with_the_pauses_between_them() -> None:
    timeline = timeline_of(
        result(
            attempts=2,
            attempt_errors=(refused(1),),
            attempt_times=((0.0, 0.08), (5.08, 5.2)),
            send_seconds=5.2,
            total_seconds=5.6,
        ),
        LIMITS,
    )
    assert lane(timeline, "smtp")[:3] == [
        ("attempt 1", 0.0, 0.08, "failed"),
        ("pause", 0.08, 5.08, "waiting"),
        ("attempt 2: dns", 5.1, 5.101, "step"),
    ]
    assert timeline.bars[0].text == "450 at rcpt after 80 ms"
    assert timeline.headline == "5.6 s in all; longest: pause 5 s"


def test_a_failure_ends_the_picture_where_it_happened() -> None:
    error = AttemptRecord(attempt=1, error_type=ErrorType.TLS, smtp_code=None, error_msg="no", stage="tls")
    stages = {"dns": 0.001, "connect": 0.01, "tls": 0.02}
    timeline = timeline_of(
        result(**NOT_SENT | {"outcome": Outcome.UNSENT, "attempt_errors": (error,), "smtp_stages": stages}), LIMITS
    )
    assert lane(timeline, "smtp")[-1] == ("tls", 0.011, 0.031, "failed")
    assert {bar.lane for bar in timeline.bars} == {"smtp"}
    assert timeline.marks == ()
    assert timeline.headline == "31 ms in all; failed: SMTP tls, tls_error after 20 ms"


def test_a_stage_that_was_entered_twice_and_failed_comes_last() -> None:
    """With implicit TLS the greeting is waited for after the handshake, in the stage that began before it."""
    error = AttemptRecord(attempt=1, error_type=ErrorType.TIMEOUT, smtp_code=None, error_msg="no", stage="connect")
    stages = {"dns": 0.001, "connect": 30.0, "tls": 0.02}
    timeline = timeline_of(
        result(**NOT_SENT | {"outcome": Outcome.UNSENT, "attempt_errors": (error,), "smtp_stages": stages}), LIMITS
    )
    assert [label for label, *_ in lane(timeline, "smtp")] == ["dns", "tls", "connect"]


def test_a_failure_before_the_first_stage_is_shown_too() -> None:
    error = AttemptRecord(attempt=1, error_type=ErrorType.TLS, smtp_code=None, error_msg="no ca_file", stage="tls")
    timeline = timeline_of(
        result(**NOT_SENT | {"outcome": Outcome.UNSENT, "attempt_errors": (error,), "smtp_stages": {}}), LIMITS
    )
    assert lane(timeline, "smtp") == [("tls", 0.0, 0.0, "failed")]


def test_of_a_deferred_message_without_times_of_attempts_the_last_one_is_shown_and_named() -> None:
    errors = tuple(refused(number) for number in (1, 2, 3))
    stages = {"dns": 0.001, "rcpt": 0.01}
    facts = NOT_SENT | {"outcome": Outcome.DEFERRED, "attempts": 3, "attempt_errors": errors, "smtp_stages": stages}
    timeline = timeline_of(result(**facts), LIMITS)
    assert timeline.title == "office: deferred, attempt 3 of 3"
    assert lane(timeline, "smtp") == [
        ("attempt 3: dns", 0.0, 0.001, "step"),
        ("rcpt", 0.001, 0.011, "failed"),
    ]


LOST: dict[str, object] = {
    "status": Status.ERROR,
    "outcome": Outcome.LOST,
    "leg": "imap",
    "stage": "search",
    "error_type": ErrorType.NO_MESSAGE,
    "detected_at": None,
    "delivery_seconds": None,
    "total_seconds": 300.15,
    "imap_tries": 1,
    "imap_times": ((0.1, 300.15),),
}


def test_a_lost_message_was_waited_for_until_the_end_of_the_check() -> None:
    timeline = timeline_of(result(**LOST), LIMITS)
    assert lane(timeline, "imap")[-1] == ("waiting, not found", 0.161, 300.15, "waiting")
    assert [mark.label for mark in timeline.inside] == ["accepted", "late after 1 min", "lost after 5 min"]
    assert timeline.beyond == []
    assert timeline.headline == "5 min in all; longest: waiting, not found 5 min"


def test_a_bounce_is_a_moment_of_its_own() -> None:
    timeline = timeline_of(result(outcome=Outcome.BOUNCED, delivery_seconds=None, total_seconds=4.0), LIMITS)
    assert (4.0, "bounced", "moment") in marks(timeline)
    assert "arrived" not in alternative(timeline)


def test_a_mailbox_that_cannot_be_read_fails_in_its_stage() -> None:
    facts: dict[str, object] = {
        "outcome": Outcome.UNVERIFIED,
        "leg": "imap",
        "stage": "login",
        "error_type": ErrorType.AUTH,
        "imap_stages": {"dns": 0.001, "connect": 0.01, "login": 0.03},
        "detected_at": None,
        "delivery_seconds": None,
        "total_seconds": 0.141,
        "imap_tries": 1,
        "imap_times": ((0.1, 0.141),),
    }
    timeline = timeline_of(result(**facts), LIMITS)
    assert lane(timeline, "imap")[-1] == ("login", 0.111, 0.141, "failed")
    assert timeline.headline == "141 ms in all; failed: IMAP login, auth_error after 30 ms"


def test_a_mailbox_that_was_tried_again_and_again_took_all_that_time_pauses_included() -> None:
    facts: dict[str, object] = {
        "outcome": Outcome.UNVERIFIED,
        "stage": "connect",
        "error_type": ErrorType.CONNECTION,
        "imap_stages": {"dns": 0.001, "connect": 0.002},
        "total_seconds": 30.603,
        "imap_tries": 4,
        "imap_times": ((0.1, 30.6), (30.6, 30.603)),
    }
    timeline = timeline_of(result(**LOST | facts), Limits(max_wait=30))
    assert lane(timeline, "imap") == [
        ("tries 1 to 3 and pauses", 0.1, 30.6, "waiting"),
        ("dns", 30.6, 30.601, "step"),
        ("connect", 30.601, 30.603, "failed"),
    ]
    assert timeline.headline == "30.6 s in all; failed: IMAP connect, connection_error after 2 ms"


INBOUND: dict[str, object] = NOT_SENT | {
    "attempts": 0,
    "smtp_stages": {},
    "imap_stages": IMAP,
    "imap_tries": 3,
    "imap_times": ((0.0, 20.2), (20.2, 20.5)),
    "total_seconds": 20.5,
}


def test_an_inbound_check_that_finds_nothing_took_its_looks_and_the_pauses_between_them() -> None:
    facts = INBOUND | {"outcome": Outcome.LOST, "leg": "imap", "stage": "search"}
    timeline = timeline_of(result(**facts), None)
    bars = lane(timeline, "imap")
    assert bars[0] == ("tries 1 to 2 and pauses", 0.0, 20.2, "waiting")
    assert bars[-1] == ("search, nothing found", 20.261, 20.5, "step")
    assert timeline.marks == ()
    assert timeline.headline == "20.5 s in all; longest: tries 1 to 2 and pauses 20.2 s"


def test_an_inbound_check_that_finds_a_message_looked_for_it_and_waited_for_nothing() -> None:
    timeline = timeline_of(result(**INBOUND | {"status": Status.OK, "detected_at": AT}), None)
    assert lane(timeline, "imap")[-1] == ("search", 20.261, 20.5, "step")
    assert marks(timeline) == [(20.5, "detected", "moment")]


def test_a_refused_message_that_was_looked_for_all_the_same_failed_in_the_smtp_leg() -> None:
    facts = NOT_SENT | {"outcome": Outcome.REJECTED, "leg": "smtp", "attempt_errors": (refused(1, "data"),)}
    looked = {"imap_stages": IMAP, "imap_tries": 1, "imap_times": ((0.1, 5.2),), "total_seconds": 5.2}
    timeline = timeline_of(result(**facts | looked), LIMITS)
    assert timeline.headline == "5.2 s in all; failed: SMTP data, 450 after 60 ms"
    assert lane(timeline, "imap")[-1] == ("waiting, not found", 0.161, 5.2, "waiting")


@pytest.mark.parametrize("facts", [{}, LOST, INBOUND, {"imap_times": ((0.1, 0.25), (0.25, 0.4)), "imap_tries": 2}])
def test_the_numbers_of_a_picture_add_up(facts: dict[str, object]) -> None:
    """Of each lane the bars follow one another without a hole, and the last ends with the check."""
    timeline = timeline_of(result(**facts), LIMITS)
    for name in ("smtp", "imap"):
        bars = [bar for bar in timeline.bars if bar.lane == name]
        assert all(before.end == after.start for before, after in pairwise(bars))
    assert max(bar.end for bar in timeline.bars) == timeline.total


def test_a_doubt_that_the_mailbox_settled_is_no_failure_of_the_run() -> None:
    timeline = timeline_of(result(accepted_at=None, attempt_errors=(refused(1, "data"),)), LIMITS)
    assert lane(timeline, "smtp")[-1][3] == "failed"
    assert "failed" not in timeline.headline
    assert "accepted" not in alternative(timeline)


def test_without_a_mailbox_there_is_no_limit_to_reach() -> None:
    timeline = timeline_of(result(imap_stages={}, delivery_seconds=None, total_seconds=None), LIMITS)
    assert marks(timeline) == [(0.1, "accepted", "moment")]


def test_nothing_sent_is_nothing_drawn() -> None:
    timeline = timeline_of(
        result(**NOT_SENT | {"outcome": Outcome.MISCONFIGURED, "attempts": 0, "smtp_stages": {}}), LIMITS
    )
    assert timeline.bars == ()
    assert text(timeline) == ["office: misconfigured", "nothing was sent"]


def test_the_slow_hop_is_named_and_not_the_waiting_that_it_explains() -> None:
    journey = relayed({"relay.example.org": 0.0, "edge.example.net": 1.9, "mx.example.net": 0.1})
    timeline = timeline_of(result(delivery_seconds=2.1, total_seconds=2.3, journey=journey), LIMITS)
    assert timeline.headline == "2.3 s in all; slowest: hop relay.example.org -> edge.example.net 1.9 s"
    assert [kind for *_, kind in lane(timeline, "hops")] == ["slow", "step"]


def test_nothing_is_slow_about_what_took_less_than_a_second() -> None:
    assert not [bar for bar in timeline_of(result(), LIMITS).bars if bar.kind == "slow"]


def test_of_too_many_hops_the_slowest_are_kept_in_their_order_and_the_rest_is_told() -> None:
    names = [f"{number}.test" for number in range(51)]
    journey = relayed({name: 1.0 + number % 7 for number, name in enumerate(names)})
    timeline = timeline_of(result(journey=journey), LIMITS)
    shown = [label for label, *_ in lane(timeline, "hops")]
    slowest = sorted(range(1, 51), key=lambda number: -(number % 7))[:MAX_HOPS_DRAWN]
    assert shown == [f"{names[number - 1]} -> {names[number]}" for number in sorted(slowest)]
    assert len(shown) == MAX_HOPS_DRAWN
    assert timeline.title.endswith(f"the {MAX_HOPS_DRAWN} slowest of 50 hops")


def test_a_limit_that_is_near_widens_the_picture_and_one_far_beyond_does_not_squeeze_it() -> None:
    bar = Bar("hops", "a", 0.0, 10.0, "step", "10 s")
    near, far = Mark(12.0, "near", "limit"), Mark(300.0, "far", "limit")
    timeline = Timeline("", (bar,), (near, far), 10.0)
    assert timeline.end == 12.0
    assert (timeline.inside, timeline.beyond) == ([near], [far])


def test_what_overlaps_gets_another_row() -> None:
    bars = [Bar("smtp", "", *times, "step", "") for times in ((0.0, 2.0), (2.0, 3.0), (2.5, 4.0))]
    hops = [Bar("hops", "", *times, "step", "") for times in ((0.0, 1.0), (1.0, 2.0))]
    assert Timeline("", (*hops, *bars), (), 4.0).rows == [bars[:2], bars[2:], hops[:1], hops[1:]]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "0 ms"),
        (0.00123, "1.2 ms"),
        (0.00996, "10 ms"),
        (0.3504, "350 ms"),
        (0.9996, "1 s"),
        (2.34, "2.3 s"),
        (59.97, "60 s"),
        (60.0, "1 min"),
        (99.96, "1 min 40 s"),
        (2220.3, "37 min"),
        (3599.9, "1 h"),
        (4330.0, "1 h 12 min"),
        (86399.0, "1 d"),
        (1e300, "11574 d 2 h"),
        (-1.0, "0 ms"),
    ],
)
def test_a_duration_has_two_or_three_digits_and_the_unit_that_people_use(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (0.00031, ["0", "0.1 ms", "0.2 ms", "0.3 ms"]),
        (0.313, ["0", "100 ms", "200 ms", "300 ms"]),
        (2.3, ["0", "500 ms", "1 s", "1.5 s", "2 s"]),
        (125.0, ["0", "30 s", "1 min", "90 s", "2 min"]),
        (2225.0, ["0", "10 min", "20 min", "30 min"]),
        (9000.0, ["0", "30 min", "1 h", "1 h 30 min", "2 h", "2 h 30 min"]),
        (3e5, ["0", "1 d", "2 d", "3 d"]),
    ],
)
def test_ticks_are_round(end: float, words: list[str]) -> None:
    assert [tick(at) for at in ticks(end, 5)] == words


def test_a_scale_is_proportional_where_it_can_be_and_keeps_apart_what_matters() -> None:
    scale = Scale.of([1.0, 3.0], 4.0, 100.0, 400.0, 3.0)
    assert [scale.at(moment) for moment in (-1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 9.0)] == [100, 100, 200, 300, 400, 500, 500]
    squeezed = Scale.of([0.001, 0.002], 1000.0, 0.0, 400.0, 3.0)
    assert [squeezed.at(moment) for moment in (0.001, 0.002, 1000.0)] == pytest.approx([3.0, 6.0, 400.0])
