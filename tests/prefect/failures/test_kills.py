"""Flow processes and workers that are killed, in every phase of a check, and what the next run makes of it."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import httpx
import pytest
import pytest_asyncio
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import FlowRun, StateType, TaskRun
from prefect.events import EventTrigger, ResourceSpecification
from prefect.states import Cancelling, Crashed

from flows.equip import AUTOMATION_NAME as AUTOMATION
from flows.equip import HEARTBEAT_SILENCE, crash_silent_runs, ensure_automation
from flows.through_prefect import check_through_prefect
from tasks.mail.model.outcome import Outcome
from tasks.mail.model.result import LoopResult
from tests.prefect.failures.api import Api
from tests.prefect.failures.phases import PATIENCE, PHASES, Scene, command, deployment_on, find, until, worker
from tests.prefect.records import PASSWORD, SOCKETS_LEFT_OPEN
from tests.support.checks.bounds import PROGRAM_SECONDS
from tests.support.checks.sample import sampled

pytestmark = [
    pytest.mark.long("kills"),
    pytest.mark.filterwarnings(SOCKETS_LEFT_OPEN),
    pytest.mark.asyncio(loop_scope="module"),
]

HEARTBEAT = "prefect.flow-run.heartbeat"


@dataclass
class Aftermath:
    """The checks that were killed, by what was killed and how.

    Several at a time, for their starting takes long; but not all, for the server is one on SQLite.
    """

    home: Path
    port: int
    gate: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(4))
    by_term: list[Scene] = field(default_factory=list)  # SIGTERM to the flow's process
    by_kill: list[Scene] = field(default_factory=list)  # SIGKILL to the flow's process
    in_command: list[Scene] = field(default_factory=list)  # both, to `mail-loop check`, which has no worker
    with_worker: list[Scene] = field(default_factory=list)  # SIGTERM to the worker
    cancelled: list[Scene] = field(default_factory=list)
    orphans: list[Scene] = field(default_factory=list)  # SIGKILL to the worker, and the flows go on
    with_both: list[Scene] = field(default_factory=list)  # SIGKILL to both

    @property
    def killed(self) -> list[Scene]:
        return [*self.by_term, *self.by_kill, *self.in_command, *self.with_worker, *self.cancelled]

    async def by_workers(self) -> None:
        await self.kill_a_worker()
        await self.end_a_worker()
        await self.end_flows()

    async def by_commands(self, folder: Path) -> None:
        await self.end_a_command(folder, "command-term", signal.SIGTERM)
        await self.end_a_command(folder, "command-kill", signal.SIGKILL)

    async def end_flows(self) -> None:
        """What a worker sees that goes on itself."""
        pool = await deployment_on("kills")
        with worker(self.home, self.port, "kills"):
            await asyncio.gather(
                *(self._end(scene, pool, signal.SIGTERM) for scene in self.by_term),
                *(self._end(scene, pool, signal.SIGKILL) for scene in self.by_kill),
                *(self._end(scene, pool, None) for scene in self.cancelled),
            )

    async def _end(self, scene: Scene, pool: UUID, number: signal.Signals | None) -> None:
        async with self.gate:
            await scene.start(pool)
            if number is not None:
                await scene.kill(number)
            else:
                async with get_client() as client:
                    await client.set_flow_run_state((await scene.now()).id, Cancelling())
            await until(scene.is_final, f"the worker does not see the end of {scene.name}")

    async def end_a_worker(self) -> None:
        pool = await deployment_on("kills-worker")
        with worker(self.home, self.port, "kills-worker") as victim:
            await asyncio.gather(*(scene.start(pool) for scene in self.with_worker))
            await asyncio.gather(*(heartbeat_is_on_record(self.home, scene) for scene in self.with_worker))
            os.kill(victim.pid, signal.SIGTERM)
            await until(lambda: not victim.alive, "the worker does not end")

    async def kill_a_worker(self) -> None:
        pool = await deployment_on("kills-orphans")
        eager = await watch(self.with_both)
        with worker(self.home, self.port, "kills-orphans") as victim:
            await asyncio.gather(*(scene.start(pool) for scene in (*self.orphans, *self.with_both)))
            for scene in self.with_both:
                bucket = f"bucketing_key LIKE '%{(await scene.now()).id}%' AND automation_id = '{eager}'"
                seen = is_on_record(self.home, f"SELECT 1 FROM automation_bucket WHERE {bucket}")
                await until(seen, "the automation sees no heartbeat")
            os.kill(victim.pid, signal.SIGKILL)
            await until(lambda: not victim.alive, "the worker does not end")
            for scene in self.with_both:
                await scene.kill(signal.SIGKILL)
            for scene in self.orphans:
                scene.let_go()
                scene.imap.append(scene.smtp.messages[0])
                await until(scene.is_final, f"{scene.name} does not go on without its worker")

    async def end_a_command(self, folder: Path, kind: str, number: signal.Signals) -> None:
        scenes = [scene for scene in self.in_command if scene.name.startswith(kind)]
        async with command(folder, scenes, scenes[0].api.url) as process:
            await asyncio.gather(*(heartbeat_is_on_record(self.home, scene) for scene in scenes))
            for scene in scenes:
                if not scene.is_reached:
                    scene.deliver_late()
                    await until(lambda scene=scene: scene.is_reached, f"{scene.name} does not come to {scene.phase}")  # type: ignore[misc]
            process.send_signal(number)
            async with asyncio.timeout(PROGRAM_SECONDS):
                await process.wait()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def aftermath(deployed: str, home: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Aftermath]:
    after = Aftermath(home, httpx.URL(deployed).port or 80)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SANDBOX_PASSWORD", PASSWORD)
        async with AsyncExitStack() as stack:

            async def scenes(kind: str, *phases: str, most: int = 1) -> list[Scene]:
                """A scene for each of these phases; so many in a sample."""
                api = await stack.enter_async_context(Api(deployed, holds=b"POST /api/artifacts/"))
                return [
                    await stack.enter_async_context(Scene(f"{kind}-{phase}", phase, api))
                    for phase in sampled(phases, most, kind)
                ]

            after.by_term = await scenes("term", "sending", "waiting")
            after.by_kill = await scenes("kill", "retrying", "deleting")
            after.in_command = [
                *await scenes("command-term", *PHASES, most=3),
                *await scenes("command-kill", *PHASES, most=3),
            ]
            after.with_worker = await scenes("worker", "connecting", "waiting", "deleting")
            after.cancelled = await scenes("cancel", "sending", "waiting", "deleting")
            after.orphans = await scenes("orphan", "waiting")
            after.with_both = await scenes("both", "searching")
            folder = tmp_path_factory.mktemp("commands")
            await asyncio.gather(after.by_workers(), after.by_commands(folder))
            yield after


async def watch(scenes: Iterable[Scene]) -> UUID:
    """The automation once more, for these loops, and with less patience: a little more than one heartbeat."""
    automation = crash_silent_runs(timedelta(seconds=45))
    assert isinstance(automation.trigger, EventTrigger)
    assert isinstance(automation.trigger.match, ResourceSpecification)
    match = {**automation.trigger.match.root, "prefect.resource.name": [f"{scene.name}*" for scene in scenes]}
    trigger = automation.trigger.model_copy(update={"match": ResourceSpecification(match)})
    async with get_client() as client:
        return await client.create_automation(automation.model_copy(update={"name": "eager", "trigger": trigger}))


async def heartbeat_is_on_record(home: Path, scene: Scene) -> None:
    assert scene.run is not None
    resource = f"prefect.flow-run.{scene.run.id}"
    query = f"SELECT 1 FROM events WHERE event = '{HEARTBEAT}' AND resource_id = '{resource}'"
    await until(is_on_record(home, query), f"{scene.name} sends no heartbeat")


def is_on_record(home: Path, query: str) -> Callable[[], Awaitable[bool]]:
    """Whether the server's database has such a row: a question that is asked as seldom as those to the server."""

    async def found() -> bool:
        return bool(rows(home, query))

    return found


