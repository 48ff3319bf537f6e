"""What `alerts apply` says of rules about silence that do not fit the schedules of their loops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest
from prefect.server.schemas.schedules import CronSchedule, IntervalSchedule, RRuleSchedule

from flows.alerts.loops import doubts
from tasks.alerts.rules import Rule
from tasks.schedules import Schedule

NIGHTLY = CronSchedule(cron="0 6 * * *", timezone="UTC")
YEARLY = CronSchedule(cron="0 6 1 1 *", timezone="UTC")
QUARTERS = IntervalSchedule(interval=timedelta(minutes=15))
WORKDAYS = CronSchedule(cron="*/15 8-18 * * 1-5", timezone="UTC")
OVER = RRuleSchedule(rrule="DTSTART:20200101T000000Z\nRRULE:FREQ=DAILY;COUNT=3", timezone="UTC")


async def said(
    schedules: Mapping[str, Schedule], loops: Sequence[str] | None = None, *, all_known: bool = True
) -> list[str]:
    fields: dict[str, Any] = {"when": "silent", "within": "45m", "channels": ["a"]} | (
        {"loops": loops} if loops else {}
    )
    known = {name: [("an-id", schedule)] for name, schedule in schedules.items()}
    return await doubts("quiet", Rule.model_validate(fields), known, all_known=all_known)


async def test_a_rule_that_fits_the_schedules_is_not_spoken_of() -> None:
    assert await said({"office": QUARTERS, "garage": QUARTERS}) == []
    assert await said({"office": QUARTERS, "nightly": NIGHTLY}, ["office"]) == []


@pytest.mark.parametrize(
    ("schedule", "apart", "told", "within"),
    [
        (NIGHTLY, "1 d apart (0 6 * * *)", "after 26h", "3d"),
        (WORKDAYS, "2 d 13 h apart (*/15 8-18 * * 1-5)", "after 8d", "8d"),
        (YEARLY, "365 d apart (0 6 1 1 *)", "never", "1095d"),
    ],
)
async def test_a_within_that_is_shorter_than_the_schedule_is_told_with_what_to_write(
    schedule: Schedule, apart: str, told: str, within: str
) -> None:
    assert await said({"office": QUARTERS, "a": schedule}) == [
        f"note: rules.quiet: within: 45m is too short for a, whose checks are due up to {apart}: its silence is told "
        f"{told}; give it a rule of its own with loops: [a] and within: {within}"
    ]


async def test_loops_of_one_schedule_are_told_at_once_and_only_some_of_many_are_named() -> None:
    (line,) = await said({f"n{number}": NIGHTLY for number in range(1, 9)})
    assert "too short for n1, n2, n3, n4, n5 and 3 more, whose" in line


async def test_a_loop_without_an_active_schedule_that_a_rule_names_is_told() -> None:
    """Not one that it does not name, nor one that may be in a file which is not here."""
    told = (
        "note: rules.quiet: by-hand, over cannot fall silent, for no active schedule starts checks of it: "
        "give it a schedule, or take it out of loops"
    )
    assert await said({"office": QUARTERS, "over": OVER}, ["by-hand", "office", "over"]) == [told]
    assert await said({"office": QUARTERS, "over": OVER}) == []
    assert await said({}, ["by-hand"], all_known=False) == []
