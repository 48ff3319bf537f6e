"""From checks to figures: availability, percentiles, outages, drift and the calendar, as tables and as properties."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.history.calendar import Sign, calendar
from tasks.history.figures import Figures, Window, histories, observed_values, percentile, period_length, window
from tasks.history.formats import measured, percent
from tasks.history.report import loop_facts
from tasks.mail.checks import Check, of_result, of_results, of_state
from tasks.mail.model.durations import in_units
from tasks.mail.model.errors import ConfigError
from tasks.mail.model.journey_record import AuthenticationRecord, JourneyRecord, MethodRecord
from tasks.mail.model.outcome import ErrorType, Outcome, Placement, Reported, Status
from tasks.mail.model.result import EarlierProbe, LoopResult

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
WEEK = Window(NOON - timedelta(days=7), NOON)
STEP = timedelta(minutes=15)
OK, WARNING, ERROR = Status.OK, Status.WARNING, Status.ERROR


def checks(marks: str, loop: str = "office") -> list[Check]:
    """One check every 15 minutes, the last at noon: `.` ok, `!` late, `x` deferred, `l` lost, `?` no verdict."""
    kinds: dict[str, tuple[Status | None, str, str | None]] = {
        ".": (OK, "delivered", None),
        "!": (WARNING, "late", None),
        "x": (ERROR, "deferred", "rcpt"),
        "l": (ERROR, "lost", "search"),
        "?": (None, "unverified", "login"),
    }
    found = []
    for number, mark in enumerate(marks):
        status, outcome, stage = kinds[mark]
        at = NOON - STEP * (len(marks) - 1 - number)
        found.append(Check(loop, at, status, outcome, f"{outcome} {number}", stage, 1.5 if mark in ".!" else None))
    return found


def figures(marks: str) -> Figures:
    return Figures("office", WEEK, tuple(checks(marks)))


def result(outcome: Outcome, status: Status, error_type: ErrorType | None = None) -> LoopResult:
    return LoopResult(loop="office", status=status, outcome=outcome, sentence="So it is.", error_type=error_type)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90m", timedelta(minutes=90)),
        ("24h", timedelta(hours=24)),
        ("7d", timedelta(days=7)),
        ("4w", timedelta(weeks=4)),
        ("520w", timedelta(weeks=520)),
    ],
)
def test_a_length_of_time_is_a_number_with_its_unit(text: str, expected: timedelta) -> None:
    assert period_length(text) == expected
    assert window(text, NOON) == Window(NOON - expected, NOON)


@pytest.mark.parametrize(
    "text",
    ["", "7", "d", "0d", "-7d", "7 d", "7D", "7y", "1.5d", "\N{ARABIC-INDIC DIGIT SEVEN}d", "7d\n", "521w", "9" * 40],
)
def test_another_length_of_time_is_one_sentence(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^since: must be a length of time such as 90m, 24h, 7d or 4w, .*not"):
        period_length(text)


@pytest.mark.parametrize(
    ("outcome", "status", "error_type", "counts"),
    [
        (Outcome.DELIVERED, OK, None, OK),
        (Outcome.LATE, WARNING, None, WARNING),
        (Outcome.JUNKED, ERROR, None, ERROR),
        (Outcome.LOST, WARNING, ErrorType.NO_MESSAGE, WARNING),
        (Outcome.LOST, ERROR, ErrorType.NO_MESSAGE, ERROR),
        (Outcome.BOUNCED, ERROR, ErrorType.BOUNCED, ERROR),
        (Outcome.UNSENT, ERROR, ErrorType.CONNECTION, ERROR),
        (Outcome.UNSENT, ERROR, ErrorType.UNEXPECTED, None),
        (Outcome.UNVERIFIED, ERROR, ErrorType.AUTH, None),
        (Outcome.MISCONFIGURED, ERROR, ErrorType.CONFIGURATION, None),
        (Outcome.SKIPPED, WARNING, None, None),
    ],
)
def test_what_says_nothing_about_the_mail_has_no_verdict(
    outcome: Outcome, status: Status, error_type: ErrorType | None, counts: Status | None
) -> None:
    check = of_result(result(outcome, status, error_type), NOON)
    assert (check.status, check.outcome, check.at) == (counts, outcome, NOON)


@pytest.mark.parametrize(
    ("kind", "name", "status", "outcome"),
    [
        ("COMPLETED", "Delivered", OK, "delivered"),
        ("COMPLETED", "Junked", WARNING, "junked"),
        ("FAILED", "Junked", ERROR, "junked"),
        ("FAILED", "Lost", ERROR, "lost"),
        ("FAILED", "Unverified", None, "unverified"),
        ("CANCELLED", "Skipped", None, "skipped"),
        ("COMPLETED", "Completed", None, "no record"),
        ("FAILED", "Failed", None, "failed"),
        ("CRASHED", "Crashed", None, "crashed"),
        ("CANCELLED", "Cancelled", None, "cancelled"),
        ("SCHEDULED", "Late", None, "never started"),
        ("PENDING", "Pending", None, "never ended"),
        ("RUNNING", "Running", None, "never ended"),
    ],
)
def test_a_run_without_a_record_counts_by_its_state(kind: str, name: str, status: Status | None, outcome: str) -> None:
    """`Late` of a scheduled run is Prefect's own word, and no outcome of ours."""
    check = of_state("office", NOON, kind, name, "a\nmessage")
    assert (check.status, check.outcome, check.sentence) == (status, outcome, "a message")


