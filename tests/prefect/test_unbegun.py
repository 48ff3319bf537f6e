"""Runs that a worker has taken and never begun, for it was killed."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from uuid import UUID

import pytest
from prefect import State
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.events import EventTrigger, ResourceSpecification
from prefect.states import Pending, Running

from flows.automation import START, UNBEGUN, crash_unbegun_runs, ensure
from flows.mail_loop import mail_loop_check
from tests.prefect.records import SOCKETS_LEFT_OPEN

pytestmark = pytest.mark.filterwarnings(SOCKETS_LEFT_OPEN)

PATIENCE = 120.0


async def state_of(run: FlowRun) -> State[object]:
    async with get_client() as client:
        state = (await client.read_flow_run(run.id)).state
    assert state is not None
    return state


async def eager(name: str) -> UUID:
    """The automation once more, for the runs of this test, and with less patience."""
    automation = crash_unbegun_runs(timedelta(seconds=5))
    assert isinstance(automation.trigger, EventTrigger)
    assert isinstance(automation.trigger.match, ResourceSpecification)
    match = {**automation.trigger.match.root, "prefect.resource.name": [f"{name}*"]}
    trigger = automation.trigger.model_copy(update={"match": ResourceSpecification(match)})
    async with get_client() as client:
        return await client.create_automation(automation.model_copy(update={"name": name, "trigger": trigger}))


async def test_a_run_that_never_begins_is_crashed_and_one_that_begins_is_not(server: str, name: str) -> None:
    """It is not given to another worker: should the first one begin after all, it would send twice."""
    automation = await eager(name)
    async with get_client() as client:
        taken, begun = [await client.create_flow_run(mail_loop_check, name=f"{name}-{n}") for n in range(2)]
        for run in (taken, begun):
            await client.set_flow_run_state(run.id, Pending())
        await client.set_flow_run_state(begun.id, Running())
        until = time.monotonic() + PATIENCE
        while not (state := await state_of(taken)).is_final():
            assert time.monotonic() < until, "the automation does nothing"
            await asyncio.sleep(0.2)
        assert state.type is StateType.CRASHED
        assert state.message == "Not begun within 5 s: its worker was killed. Nothing was sent."
        assert (await state_of(begun)).type is StateType.RUNNING
        await client.delete_automation(automation)


async def test_the_automation_is_made_with_the_other_one(server: str) -> None:
    for _ in range(2):
        await ensure(server)
    async with get_client() as client:
        (found,) = await client.read_automations_by_name(UNBEGUN)
    assert isinstance(found.trigger, EventTrigger)
    assert found.trigger.within == START
