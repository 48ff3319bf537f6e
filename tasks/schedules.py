"""When checks are due: by the schedules of Prefect, reckoned as its server reckons them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, TypeAlias
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas import schedules as given
from prefect.client.schemas.responses import DeploymentResponse
from prefect.exceptions import ObjectNotFound
from prefect.server.schemas.schedules import MAX_ITERATIONS, CronSchedule, IntervalSchedule, RRuleSchedule

from tasks.alerts.rules import ALLOWED, tolerated_silence
from tasks.mail.model.durations import duration
from tasks.run_context import as_begun

Schedule: TypeAlias = IntervalSchedule | CronSchedule | RRuleSchedule

# Those of a client do not say when they are due.
_SERVER_KIND: Mapping[type, type[Schedule]] = {
    given.IntervalSchedule: IntervalSchedule,
    given.CronSchedule: CronSchedule,
    given.RRuleSchedule: RRuleSchedule,
}
_GAPS = 4  # between checks that are looked at, the present one included
_BACK = (timedelta(minutes=10), timedelta(hours=6), timedelta(days=8), timedelta(days=366))  # to look for them
_AHEAD = timedelta(days=35)
_MAX_STEPS = 5  # of a thousand moments each

_of_runs: dict[UUID, list[Schedule]] = {}  # of the run of this process: one of many loops asks once


def active_schedules(deployment: DeploymentResponse) -> list[tuple[Schedule, Mapping[str, Any]]]:
    """The schedules that start runs of a deployment, with the parameters of these: none, while it is paused."""
    return [
        (_SERVER_KIND[type(one.schedule)](**one.schedule.model_dump()), deployment.parameters | one.parameters)
        for one in deployment.schedules
        if one.active and not deployment.paused and type(one.schedule) in _SERVER_KIND
    ]


async def schedules_of_this_run(client: PrefectClient) -> list[Schedule] | None:
    """The schedules that start runs like the one that we are in; None where none has started this one."""
    run = as_begun()
    if run is None or run.deployment_id is None or not run.auto_scheduled:
        return None
    if run.id not in _of_runs:
        try:
            deployment = await client.read_deployment(run.deployment_id)
        except ObjectNotFound:
            return []
        name = run.parameters.get("name")
        _of_runs.clear()
        _of_runs[run.id] = [one for one, parameters in active_schedules(deployment) if parameters.get("name") == name]
    return _of_runs[run.id]


async def due_after(schedules: Iterable[Schedule], now: datetime) -> datetime | None:
    """When a check is due next; None where none is any more."""
    return min((one for one in await _dues(schedules, now, number=2) if one > now), default=None)


async def expected_silence(schedules: Sequence[Schedule], now: datetime) -> timedelta | None:
    """For how long nothing is heard of a loop that is well, from a check on that ends now; None: none is due."""
    if (due := await due_after(schedules, now)) is None:
        return None
    then = await due_after(schedules, due)
    return tolerated_silence(due - now, then - due if then else ALLOWED)


async def current_interval(schedules: Sequence[Schedule], now: datetime) -> timedelta | None:
    """The time between two checks at present, the longest of the last gaps and that which goes on; None: none is due.

    So a night without checks is no silence, and neither is the morning after it before some have been missed.
    """
    if (ahead := await due_after(schedules, now)) is None:
        return None
    before: list[datetime] = []
    for back in _BACK:
        if len(before) < _GAPS:
            before = await _dues(schedules, now - back, until=now)
    moments = [*(before[-_GAPS:] or [now - _BACK[-1]]), ahead]
    return max(later - earlier for earlier, later in pairwise(moments))


async def longest_interval(schedules: Sequence[Schedule], now: datetime) -> timedelta | None:
    """The longest time between two checks in the weeks to come, nights and weekends included; None: none is due."""
    if (first := await due_after(schedules, now)) is None:
        return None
    if len(schedules) == 1 and isinstance(schedules[0], IntervalSchedule):
        return schedules[0].interval
    found = [first]
    for _ in range(_MAX_STEPS):
        more = [one for one in await _dues(schedules, found[-1], until=now + _AHEAD) if one > found[-1]]
        found += more
        if not more:
            break
    found += [ahead] if (ahead := await due_after(schedules, found[-1])) else []
    return max((later - earlier for earlier, later in pairwise(found)), default=first - now)


def in_words(schedules: Iterable[Schedule]) -> str:
    """Schedules as they were written."""
    return ", ".join(dict.fromkeys(map(_in_words, schedules)))


def _in_words(schedule: Schedule) -> str:
    match schedule:
        case IntervalSchedule():
            return f"every {duration(schedule.interval.total_seconds())}"
        case CronSchedule():
            return schedule.cron
        case RRuleSchedule():
            return schedule.rrule


async def _dues(
    schedules: Iterable[Schedule], start: datetime, *, number: int | None = None, until: datetime | None = None
) -> list[datetime]:
    """The moments from `start` on: so many of each schedule, or those until then, as far as a thousand of it reach."""
    found: set[datetime] = set()
    last = until
    for one in schedules:
        dates = [datetime.fromtimestamp(date.timestamp(), UTC) for date in await one.get_dates(number, start, until)]  # type: ignore[arg-type]  # it takes None, as the others do
        if until is not None and len(dates) >= MAX_ITERATIONS:
            last = min(last or until, dates[-1])
        found |= {*dates}
    return sorted(one for one in found if last is None or one <= last)
