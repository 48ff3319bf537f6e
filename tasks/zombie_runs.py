"""What killed runs of a loop left on record: flow runs and task runs that are "Running" for good.

Prefect's server itself never ends them. A run of the same loop does, where the evidence is beyond doubt: a live run
sends heartbeats, every 180 s unless it is told to do so more often, and this one has fallen silent. All times compared
are the server's own. Should a live run have been cut off from the server for so long, it corrects the record when it
ends, for Prefect lets a final state follow "Crashed".
"""

import asyncio
import logging
from datetime import datetime, timedelta
from typing import Any

from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas import filters
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.events.filters import EventFilter, EventNameFilter, EventResourceFilter
from prefect.states import Cancelled, Crashed

from tasks.pages import newest_event
from tasks.run_context import as_begun

UNBEGUN_AFTER = timedelta(minutes=5)  # a worker takes a run 10 s before its time, and starts a process within seconds
_QUIET = timedelta(minutes=15)  # five of the rarest heartbeats
_NO_HEARTBEAT = timedelta(days=8)  # a run without any heartbeat on record is left alone: max_wait allows a week
_SECONDS = 5.0  # the verdict is reported by then, and the run waits for no more than this
_MAX_RUNS = 20  # runs looked at

_UNFINISHED = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]
_FINAL = [StateType.COMPLETED, StateType.FAILED, StateType.CRASHED, StateType.CANCELLED]
_WAITING = [StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING]  # a task run between two attempts is scheduled

log = logging.getLogger(__name__)


async def end_zombie_runs(loop: str) -> None:
    """Mark what dead runs of this flow and `loop` left as over. What goes wrong is logged, and that is all."""
    if (run := as_begun()) is None or run.state is None:
        return
    try:
        async with asyncio.timeout(_SECONDS), get_client() as client:
            await end_unbegun_runs(client, run, run.state.timestamp)
            for dead in await _dead_runs(client, run, loop, run.state.timestamp):
                # What it had begun first: should this be cut short, the run is found again.
                await _end_task_runs(
                    client, run, loop, filters.FlowRunFilter(id=filters.FlowRunFilterId(any_=[dead.id]))
                )
                await client.set_flow_run_state(dead.id, _ended(dead))
                log.warning("The earlier run %s was killed: marked as crashed.", dead.name)
            # Prefect learns of task runs by events, some time later: what ended just now may not be on record yet.
            before = filters.FlowRunFilterEndTime(before_=run.state.timestamp - _QUIET)
            final = filters.FlowRunFilter(
                name=filters.FlowRunFilterName(like_=loop), state=_in(_FINAL), end_time=before
            )
            await _end_task_runs(client, run, loop, final)
    except Exception as error:
        log.warning("Whether killed runs are still on record as running is not known: %s", type(error).__name__)


async def _dead_runs(client: PrefectClient, run: FlowRun, loop: str, now: datetime) -> list[FlowRun]:
    """Unfinished runs of the loop that give no sign of life."""
    found = await client.read_flow_runs(
        flow_filter=_flow_of(run),
        flow_run_filter=filters.FlowRunFilter(name=filters.FlowRunFilterName(like_=loop), state=_in(_UNFINISHED)),
        limit=_MAX_RUNS,
    )
    others = (other for other in found if other.id != run.id and _is_of(other, loop))
    return [other for other in others if await _is_silent(client, other, now)]


async def end_unbegun_runs(client: PrefectClient, run: FlowRun, now: datetime) -> None:
    """Mark as crashed what a worker has taken of this deployment, "Pending", and never begun, for it was killed.

    Prefect neither ends such a run nor gives it to another worker. Nor does this: one that begins late after all would
    send twice. Nothing was sent, and this run has taken place since. By the deployment: it has no name of ours yet.
    """
    if run.deployment_id is None:
        return
    taken = await client.read_flow_runs(
        deployment_filter=filters.DeploymentFilter(id=filters.DeploymentFilterId(any_=[run.deployment_id])),
        flow_run_filter=filters.FlowRunFilter(state=_in([StateType.PENDING])),
        limit=_MAX_RUNS,
    )
    for other in taken:
        if other.id != run.id and other.state is not None and other.state.timestamp < now - UNBEGUN_AFTER:
            state: State[Any] = Crashed(message="Taken by a worker that was killed before it began. Nothing was sent.")
            await client.set_flow_run_state(other.id, state)
            log.warning("The earlier run %s was taken and never begun: marked as crashed.", other.name)


async def _is_silent(client: PrefectClient, run: FlowRun, now: datetime) -> bool:
    if run.state is None or run.state.timestamp > now - _QUIET:
        return False
    heartbeats = EventFilter(
        resource=EventResourceFilter(id=[f"prefect.flow-run.{run.id}"]),
        event=EventNameFilter(name=["prefect.flow-run.heartbeat"]),
    )
    newest = await newest_event(client, heartbeats)
    return newest.received < now - _QUIET if newest else run.state.timestamp < now - _NO_HEARTBEAT


async def _end_task_runs(client: PrefectClient, run: FlowRun, loop: str, of: filters.FlowRunFilter) -> None:
    """Mark the unfinished task runs of these flow runs as crashed."""
    found = await client.read_task_runs(
        flow_filter=_flow_of(run),
        flow_run_filter=of,
        task_run_filter=filters.TaskRunFilter(
            state=filters.TaskRunFilterState(type=filters.TaskRunFilterStateType(any_=_WAITING))
        ),
        limit=_MAX_RUNS,
    )
    ended = {task_run.flow_run_id for task_run in found if task_run.flow_run_id is not None}
    ours = {flow_run_id for flow_run_id in ended if _is_of(await client.read_flow_run(flow_run_id), loop)}
    for task_run in found:
        if task_run.flow_run_id in ours:
            state: State[Any] = Crashed(message="The process of its flow run was killed.")
            await client.set_task_run_state(task_run.id, state)


def _flow_of(run: FlowRun) -> filters.FlowFilter:
    return filters.FlowFilter(id=filters.FlowFilterId(any_=[run.flow_id]))


def _in(types: list[StateType]) -> filters.FlowRunFilterState:
    return filters.FlowRunFilterState(type=filters.FlowRunFilterStateType(any_=types))


def _is_of(run: FlowRun, loop: str) -> bool:
    """The server compares only a part of a name. A run whose loop has the default name is named after it."""
    return bool(run.parameters.get("name", run.name) == loop)


def _ended(run: FlowRun) -> State[Any]:
    message = "The process was killed: it has sent no heartbeat for a long time."
    if run.state is not None and run.state.type is StateType.CANCELLING:  # may become nothing else
        return Cancelled(message=message)
    return Crashed(message=message)