def rows(home: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(home / "prefect.db", timeout=30)) as database, database:
        return database.execute(query).fetchall()


def let_a_day_pass(home: Path, runs: Iterable[FlowRun], *, heartbeats: bool = True) -> None:
    """Put what is on record of these runs a day back; with `heartbeats=False` these stay as fresh as they are."""

    def back(table: str, columns: Iterable[str], where: str) -> None:
        changes = ", ".join(f"{column} = strftime('%Y-%m-%d %H:%M:%f000', {column}, '-1 day')" for column in columns)
        rows(home, f"UPDATE {table} SET {changes} WHERE {where}")

    for run in runs:
        back("flow_run", ("start_time", "end_time", "state_timestamp"), f"id = '{run.id}'")
        back("flow_run_state", ("timestamp",), f"flow_run_id = '{run.id}'")
        if heartbeats:
            back("events", ("received",), f"resource_id = 'prefect.flow-run.{run.id}'")


async def task_runs(runs: Iterable[FlowRun]) -> list[TaskRun]:
    async with get_client() as client:
        ids = FlowRunFilterId(any_=[run.id for run in runs])
        return await client.read_task_runs(flow_run_filter=FlowRunFilter(id=ids))


async def check(scene: Scene, gate: asyncio.Semaphore | None = None) -> LoopResult:
    """One more check of the loop, in this process; Prefect may take its time to let it begin."""
    async with gate or asyncio.Semaphore():
        return await check_through_prefect(scene.config(), seconds=PATIENCE)