@pytest.mark.parametrize(
    ("marks", "availability", "coverage"),
    [
        ("", None, None),
        ("?", None, 0.0),
        (".", 1.0, 1.0),
        ("x", 0.0, 1.0),
        (".!", 1.0, 1.0),
        (".x", 0.5, 1.0),
        (".x??", 0.5, 0.5),
        ("?" * 97 + "..x", 2 / 3, 0.03),
    ],
)
def test_no_verdict_lowers_the_coverage_and_never_the_availability(
    marks: str, availability: float | None, coverage: float | None
) -> None:
    assert (figures(marks).availability, figures(marks).coverage) == (availability, coverage)


@given(st.text(alphabet=".!xl"), st.integers(0, 20))
def test_checks_without_verdict_change_no_figure_but_the_coverage(marks: str, silent: int) -> None:
    told = Figures("office", WEEK, tuple(checks(marks)))
    mixed = Figures("office", WEEK, (*checks("?" * silent), *told.checks))
    assert mixed.availability == told.availability
    assert mixed.outages == told.outages
    assert mixed.delivery == told.delivery
    assert sum(mixed.without_verdict.values()) == silent


def test_lost_messages_are_counted_and_have_no_delivery_time() -> None:
    found = figures(".l.lx!")
    assert (found.lost, found.delivery) == (2, (1.5, 1.5, 1.5))


@pytest.mark.parametrize(
    ("values", "p", "expected"),
    [
        ([], 50, None),
        ([3.0], 50, 3.0),
        ([3.0], 99, 3.0),
        ([1.0, 2.0], 50, 1.0),
        ([1.0, 2.0], 51, 2.0),
        ([15.0, 20.0, 35.0, 40.0, 50.0], 30, 20.0),
        ([15.0, 20.0, 35.0, 40.0, 50.0], 40, 20.0),
        ([50.0, 40.0, 35.0, 20.0, 15.0], 50, 35.0),
        ([15.0, 20.0, 35.0, 40.0, 50.0], 100, 50.0),
        ([float(n) for n in range(1, 101)], 95, 95.0),
        ([float(n) for n in range(1, 101)], 99, 99.0),
    ],
)
def test_a_percentile_is_the_nearest_rank(values: list[float], p: float, expected: float | None) -> None:
    assert percentile(values, p) == expected


@given(st.lists(st.floats(0, 1e6), min_size=1), st.integers(1, 100))
def test_a_percentile_is_the_smallest_value_that_so_many_do_not_exceed(values: list[float], p: int) -> None:
    found = percentile(values, p)
    assert found in values
    wanted = math.ceil(len(values) * p / 100)
    assert sum(value <= found for value in values) >= wanted
    assert sum(value < found for value in values) < wanted


