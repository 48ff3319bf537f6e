"""What the exporter says of the loops, and when it no longer does: reckoned without Prefect."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from tasks.mail.checks import of_result, of_state
from tasks.mail.model.cause import Cause
from tasks.mail.model.journey_record import TlsRecord
from tasks.mail.model.outcome import LEG_STAGES, ErrorType, Leg, Outcome, Reported
from tasks.mail.model.result import EarlierProbe, LoopResult
from tasks.metrics.collector import MAX_FAILED_READS, READS_AT_ZERO, Board
from tasks.metrics.counters import BUCKETS
from tasks.metrics.loop import (
    ASSUMED_INTERVAL,
    CAUSES,
    ENDS,
    STATUSES_BY_OUTCOME,
    Intervals,
    Loop,
    Sighting,
    identity,
)

ROOT = Path(__file__).resolve().parents[3]
START = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
QUARTER = 15 * MINUTE
Labels = dict[str, str]
stable = settings(derandomize=True, database=None, deadline=None, max_examples=100)


class Scene:
    """A board, and the clock that it goes by."""

    def __init__(
        self, most_loops: int = 100, exclude: Iterable[str] = (), patience: timedelta = 1000 * QUARTER
    ) -> None:
        self.now = START
        self.board = Board(lambda: self.now, patience, most_loops, "1.2.3", exclude)

    def read(self, *new: Sighting, known: Iterable[Sighting] = (), unreadable: int = 0) -> None:
        self.board.read(new, known, unreadable, 0.5)

    def later(self, time: timedelta, *new: Sighting) -> None:
        """Let time go by, and read."""
        self.now += time
        self.read(*new)

    def due(self, groups: dict[str, timedelta] | None = None, **loops: timedelta) -> None:
        """What the schedules of Prefect say: how often these loops are due, and those of deployments."""
        self.board.scheduled(Intervals(loops, groups or {}))

    def samples(self, name: str) -> dict[tuple[tuple[str, str], ...], float]:
        return {
            tuple(sorted(sample.labels.items())): sample.value
            for family in self.board.registry.collect()
            for sample in family.samples
            if sample.name == name
        }

    def value(self, name: str, **labels: str) -> float | None:
        return self.samples(name).get(tuple(sorted(labels.items())))

    def checks(self, outcome: str, status: str, loop: str = "office") -> float | None:
        return self.value("mail_loop_checks_total", loop=loop, outcome=outcome, status=status)


def result(outcome: Outcome = Outcome.DELIVERED, loop: str = "office", **fields: Any) -> LoopResult:
    fields = {"status": STATUSES_BY_OUTCOME[outcome][0], "sentence": "So it is.", **fields}
    return LoopResult(loop=loop, outcome=outcome, **fields)


def seen(outcome: Outcome = Outcome.DELIVERED, at: datetime = START, loop: str = "office", **fields: Any) -> Sighting:
    found = result(outcome, loop, **fields)
    return Sighting(at, of_result(found, at), found)


def every_quarter(outcome: Outcome = Outcome.DELIVERED, loop: str = "office") -> list[Sighting]:
    """What there was before the exporter: a check every 15 minutes, the last one just now."""
    return [seen(outcome, START - QUARTER * number, loop) for number in range(4)]


def test_what_was_there_before_is_not_counted_and_what_comes_then_is() -> None:
    scene = Scene()
    scene.read(known=every_quarter())
    assert scene.checks("delivered", "ok") == 0
    assert scene.value("mail_loop_up", loop="office") == 1
    scene.later(QUARTER, seen(at=START + QUARTER, delivery_seconds=0.3))
    assert scene.checks("delivered", "ok") == 1
    assert scene.value("mail_loop_delivery_seconds_count", loop="office") == 1


def test_a_new_loop_is_shown_with_nought_before_its_first_check_is_counted() -> None:
    """Prometheus sees no increase in the first value of a series."""
    scene = Scene()
    scene.read()
    for _ in range(READS_AT_ZERO):
        scene.later(MINUTE / 4, seen(Outcome.LOST, scene.now))
        assert scene.checks("lost", "warning") == 0
        assert scene.value("mail_loop_up", loop="office") == 1
    scene.later(MINUTE / 4, seen(Outcome.LOST, scene.now))
    assert scene.checks("lost", "warning") == READS_AT_ZERO + 1


def test_each_verdict_has_its_series_from_the_beginning() -> None:
    verdicts = [(outcome, status) for outcome, statuses in STATUSES_BY_OUTCOME.items() for status in statuses]
    scene = Scene()
    scene.read(known=[seen()])
    assert [scene.checks(*verdict) for verdict in verdicts] == [0] * len(verdicts)
    for number, (outcome, status) in enumerate(verdicts, 1):
        scene.later(MINUTE, seen(outcome, START + number * MINUTE, status=status))
        assert scene.checks(outcome, status) == 1
        assert sum(scene.samples("mail_loop_checks_total").values()) == number


def test_each_cause_has_its_series_from_the_beginning() -> None:
    causes = [*Cause, "none"]
    scene = Scene()
    scene.read(known=[seen()])

    def failures(cause: str) -> float | None:
        return scene.value("mail_loop_failures_total", loop="office", cause=cause)

    assert [failures(cause) for cause in causes] == [0] * len(causes)
    for number, cause in enumerate(causes, 1):
        scene.later(MINUTE, seen(Outcome.REJECTED, START + number * MINUTE, cause=Cause.known(cause)))
        assert failures(cause) == 1
        assert sum(scene.samples("mail_loop_failures_total").values()) == number


def test_what_is_no_failure_is_in_no_series_of_a_cause() -> None:
    """All is well, or nothing was sent. A run of which the state alone is known has no cause."""
    scene = Scene()
    scene.read(known=[seen()])
    scene.later(
        MINUTE,
        seen(at=START + MINUTE),
        seen(Outcome.SKIPPED, START + MINUTE, cause=Cause.BUDGET_SPENT),
        Sighting(START + MINUTE, of_state("office", START + MINUTE, "CRASHED", "Crashed", None)),
    )
    assert sum(scene.samples("mail_loop_failures_total").values()) == 0
    scene.later(MINUTE, Sighting(START + 2 * MINUTE, of_state("office", START + 2 * MINUTE, "FAILED", "Lost", None)))
    assert scene.value("mail_loop_failures_total", loop="office", cause="none") == 1


@pytest.mark.parametrize("outcome", [Outcome.UNVERIFIED, Outcome.MISCONFIGURED, Outcome.SKIPPED])
def test_what_says_nothing_about_the_mail_neither_raises_nor_lowers_up(outcome: Outcome) -> None:
    """It is counted; the verdict before stays until it is stale, and then there is none."""
    for before, up in ((Outcome.DELIVERED, 1), (Outcome.REJECTED, 0)):
        scene = Scene()
        scene.read(known=every_quarter(before))
        for number in (1, 2, 3):
            scene.later(QUARTER, seen(outcome, START + QUARTER * number))
            assert scene.value("mail_loop_up", loop="office") == up
        scene.later(QUARTER, seen(outcome, START + QUARTER * 4))
        assert scene.value("mail_loop_up", loop="office") is None
        assert sum(v for k, v in scene.samples("mail_loop_checks_total").items() if ("outcome", outcome) in k) == 4
        success = START.timestamp() if up else 0
        assert scene.value("mail_loop_last_success_timestamp_seconds", loop="office") == success


def test_a_check_that_broke_says_nothing_about_the_mail() -> None:
    scene = Scene()
    broke = seen(Outcome.UNSENT, START + MINUTE, error_type=ErrorType.UNEXPECTED)
    scene.read(known=[*every_quarter(), broke])
    assert scene.value("mail_loop_up", loop="office") == 1


def test_a_run_without_a_verdict_is_counted_by_itself_and_is_no_success() -> None:
    scene = Scene()
    scene.read(known=every_quarter())
    crash = Sighting(START + MINUTE, of_state("office", START + MINUTE, "CRASHED", "Crashed", None))
    scene.later(MINUTE, crash)
    assert scene.value("mail_loop_runs_without_verdict_total", loop="office", end="crashed") == 1
    assert sum(scene.samples("mail_loop_checks_total").values()) == 0
    assert scene.value("mail_loop_last_success_timestamp_seconds", loop="office") == START.timestamp()
    assert scene.value("mail_loop_last_check_timestamp_seconds", loop="office") == crash.at.timestamp()


@pytest.mark.parametrize(
    ("kind", "name", "labels"),
    [
        ("COMPLETED", "Delivered", {"outcome": "delivered", "status": "ok"}),
        ("FAILED", "Delivered", {"outcome": "delivered", "status": "error"}),
        ("COMPLETED", "Late", {"outcome": "late", "status": "warning"}),
        ("FAILED", "Lost", {"outcome": "lost", "status": "error"}),
        ("FAILED", "Unverified", {"outcome": "unverified", "status": "error"}),
        ("CANCELLED", "Skipped", {"outcome": "skipped", "status": "warning"}),
        ("CRASHED", "Crashed", {"end": "crashed"}),
        ("CANCELLED", "Cancelled", {"end": "cancelled"}),
        ("FAILED", "TimedOut", {"end": "failed"}),
        ("COMPLETED", "Completed", {"end": "no_record"}),
    ],
)
def test_a_run_without_a_record_is_counted_by_the_name_of_its_state(kind: str, name: str, labels: Labels) -> None:
    scene = Scene()
    scene.read(known=[seen()])
    scene.later(MINUTE, Sighting(START + MINUTE, of_state("office", START + MINUTE, kind, name, None)))
    metric = "mail_loop_runs_without_verdict_total" if "end" in labels else "mail_loop_checks_total"
    assert scene.value(metric, loop="office", **labels) == 1


def test_up_goes_and_does_not_stay_green_when_nothing_new_comes() -> None:
    """After three intervals nothing is said; when the last success was is still said."""
    scene = Scene()
    scene.due(office=QUARTER)
    scene.read(known=every_quarter())
    scene.later(3 * QUARTER)
    assert scene.value("mail_loop_up", loop="office") == 1
    scene.later(timedelta(seconds=1))
    assert scene.value("mail_loop_up", loop="office") is None
    assert scene.value("mail_loop_last_success_timestamp_seconds", loop="office") == START.timestamp()
    assert scene.value("mail_loop_check_interval_seconds", loop="office") == QUARTER.total_seconds()


def test_up_goes_while_prefect_cannot_be_read_and_comes_back() -> None:
    scene = Scene()
    assert scene.value("mail_loop_exporter_up") == 0
    assert scene.value("mail_loop_exporter_last_read_timestamp_seconds") == 0
    scene.read(known=every_quarter())
    assert scene.value("mail_loop_exporter_up") == 1
    for _ in range(MAX_FAILED_READS):
        assert scene.value("mail_loop_up", loop="office") == 1
        scene.board.failed()
        assert scene.value("mail_loop_exporter_up") == 0
    assert scene.value("mail_loop_up", loop="office") is None
    assert scene.value("mail_loop_exporter_reads_total", result="failure") == MAX_FAILED_READS
    scene.read()
    assert scene.value("mail_loop_up", loop="office") == 1


def test_up_goes_when_no_read_ever_ends() -> None:
    scene = Scene(patience=MINUTE)
    scene.read(known=every_quarter())
    scene.now += MINUTE + timedelta(seconds=1)
    assert scene.value("mail_loop_exporter_up") == 0
    assert scene.value("mail_loop_up", loop="office") is None
    assert not scene.board.reads


def test_a_loop_that_is_gone_goes_away_with_all_its_series() -> None:
    scene = Scene()
    scene.read(known=[*every_quarter(), *every_quarter(loop="garage")])
    scene.later(24 * 60 * MINUTE, seen(at=START + 24 * 60 * MINUTE))
    assert b'"garage"' in generate_latest(scene.board.registry)
    scene.later(timedelta(seconds=1))
    assert b'"garage"' not in generate_latest(scene.board.registry)
    assert scene.value("mail_loop_exporter_loops") == 1
    assert b'"office"' in generate_latest(scene.board.registry)


def test_a_loop_that_is_checked_once_a_week_is_not_gone_before_ten_weeks() -> None:
    week = timedelta(weeks=1)
    scene = Scene(patience=20 * week)
    scene.due(office=week)
    scene.read(known=[seen()])
    scene.later(3 * week)
    assert scene.value("mail_loop_up", loop="office") == 1
    scene.later(7 * week)
    assert scene.value("mail_loop_exporter_loops") == 1
    scene.later(MINUTE)
    assert scene.value("mail_loop_exporter_loops") == 0


def test_loops_are_not_taken_for_gone_because_prefect_could_not_be_read() -> None:
    """They have a day from then on, as they would have had."""
    scene = Scene(patience=QUARTER)
    scene.read(known=every_quarter())
    scene.now += 3 * 24 * 60 * MINUTE
    scene.board.failed()
    assert scene.value("mail_loop_exporter_loops") == 1
    for _ in range(24 * 4 + 1):
        scene.read()
        assert scene.value("mail_loop_last_success_timestamp_seconds", loop="office") == START.timestamp()
        scene.now += QUARTER
    scene.read()
    assert scene.value("mail_loop_exporter_loops") == 0


def test_each_loop_costs_the_same_number_of_series_and_more_loops_than_allowed_cost_none() -> None:
    """Whatever servers and strangers wrote: of labels there are enums and loop names only."""
    stages = {leg: dict.fromkeys([*names, "made-up"], 0.1) for leg, names in LEG_STAGES.items()}
    tls = {leg: TlsRecord(protocol="TLSv1.3", cipher="x", not_after=START) for leg in (*LEG_STAGES, "made-up")}

    def check(number: int) -> Sighting:
        return seen(
            loop=f"loop-{number}",
            tls=tls,
            smtp_stages=stages[Leg.SENDING],
            imap_stages=stages[Leg.RECEIVING],
            error_msg=f"made up {number}",
            folder=f"Folder {number}",
        )

    def series(scene: Scene) -> int:
        families = text_string_to_metric_families(generate_latest(scene.board.registry).decode())
        return sum(sample.labels.get("loop", "").startswith("loop-") for f in families for sample in f.samples)

    scene = Scene(most_loops=50)
    scene.read(known=[check(1)])
    each = series(scene)
    assert (
        each
        == 3 + 2 + sum(map(len, STATUSES_BY_OUTCOME.values())) + len(CAUSES) + len(ENDS) + (len(BUCKETS) + 3) + 2 * 16
    )
    scene.read(*map(check, range(2, 61)))
    assert series(scene) == 50 * each
    assert scene.value("mail_loop_exporter_loops") == 50
    assert scene.value("mail_loop_exporter_ignored_total", reason="too_many_loops") == 10


@pytest.mark.parametrize("name", ["Not A Slug", "", "a" * 64, "x\n", 'a"} 1\nmail_loop_up{loop="b'])
def test_a_name_that_no_loop_can_have_is_left_out(name: str) -> None:
    scene = Scene()
    scene.read(seen(loop=name))
    assert scene.value("mail_loop_exporter_loops") == 0
    assert scene.value("mail_loop_exporter_ignored_total", reason="name") == 1


def test_loops_can_be_left_out_by_pattern() -> None:
    scene = Scene(exclude=["test-*", "garage"])
    scene.read(known=[seen(loop=name) for name in ("office", "test-1", "garage", "garage-2")])
    assert {dict(labels)["loop"] for labels in scene.samples("mail_loop_up")} == {"office", "garage-2"}


def test_the_certificate_of_the_newest_check_that_saw_one_counts() -> None:
    def tls(days: int) -> dict[str, TlsRecord]:
        return {"smtp": TlsRecord(protocol="TLSv1.3", cipher="x", not_after=START + timedelta(days=days))}

    scene = Scene()
    scene.read(known=[seen(at=START, tls=tls(90)), seen(at=START - QUARTER, tls=tls(5))])
    scene.later(QUARTER, seen(Outcome.UNSENT, START + QUARTER))
    expiry = "mail_loop_certificate_expiry_timestamp_seconds"
    assert scene.value(expiry, loop="office", leg="smtp") == (START + timedelta(days=90)).timestamp()
    assert scene.value(expiry, loop="office", leg="imap") is None


def test_a_message_that_a_later_run_tells_of_is_timed_once() -> None:
    late = EarlierProbe(
        probe_id="a" * 32,
        token="aaaaaa",
        arrived_at=START,
        delivery_seconds=1000,
        reported=Reported.LOST,
        folder="INBOX",
        uidvalidity=1,
        uid=1,
    )
    forged = late.model_copy(update={"probe_id": "b" * 32, "signed": False})
    scene = Scene()
    scene.read(known=[seen()])
    for number in (1, 2):
        at = START + MINUTE * number
        scene.later(MINUTE, seen(at=at, delivery_seconds=0.2, earlier_probes=(late, forged)))
    assert scene.value("mail_loop_delivery_seconds_count", loop="office") == 3
    assert scene.value("mail_loop_delivery_seconds_sum", loop="office") == pytest.approx(1000.4)
    assert scene.value("mail_loop_delivery_seconds_bucket", loop="office", le="600.0") == 2
    assert scene.value("mail_loop_delivery_seconds_bucket", loop="office", le="1800.0") == 3


def test_a_time_that_is_none_spoils_no_sum() -> None:
    scene = Scene()
    scene.read(known=[seen()])
    for number, seconds in enumerate((-1.0, float("inf"), float("nan"))):
        check = seen(at=START + MINUTE * number, delivery_seconds=seconds, smtp_stages={"dns": seconds})
        scene.later(MINUTE, check)
    assert scene.value("mail_loop_delivery_seconds_count", loop="office") == 0
    assert not scene.value("mail_loop_stage_seconds_count", loop="office", leg="smtp", stage="dns")


def test_a_result_is_the_same_wherever_it_is_read_and_another_is_not() -> None:
    one = result(delivery_seconds=0.5, flow_run_id="1")
    assert identity(LoopResult.model_validate(one.model_dump(mode="json"))) == identity(one)
    assert identity(one.model_copy(update={"flow_run_id": "2"})) != identity(one)


def test_the_interval_is_that_of_the_schedule_however_often_it_was_checked_by_hand() -> None:
    scene = Scene()
    scene.due(office=QUARTER)
    for minutes in (0, 12.5, 15, 15.1, 90):
        scene.read(seen(at=START + MINUTE * minutes))
        assert scene.value("mail_loop_check_interval_seconds", loop="office") == QUARTER.total_seconds()


def test_a_loop_without_a_schedule_has_no_interval_so_that_no_rule_finds_it_silent() -> None:
    """Whatever was checked by hand, and also once its schedule is switched off."""
    scene = Scene()
    scene.read(known=every_quarter())
    assert scene.samples("mail_loop_check_interval_seconds") == {}
    scene.due(office=QUARTER)
    assert len(scene.samples("mail_loop_check_interval_seconds")) == 1
    scene.due()
    assert scene.samples("mail_loop_check_interval_seconds") == {}
    assert scene.value("mail_loop_last_success_timestamp_seconds", loop="office") == START.timestamp()


def test_a_loop_in_a_file_that_is_not_here_has_the_interval_of_the_deployment_whose_schedule_checked_it() -> None:
    scene = Scene()
    scene.due(groups={"fleet": QUARTER})
    by_schedule = replace(seen(), deployment="fleet")
    scene.read(known=[by_schedule, seen(at=START + MINUTE), seen(loop="garage")])
    assert scene.samples("mail_loop_check_interval_seconds") == {(("loop", "office"),): QUARTER.total_seconds()}


def test_a_verdict_of_a_loop_without_a_schedule_is_stale_after_45_minutes() -> None:
    scene = Scene()
    scene.read(known=[seen()])
    scene.later(3 * ASSUMED_INTERVAL)
    assert scene.value("mail_loop_up", loop="office") == 1
    scene.later(MINUTE)
    assert scene.value("mail_loop_up", loop="office") is None


def test_the_reference_names_every_metric_with_its_type_and_labels() -> None:
    tls = {leg: TlsRecord(protocol="TLSv1.3", cipher="x", not_after=START) for leg in LEG_STAGES}
    scene = Scene()
    scene.due(office=QUARTER)
    scene.read(known=[seen(tls=tls, smtp_stages={"dns": 0.1})])
    exposed = set()
    for family in text_string_to_metric_families(generate_latest(scene.board.registry).decode()):
        if family.name.startswith("mail_loop_"):
            labels = " ".join(f"`{name}`" for name in family.samples[0].labels if name != "le")
            name = f"{family.name}_total" if family.type == "counter" else family.name
            exposed.add(f"| `{name}` | {family.type} | {' '.join(sorted(labels.split()))}")
    reference = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(mail_loop_\w+)` \| (\w+) \| (.*?) ?\|", reference, re.MULTILINE)
    assert {f"| `{name}` | {kind} | {' '.join(sorted(labels.split()))}" for name, kind, labels in rows} == exposed


def test_the_reference_names_every_alert_with_its_severity() -> None:
    rules = yaml.safe_load((ROOT / "deploy" / "prometheus" / "rules.yml").read_text(encoding="utf-8"))
    alerts = {
        (rule["alert"], rule["labels"]["severity"])
        for group in rules["groups"]
        for rule in group["rules"]
        if "alert" in rule
    }
    reference = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(MailLoop\w+)` \| (\w+) \|", reference, re.MULTILINE)) == alerts


outcomes = st.sampled_from(list(Outcome))
moments = st.integers(0, 10**6).map(lambda seconds: START + timedelta(seconds=seconds))


@stable
@given(st.lists(st.tuples(outcomes, moments), min_size=1, max_size=30, unique_by=lambda pair: pair[1]), st.data())
def test_in_whatever_order_runs_are_read_the_loop_stands_the_same(
    told: list[tuple[Outcome, datetime]], data: st.DataObject
) -> None:
    """And the success is never later than the last check."""
    sightings = [seen(outcome, at) for outcome, at in told]
    loops = (Loop(), Loop())
    for loop, order in zip(loops, (sightings, data.draw(st.permutations(sightings))), strict=True):
        for sighting in order:
            loop.see(sighting)
    one, other = loops
    assert (one.last, one.judged, one.success) == (other.last, other.judged, other.success)
    now = one.last
    assert one.up(now, None) == other.up(now, None)
    assert one.success is None or one.success <= one.last
    assert one.up(now + 3 * ASSUMED_INTERVAL + MINUTE, None) is None


reads = st.lists(st.lists(st.tuples(st.sampled_from("abc"), outcomes), max_size=4), max_size=12)


@stable
@given(reads)
def test_every_check_is_counted_once_a_few_reads_later_at_most(reads: list[list[tuple[str, Outcome]]]) -> None:
    """And no counter ever falls while its loop is there."""
    scene = Scene()
    before: dict[tuple[tuple[str, str], ...], float] = {}
    for read in [*reads, *([] for _ in range(READS_AT_ZERO))]:
        scene.later(MINUTE, *(seen(outcome, scene.now, loop) for loop, outcome in read))
        counters = scene.samples("mail_loop_checks_total")
        assert all(counters[labels] >= value for labels, value in before.items())
        assert {labels for labels in counters if labels not in before} <= {k for k, v in counters.items() if v == 0}
        before = counters
    told = [(loop, str(outcome)) for read in reads for loop, outcome in read]
    assert sum(before.values()) == len(told)
    for loop, outcome in told:
        assert scene.checks(outcome, STATUSES_BY_OUTCOME[Outcome(outcome)][0], loop) == told.count((loop, outcome))
