"""When checks are due, by the schedules of Prefect: intervals, cron with a time zone, RRULE, and several at once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from prefect.client.schemas import schedules as given
from prefect.client.schemas.objects import DeploymentSchedule
from prefect.client.schemas.responses import DeploymentResponse
from prefect.server.schemas.schedules import CronSchedule, IntervalSchedule, RRuleSchedule

from flows.alerts.loops import deployed_as, parameters_of, schedules_of
from flows.registry import FLEET_CHECK, INBOUND_CHECK, LOOP_CHECK
from tasks.alerts.rules import ALLOWED
from tasks.schedules import (
    Schedule,
    active_schedules,
    current_interval,
    due_after,
    expected_silence,
    in_words,
    longest_interval,
)

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
QUARTERS = CronSchedule(cron="*/15 * * * *", timezone="UTC")
OFFICE_HOURS = CronSchedule(cron="*/15 8-18 * * 1-5", timezone="Europe/Berlin")  # in winter 7:00 to 17:45 UTC
NIGHTLY = CronSchedule(cron="0 6 * * *", timezone="UTC")
MORNINGS = RRuleSchedule(rrule="FREQ=DAILY;BYHOUR=6;BYMINUTE=30", timezone="Europe/Berlin")
OVER = RRuleSchedule(rrule="DTSTART:20260101T000000Z\nRRULE:FREQ=DAILY;COUNT=3", timezone="UTC")
EVERY_20_S = IntervalSchedule(interval=20 * MINUTE / 60, anchor_date=datetime(2026, 1, 1, tzinfo=UTC))
WEEKEND = 61 * HOUR + 15 * MINUTE

FRIDAY = datetime(2026, 11, 27, tzinfo=UTC)
NOON, EVENING, MONDAY = FRIDAY + 12 * HOUR, FRIDAY + 18 * HOUR, FRIDAY + 3 * DAY + 7 * HOUR + 20 * MINUTE


@pytest.mark.parametrize(
    ("schedules", "now", "present", "at_most"),
    [
        ([QUARTERS], NOON, 15 * MINUTE, 15 * MINUTE),
        ([EVERY_20_S], NOON, MINUTE / 3, MINUTE / 3),
        ([NIGHTLY], NOON, DAY, DAY),
        ([MORNINGS], NOON, DAY, DAY),
        ([QUARTERS, NIGHTLY], NOON, 15 * MINUTE, 15 * MINUTE),
        ([OFFICE_HOURS], NOON, 15 * MINUTE, WEEKEND),
        ([OFFICE_HOURS], EVENING, WEEKEND, WEEKEND),  # nothing is due until Monday
        ([OFFICE_HOURS], MONDAY, WEEKEND, WEEKEND),  # and only some of Monday's have been since
        ([OFFICE_HOURS], MONDAY + HOUR, 15 * MINUTE, WEEKEND),
        ([CronSchedule(cron="0 6 1 * *", timezone="UTC")], NOON, 31 * DAY, 31 * DAY),
        ([OVER], NOON, None, None),
        ([], NOON, None, None),
    ],
    ids=str,
)
async def test_the_interval_is_that_which_the_schedules_have_about_now(
    schedules: Sequence[Schedule], now: datetime, present: timedelta | None, at_most: timedelta | None
) -> None:
    assert await current_interval(schedules, now) == present
    assert await longest_interval(schedules, now) == at_most


@pytest.mark.parametrize(
    ("schedules", "now", "due", "silent_for"),
    [
        ([QUARTERS], NOON + MINUTE, NOON + 15 * MINUTE, 14 * MINUTE + ALLOWED),
        ([OFFICE_HOURS], EVENING, FRIDAY + 3 * DAY + 7 * HOUR, 2 * DAY + 13 * HOUR + ALLOWED),
        ([NIGHTLY, QUARTERS], NOON, NOON + 15 * MINUTE, 15 * MINUTE + ALLOWED),
        ([EVERY_20_S], NOON, NOON + MINUTE / 3, 2 * MINUTE / 3),
        ([OVER], NOON, None, None),
    ],
    ids=str,
)
async def test_a_loop_that_is_well_is_silent_until_its_next_check_has_had_its_time(
    schedules: Sequence[Schedule], now: datetime, due: datetime | None, silent_for: timedelta | None
) -> None:
    assert await due_after(schedules, now) == due
    assert await expected_silence(schedules, now) == silent_for


async def test_a_change_to_summer_time_is_no_silence() -> None:
    """A day of 23 hours, by the clock of the schedule, and one of 25."""
    berlin = [CronSchedule(cron="0 6 * * *", timezone="Europe/Berlin")]
    assert await current_interval(berlin, datetime(2026, 3, 29, 3, 30, tzinfo=UTC)) == DAY
    assert await current_interval(berlin, datetime(2026, 10, 25, 4, 30, tzinfo=UTC)) == 25 * HOUR


def deployment(*schedules: DeploymentSchedule, paused: bool = False, **parameters: Any) -> DeploymentResponse:
    return DeploymentResponse(
        id=uuid4(),
        labels={},
        name="office",
        flow_id=uuid4(),
        paused=paused,
        schedules=[*schedules],
        parameters=parameters,
    )


def schedule(cron: str = "*/15 * * * *", *, on: bool = True, **parameters: Any) -> DeploymentSchedule:
    return DeploymentSchedule(schedule=given.CronSchedule(cron=cron, timezone="UTC"), active=on, parameters=parameters)


def test_a_schedule_that_is_switched_off_and_a_deployment_that_is_paused_count_as_none() -> None:
    assert [one for one, _ in active_schedules(deployment(schedule(), schedule("0 6 * * *", on=False)))] == [QUARTERS]
    assert active_schedules(deployment(schedule(), paused=True)) == []
    none = DeploymentSchedule(schedule=given.NoSchedule(), active=True)
    assert active_schedules(deployment(none)) == []


def test_a_schedule_with_parameters_of_its_own_starts_the_checks_of_another_loop() -> None:
    found = deployed_as(LOOP_CHECK, deployment(schedule(), schedule("0 6 * * *", name="nightly"), name="office"))
    assert schedules_of([found]) == {"office": [(found.id, QUARTERS)], "nightly": [(found.id, NIGHTLY)]}
    assert parameters_of([found]) == {"office": {"name": "office"}}


def test_an_inbound_check_without_a_name_is_called_inbound() -> None:
    assert schedules_of([deployed_as(INBOUND_CHECK, deployment(schedule()))]).keys() == {"inbound"}


def test_a_loop_is_started_by_the_schedules_of_all_deployments_that_check_it() -> None:
    smtp = {"host": "relay.example.org", "from_addr": "a@b.test", "to_addr": "c@d.test", "subject_prefix": "[x]"}
    imap = {"host": "imap.example.net", "username": "u", "password_secret": "s"}
    loops = {name: {"smtp": smtp, "imap": imap} for name in ("office", "garage")}
    fleet = deployed_as(FLEET_CHECK, deployment(schedule("0 6 * * *"), name="sites", loops=loops))
    single = deployed_as(LOOP_CHECK, deployment(schedule(), name="office"))
    idle = deployed_as(LOOP_CHECK, deployment(name="by-hand"))
    found = schedules_of([single, fleet, idle])
    assert found == {"office": [(single.id, QUARTERS), (fleet.id, NIGHTLY)], "garage": [(fleet.id, NIGHTLY)]}
    assert [one.complete for one in (single, fleet, idle)] == [True, True, True]


def test_a_fleet_whose_files_are_not_here_is_known_not_to_be_known() -> None:
    found = deployed_as(FLEET_CHECK, deployment(schedule(), name="sites", files=["/nowhere/loops.yaml"]))
    assert (found.loops, found.complete) == ({}, False)
    assert [one for one, _ in found.starts] == [QUARTERS]


def test_schedules_are_told_as_they_were_written() -> None:
    assert (
        in_words([EVERY_20_S, NIGHTLY, MORNINGS, NIGHTLY]) == "every 20 s, 0 6 * * *, FREQ=DAILY;BYHOUR=6;BYMINUTE=30"
    )