async def test_the_run_after_a_killed_one_is_right_and_no_run_stays_running(aftermath: Aftermath, home: Path) -> None:
    """Each takes its own message only, and closes the record of what was killed before it."""
    killed = [await scene.now() for scene in aftermath.killed]
    unfinished = [run.name for run in killed if run.state and not run.state.is_final()]
    assert unfinished, "the automation has done it all, and nothing is tested here"
    let_a_day_pass(home, killed)
    for scene in aftermath.killed:
        scene.let_go()
    before = {scene.name: list(scene.imap.messages) for scene in aftermath.killed}
    results = await asyncio.gather(*(check(scene, aftermath.gate) for scene in aftermath.killed))
    for scene, result in zip(aftermath.killed, results, strict=True):
        assert result.outcome is Outcome.DELIVERED, f"{scene.name}: {result.sentence}"
        assert result.probe_id is not None
        assert result.probe_id.encode() in scene.smtp.messages[-1]
        assert scene.imap.messages == before[scene.name], f"{scene.name}: only its own message goes"
        assert scene.foreign_is_untouched
    for run in [await scene.now() for scene in aftermath.killed]:
        assert run.state is not None
        assert run.state.is_final(), f"{run.name} stays {run.state}"
    assert [run.name for run in await task_runs(killed) if run.state and not run.state.is_final()] == []


async def test_a_flow_goes_on_without_its_worker(aftermath: Aftermath) -> None:
    for scene in aftermath.orphans:
        run = await scene.now()
        assert run.state is not None
        assert run.state.name == "Delivered", run.state
        assert scene.foreign_is_untouched


async def test_a_cancelled_run_closes_its_connections_and_deletes_nothing(aftermath: Aftermath) -> None:
    for scene in aftermath.cancelled:
        run = await scene.now()
        assert run.state is not None
        assert run.state.type == StateType.CANCELLED, run.state
        await until(lambda scene=scene: scene.is_closed, f"{scene.name} leaves a connection open")  # type: ignore[misc]
        assert scene.foreign_is_untouched


async def test_a_killed_run_leaves_no_connection_open(aftermath: Aftermath) -> None:
    for scene in aftermath.killed:
        await until(lambda scene=scene: scene.is_closed, f"{scene.name} leaves a connection open")  # type: ignore[misc]


async def test_a_live_run_is_not_taken_for_a_dead_one_and_has_the_last_word(aftermath: Aftermath, home: Path) -> None:
    """However long it takes, its heartbeat counts; and were it believed to be dead, it would put that right."""
    async with Api(str(get_client().api_url)) as api, Scene("alive", "waiting", api) as scene:
        alive = asyncio.create_task(check(scene))
        await until(lambda: scene.is_reached, "the check does not begin")
        async with get_client() as client:
            await find([scene])
            run = await scene.now()
            await heartbeat_is_on_record(home, scene)
            let_a_day_pass(home, [run], heartbeats=False)
            assert (await check(scene)).outcome is Outcome.SKIPPED  # it looks for remains all the same
            now = (await scene.now()).state
            assert now is not None
            assert now.type == StateType.RUNNING
            await client.set_flow_run_state(run.id, Crashed(message="No heartbeat"))
        scene.imap.append(scene.smtp.messages[0])
        assert (await alive).outcome is Outcome.DELIVERED
        now = (await scene.now()).state
        assert now is not None
        assert now.name == "Delivered"


async def test_a_run_whose_heartbeat_stopped_is_crashed_by_the_automation(aftermath: Aftermath) -> None:
    """Nothing else would do it where flow and worker are gone. The silence is a shorter one here, all else the same."""
    for scene in aftermath.with_both:
        await until(scene.is_final, "the automation does nothing")
        state = (await scene.now()).state
        assert state is not None
        assert state.type == StateType.CRASHED
        assert str(state.message).endswith("the process was killed.")
        assert "heartbeat" in str(state.message)
        scene.let_go()
        assert (await check(scene)).outcome is Outcome.DELIVERED


async def test_the_automation_is_there_once_and_as_it_should_be(deployed: str) -> None:
    """However often `mail-loop serve` comes, and whatever was changed; only whether it is on is left to the user."""
    async with get_client() as client:
        for changes in ({}, {"enabled": False, "trigger": crash_silent_runs(timedelta(hours=1)).trigger}):
            (found,) = await client.read_automations_by_name(AUTOMATION)
            await client.update_automation(found.id, crash_silent_runs().model_copy(update=changes))
            await ensure_automation()
            (found,) = await client.read_automations_by_name(AUTOMATION)
            assert isinstance(found.trigger, EventTrigger)
            assert (found.enabled, found.trigger.within) == (not changes, HEARTBEAT_SILENCE)
        await client.update_automation(found.id, crash_silent_runs())