@pytest.mark.parametrize(
    ("marks", "expected"),
    [
        ("", []),
        ("..!..", []),
        ("..x..", [(2, 3, 1, "deferred at rcpt", False)]),
        (".xx!x.", [(1, 3, 2, "deferred at rcpt", False), (4, 5, 1, "deferred at rcpt", False)]),
        (".xllx", [(1, None, 4, "deferred at rcpt", False)]),
        (".xll", [(1, None, 3, "lost at search", False)]),
        ("xx.", [(0, 2, 2, "deferred at rcpt", True)]),
        ("?x.", [(1, 2, 1, "deferred at rcpt", True)]),
        (".x?x?.", [(1, 5, 2, "deferred at rcpt", False)]),
        (".x??", [(1, None, 1, "deferred at rcpt", False)]),
    ],
)
def test_an_outage_lasts_from_the_first_failure_to_the_first_good_check_after(
    marks: str, expected: list[tuple[int, int | None, int, str, bool]]
) -> None:
    found_of = figures(marks)
    index = {check.at: number for number, check in enumerate(found_of.checks)}
    found = [
        (index[o.since], index[o.until] if o.until else None, o.checks, o.cause, o.open_start) for o in found_of.outages
    ]
    assert found == expected


def test_the_cause_of_an_outage_is_told_by_the_first_check_that_had_it() -> None:
    (outage,) = figures(".xllx?l").outages
    assert (outage.cause, outage.sentence) == ("lost at search", "lost 2")


def test_outages_are_added_up_to_now() -> None:
    assert figures(".x.xx").downtime == STEP + STEP


def test_drift_tells_when_a_place_was_first_seen_and_how_its_share_changed() -> None:
    start, hour = NOON - timedelta(hours=8), timedelta(hours=1)
    observed = [(start + hour * n, "Junk" if n in (5, 7) else "INBOX") for n in range(8)]
    inbox, junk = observed_values(reversed(observed), NOON - timedelta(hours=4))
    assert (inbox.value, inbox.count, inbox.share, inbox.earlier, inbox.later) == ("INBOX", 6, 0.75, 1.0, 0.5)
    assert (junk.value, junk.count, junk.share, junk.earlier, junk.later) == ("Junk", 2, 0.25, 0.0, 0.5)
    assert (junk.first, junk.last) == (start + 5 * hour, start + 7 * hour)
    assert observed_values([], NOON) == ()


def test_each_loop_has_its_own_figures_in_order_of_time() -> None:
    mixed = [*checks("x.", "b"), *reversed(checks(".x", "a"))]
    first, second = histories(mixed, WEEK)
    assert (first.loop, second.loop) == ("a", "b")
    assert (len(first.outages), first.outages[0].until) == (1, None)
    assert second.outages[0].until == NOON


def test_places_are_those_of_the_messages_that_arrived() -> None:
    arrived = Check("office", NOON, WARNING, "junked", folder="Junk", placement=Placement.JUNK)
    (place,) = Figures("office", WEEK, (*checks("xl?"), arrived)).places
    assert (place.value, place.count) == (("Junk", Placement.JUNK), 1)


def test_an_hour_has_the_mark_of_the_worst_that_was_found_in_it() -> None:
    """A check without a verdict is no worse than any other: it counts only where it is alone."""
    cases = {".?..": Sign.OK, ".!?.": Sign.WARNING, "x!..": Sign.ERROR, "????": Sign.SILENT}
    for marks, expected in cases.items():
        hour = [Check("office", NOON - STEP * n, c.status, c.outcome) for n, c in enumerate(checks(marks), 1)]
        table = calendar(hour, WEEK)
        (today,) = [cells for name, cells in table.rows if name == "2026-11-22"]
        assert [cell.sign for cell in today if cell][10:13] == [Sign.EMPTY, expected, Sign.EMPTY]


def test_a_calendar_of_up_to_five_weeks_has_a_row_of_hours_a_day() -> None:
    table = calendar([], WEEK)
    assert [name for name, _ in table.rows] == [f"2026-11-{day}" for day in range(15, 23)]
    assert all(len(cells) == 24 for _, cells in table.rows)
    cells = [cell for _, row in table.rows for cell in row if cell]
    assert (cells[0].start, cells[-1].start) == (NOON - timedelta(days=7), NOON)


