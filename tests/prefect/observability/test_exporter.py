"""What the exporter reads of a real Prefect server, and what Debian's Prometheus makes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.schedules import CronSchedule, IntervalSchedule, RRuleSchedule
from prefect.context import FlowRunContext, TaskRunContext
from prefect.events import emit_event
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings
from prefect.states import Cancelled, Completed, Crashed, Failed

from flows.alerts.loops import intervals
from flows.loop_matrix import loop_matrix
from flows.prefect_api.check_runs import Sightings
from tasks.alert_store import CHECKED
from tasks.history.record import embedded
from tasks.mail.model.outcome import Outcome, Status
from tasks.mail.model.result import LoopResult
from tasks.mail.report.report import markdown
from tasks.metrics.loop import Sighting
from tasks.pages import EVENTS_PAGE_SIZE
from tasks.sandbox import Sandbox, Script
from tests.prefect.failures.api import Api
from tests.prefect.records import SOCKETS_LEFT_OPEN, Records
from tests.support.checks.checks_on_record import check, misconfigured, run_in

pytestmark = pytest.mark.filterwarnings(SOCKETS_LEFT_OPEN)

REJECTED = Script(rcpt=["550 5.1.1 No such user"])


def now() -> datetime:
    return datetime.now(UTC)


def of(loop: str, sightings: Iterable[Sighting]) -> list[Sighting]:
    """Those of one loop, in their order: the server has others."""
    return sorted((one for one in sightings if one.loop == loop), key=lambda one: one.at)


def outcomes(loop: str, sightings: Iterable[Sighting]) -> list[str]:
    return [one.check.outcome for one in of(loop, sightings)]


def made(loop: str, outcome: Outcome = Outcome.LOST, **fields: Any) -> LoopResult:
    return LoopResult(loop=loop, status=Status.ERROR, outcome=outcome, sentence="It was lost.", **fields)


def artifact(result: LoopResult) -> str:
    return f"{markdown(result, {})}\n{embedded(result)}\n"


def tell(result: LoopResult, off: timedelta = timedelta()) -> None:
    """The event of a check, by a clock that is off."""
    resource = {"prefect.resource.id": f"mail-loop.loop.{result.loop}"}
    emit_event(CHECKED, resource=resource, payload=result.model_dump(mode="json"), occurred=now() + off)


def at_once() -> Sightings:
    """Without waiting for events that may still come."""
    return Sightings(now, grace=timedelta())


async def read_until(sightings: Sightings, loop: str, number: int) -> list[Sighting]:
    """Read until so many new runs of the loop are told, and a few times more, in case that one is told again."""
    found: list[Sighting] = []
    for _ in range(900):
        found += of(loop, (await sightings.read()).new)
        if len(found) >= number:
            break
        await asyncio.sleep(0.1)
    for _ in range(3):
        found += of(loop, (await sightings.read()).new)
    return found


async def test_checks_before_the_first_read_are_known_and_later_ones_are_new_once(
    box: Sandbox, records: Records, name: str
) -> None:
    """With their results as they were, however often it reads."""
    before = [await check(box, name), await check(box, name, REJECTED)]
    await records.events(name, 2)
    sightings = Sightings(now)
    first = await sightings.read()
    assert of(name, first.new) == []
    assert [one.result for one in of(name, first.known)] == before
    after = [await check(box, name), await check(box, name, REJECTED), await misconfigured(name)]
    assert [one.result for one in await read_until(sightings, name, 3)] == after


async def test_a_loop_is_known_by_its_report_once_its_events_are_gone(server: str, name: str) -> None:
    """Prefect keeps events for seven days."""
    result = made(name)
    await run_in(name, Failed(name="Lost"), [artifact(result)])
    (known,) = of(name, (await Sightings(now).read()).known)
    assert known.result == result
    assert now() - known.at < timedelta(minutes=1)


async def test_a_run_whose_event_never_came_is_told_by_its_report_else_by_its_state(server: str, name: str) -> None:
    """A matrix that crashed, or a check that was retried by hand and has two reports, included."""
    sightings = at_once()
    await sightings.read()
    told = [made(name), made(name, Outcome.REJECTED)]
    await run_in(name, Failed(name="Lost"), map(artifact, told))
    await run_in(name, Failed(name="Lost"), ["**error: lost**\n"])
    await run_in(name, Completed(name="Delivered"))
    await run_in(name, Crashed())
    await run_in(name, Cancelled(message="Deployment concurrency limit reached."))
    found = await read_until(sightings, name, 6)
    assert sorted(one.check.outcome for one in found) == [
        "cancelled",
        "crashed",
        "delivered",
        "lost",
        "lost",
        "rejected",
    ]
    assert all(one.result in told for one in found if one.check.outcome == "rejected")
    assert sum(one.result in told for one in found) == 2


async def test_an_event_and_a_report_of_the_same_check_count_once(server: str, name: str) -> None:
    """Also where the event comes late, or the clock of a worker is an hour off."""
    sightings = at_once()
    await sightings.read()
    results = [made(name, flow_run_id=f"run {number}") for number in range(3)]
    await run_in(name, Failed(name="Lost"), [artifact(result) for result in results])
    found = await read_until(sightings, name, 3)
    for result, hours in zip(results, (0, 1, -1), strict=True):
        tell(result, timedelta(hours=hours))
    tell(made(name, Outcome.BOUNCED))
    found += await read_until(sightings, name, 1)
    assert outcomes(name, found) == ["lost"] * 3 + ["bounced"]
    assert all(one.at <= now() for one in found)


async def test_more_checks_than_a_page_holds_are_all_read_once(server: str, name: str) -> None:
    """Of new ones and of loops that there are, also through a proxy whose address the server does not know."""
    sightings = Sightings(now)
    async with Api(server) as api:
        with temporary_settings({PREFECT_API_URL: api.url}):
            await sightings.read()
            number = 2 * EVENTS_PAGE_SIZE + 10
            for one in range(number):
                tell(made(name, token=str(one)))
            found = await read_until(sightings, name, number)
    assert sorted(int(one.result.token or "") for one in found if one.result) == list(range(number))


async def test_records_that_are_none_are_left_out(records: Records, name: str) -> None:
    sightings = Sightings(now)
    await sightings.read()
    for payload in ({}, {"loop": name}, made("another").model_dump(mode="json")):
        emit_event(CHECKED, resource={"prefect.resource.id": f"mail-loop.loop.{name}"}, payload=payload)
    await records.events(name, 3)
    found = await sightings.read()
    assert (of(name, found.new), of("another", found.new), found.unreadable) == ([], [], 3)


@pytest.mark.parametrize("dies_at", [b"POST /api/events/filter", b"POST /api/flow_runs/filter"])
async def test_what_a_failed_read_had_read_is_not_lost(
    server: str, records: Records, box: Sandbox, name: str, dies_at: bytes
) -> None:
    """The API goes in the middle of a read: the next one tells each check once all the same."""
    sightings = Sightings(now)
    await sightings.read()
    results = [await check(box, name), await check(box, name, REJECTED)]
    await records.events(name, 2)
    async with Api(server, dies_at=dies_at) as api:
        settings: dict[Any, Any] = {PREFECT_API_URL: api.url, PREFECT_CLIENT_MAX_RETRIES: 0}
        with temporary_settings(settings), pytest.raises(httpx.TransportError):
            await sightings.read()
        assert api.reached.is_set()
    assert [one.result for one in await read_until(sightings, name, 2)] == results


async def test_an_event_tells_which_deployment_has_scheduled_its_run_and_none_where_somebody_has_started_it(
    server: str, records: Records, name: str
) -> None:
    nobody: Any = None
    for context in (FlowRunContext, TaskRunContext):
        context.__var__.set(nobody)  # Prefect would relate the events to a run that an earlier test has left there
    sightings = Sightings(now)
    await sightings.read()
    by = {"prefect.resource.id": "prefect.deployment.its-id", "prefect.resource.role": "deployment"}
    scheduled = {"prefect.resource.id": "prefect.tag.auto-scheduled", "prefect.resource.role": "tag"}
    for token, related in (("1", [scheduled, by]), ("2", [by]), ("3", [])):
        resource = {"prefect.resource.id": f"mail-loop.loop.{name}"}
        payload = made(name, token=token).model_dump(mode="json")
        emit_event(CHECKED, resource=resource, payload=payload, related=related)
    found = {one.result.token: one.deployment for one in await read_until(sightings, name, 3) if one.result}
    assert found == {"1": "its-id", "2": None, "3": None}


async def test_the_interval_of_a_loop_is_that_of_the_schedules_which_the_server_has_of_it(
    server: str, name: str
) -> None:
    """What is switched off or paused counts as none, and neither do runs by hand."""
    fortnight = IntervalSchedule(interval=timedelta(days=14))
    quarters, half_hours = CronSchedule(cron="*/15 * * * *", timezone="Europe/Berlin"), timedelta(minutes=30)
    smtp = {"host": "relay.example.org", "from_addr": "a@b.test", "to_addr": "c@d.test", "subject_prefix": "[x]"}
    imap = {"host": "imap.example.net", "username": "u", "password_secret": "s"}
    inside = {"name": f"{name}-fleet", "loops": {f"{name}-inside": {"smtp": smtp, "imap": imap}}}
    made: list[tuple[str, str, Any, dict[str, Any]]] = [
        ("mail-loop-check", "quarters", quarters, {}),
        ("mail-loop-check", "off", quarters, {"active": False}),
        ("mail-loop-check", "paused", quarters, {"paused": True}),
        ("mail-loop-check", "own", fortnight, {"schedule_parameters": {"name": f"{name}-other"}}),
        ("inbound-check", "rule", RRuleSchedule(rrule="FREQ=MINUTELY;INTERVAL=30", timezone="UTC"), {}),
        ("fleet-check", "fleet", fortnight, inside),
        ("fleet-check", "elsewhere", fortnight, {"files": ["/nowhere/loops.yaml"]}),
    ]
    ids: dict[str, UUID] = {}
    async with get_client() as client:
        for flow, short, schedule, more in made:
            own = more.pop("schedule_parameters", {})
            start = DeploymentScheduleCreate(schedule=schedule, active=more.pop("active", True), parameters=own)
            ids[short] = await client.create_deployment(
                await client.create_flow_from_name(flow),
                name=f"{name}-{short}",
                schedules=[start],
                paused=more.pop("paused", False),
                parameters={"name": f"{name}-{short}"} | more,
            )
        try:
            found = await intervals(client, now())
        finally:
            for one in ids.values():
                await client.delete_deployment(one)
    mine = {loop.removeprefix(f"{name}-"): time for loop, time in found.loops.items() if loop.startswith(name)}
    assert mine == {
        "quarters": timedelta(minutes=15),
        "other": timedelta(days=14),
        "rule": half_hours,
        "inside": timedelta(days=14),
    }
    assert found.groups[str(ids["elsewhere"])] == timedelta(days=14)


async def test_a_matrix_is_told_loop_by_loop(server: str, name: str) -> None:
    """One that told of no loop is called like its matrix, and what it tells late is told all the same."""
    sightings = at_once()
    await sightings.read()
    async with get_client() as client:
        parameters = {"name": name, "senders": {}, "receivers": {}}
        run = await client.create_flow_run(loop_matrix, parameters=parameters, state=Failed(name="Lost"))
    assert outcomes(f"matrix-{name}", await read_until(sightings, f"matrix-{name}", 1)) == ["failed"]
    tell(made(f"{name}-a-b", Outcome.REJECTED, flow_run_id=str(run.id)))
    assert outcomes(f"{name}-a-b", await read_until(sightings, f"{name}-a-b", 1)) == ["rejected"]
