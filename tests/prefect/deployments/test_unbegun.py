"""Runs that a killed worker had taken and never begun are ended by the next run of their deployment, and no others."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from prefect import State
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.states import Pending, Running

from tasks.zombie_runs import UNBEGUN_AFTER, end_unbegun_runs
from tests.prefect.records import SOCKETS_LEFT_OPEN

pytestmark = [pytest.mark.filterwarnings(SOCKETS_LEFT_OPEN), pytest.mark.usefixtures("server")]


async def state_of(run: FlowRun) -> State[object]:
    async with get_client() as client:
        state = (await client.read_flow_run(run.id)).state
    assert state is not None
    return state


@pytest.mark.long
async def test_the_next_run_of_a_deployment_ends_what_was_taken_and_never_begun_and_nothing_else(name: str) -> None:
    """It is not given to another worker: should the first one begin after all, it would send twice."""
    async with get_client() as client:
        flow_id = await client.create_flow_from_name("mail-loop-check")
        mine, another = [await client.create_deployment(flow_id, f"{name}-{n}") for n in range(2)]
        taken, begun, due, now = [await client.create_flow_run_from_deployment(mine) for _ in range(4)]
        foreign = await client.create_flow_run_from_deployment(another)
        for run in (taken, begun, foreign, now):
            await client.set_flow_run_state(run.id, Pending())
        for run in (begun, now):
            await client.set_flow_run_state(run.id, Running())

        async def later(length: timedelta) -> list[StateType]:
            await end_unbegun_runs(client, await client.read_flow_run(now.id), datetime.now(UTC) + length)
            return [(await state_of(run)).type for run in (taken, begun, due, foreign, now)]

        untouched = [StateType.PENDING, StateType.RUNNING, StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING]
        assert await later(UNBEGUN_AFTER - timedelta(seconds=30)) == untouched
        assert await later(UNBEGUN_AFTER + timedelta(seconds=30)) == [StateType.CRASHED, *untouched[1:]]
        assert (await state_of(taken)).message == "Taken by a worker that was killed before it began. Nothing was sent."
        for deployment in (mine, another):  # else their runs would be due for ever
            await client.delete_deployment(deployment)