def test_a_longer_calendar_has_a_column_of_days_a_week() -> None:
    table = calendar(checks(".x"), window("26w", NOON))
    assert [name for name, _ in table.rows] == ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
    cells = {cell.start: cell for _, row in table.rows for cell in row if cell}
    assert len(cells) == 26 * 7 + 1
    assert cells[NOON.replace(hour=0)].text == "2 checks: 1 delivered, 1 deferred"


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        (None, "-"),
        (1.0, "100 %"),
        (0.999999, "99.99 %"),
        (0.57, "57.00 %"),
        (2 / 3, "66.66 %"),
        (0.00001, "< 0.01 %"),
        (0.0, "0.00 %"),
    ],
)
def test_a_share_is_never_rounded_up(share: float | None, expected: str) -> None:
    assert percent(share) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (None, "-"),
        (0.0, "0 ms"),
        (0.064, "64 ms"),
        (1.24, "1.2 s"),
        (12.6, "13 s"),
        (119.0, "119 s"),
        (125, "2 min 5 s"),
    ],
)
def test_a_measured_time_is_told_to_two_digits_or_so(seconds: float | None, expected: str) -> None:
    assert measured(seconds) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0, "0 s"), (59, "59 s"), (60, "1 min"), (3600, "1 h"), (90000, "1 d 1 h"), (86460, "1 d")],
)
def test_a_length_of_time_is_told_in_its_two_largest_units(seconds: int, expected: str) -> None:
    assert in_units(seconds) == expected


def sent(minute: int, outcome: Outcome, **fields: object) -> LoopResult:
    status = Status.OK if outcome is Outcome.DELIVERED else Status.ERROR
    at = NOON + timedelta(minutes=minute)
    return result(outcome, status).model_copy(update={"sent_at": at, "probe_id": f"probe-{minute}", **fields})


def test_a_lost_message_that_arrived_after_all_is_late_and_its_outage_is_over() -> None:
    """As a later run of the loop tells it; of one told twice the first counts."""
    arrived = EarlierProbe(
        probe_id="probe-15",
        token="probe-",
        arrived_at=NOON + timedelta(minutes=52),
        delivery_seconds=2220.0,
        reported=Reported.LOST,
        folder="INBOX",
        uidvalidity=1,
        uid=7,
    )
    told = [
        sent(0, Outcome.DELIVERED),
        sent(15, Outcome.LOST),
        sent(30, Outcome.LOST),
        sent(60, Outcome.DELIVERED, earlier_probes=(arrived,)),
        sent(75, Outcome.DELIVERED, earlier_probes=(arrived,)),
    ]
    (found,) = histories(of_results((one, NOON) for one in reversed(told)), WEEK)
    assert [(check.outcome, check.delivery_seconds) for check in found.checks[1:3]] == [
        ("late", 2220.0),
        ("lost", None),
    ]
    assert found.checks[1].sentence.endswith("It arrived all the same, in INBOX at 2026-11-22 12:52 UTC.")
    (outage,) = found.outages
    assert (outage.since, outage.until) == (told[2].sent_at, told[3].sent_at)
    assert found.good == 4
    # One that nobody has signed corrects nothing.
    forged = arrived.model_copy(update={"signed": False})
    told[3:] = [sent(60, Outcome.DELIVERED, earlier_probes=(forged,))]
    (found,) = histories(of_results((one, NOON) for one in told), WEEK)
    assert [check.outcome for check in found.checks[1:3]] == ["lost", "lost"]


def test_authentication_that_drifts_is_told_with_its_shares() -> None:
    def stated(minute: int, dkim: str) -> LoopResult:
        methods = (MethodRecord(method="dkim", result=dkim), MethodRecord(method="spf", result="pass"))
        journey = JourneyRecord(
            authentication=AuthenticationRecord(authserv_id="mx.example.net", assumed=False, methods=methods)
        )
        return sent(minute, Outcome.DELIVERED, journey=journey)

    (found,) = histories(of_results([(stated(0, "pass"), NOON), (stated(900, "fail"), NOON)]), WEEK)
    assert [(one.value, one.count) for one in found.authentications] == [
        ("spf pass, dkim pass", 1),
        ("spf pass, dkim fail", 1),
    ]
    assert dict(loop_facts(found))["authentication"].startswith("spf pass, dkim pass 50")
