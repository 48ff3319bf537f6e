"""A machine whose clock is a day off from that of the Prefect server and of the mail system."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterName
from prefect.client.schemas.objects import FlowRun, StateType

from tests.prefect.failures.apart import Apart
from tests.prefect.failures.api import Api
from tests.prefect.failures.phases import until
from tests.support.clock import Clock

DAY = 86400


async def runs_of(loop: str) -> list[FlowRun]:
    async with get_client() as client:
        return await client.read_flow_runs(flow_run_filter=FlowRunFilter(name=FlowRunFilterName(like_=loop)))


@pytest.mark.long
@pytest.mark.parametrize("seconds", [DAY, -DAY])
async def test_a_clock_a_day_off_takes_no_live_run_for_a_dead_one(
    server: str, set_clock: Clock, tmp_path: Path, seconds: int
) -> None:
    """Another machine's check of the same loop, which still waits, goes on: the server's times alone are compared."""
    set_clock.set(seconds)
    name = f"skewed-{'ahead' if seconds > 0 else 'behind'}"
    async with Api(server) as api, Apart(name, api) as right, Apart(name, api) as wrong:
        right.smtp.deliver = lambda raw: None
        waiting = asyncio.create_task(right.run(tmp_path / "right"))
        await until(lambda: right.imap.count("IDLE") > 0, "the check does not wait")
        await wrong.run(tmp_path / "wrong", set_clock.env)
        assert wrong.verdict == (0, "delivered"), wrong
        off = rf"The mail server's clock is at least 86\d\d\d s {'slow' if seconds > 0 else 'fast'}"
        assert any(re.match(off, note) for note in wrong.result["notes"]), wrong.result["notes"]
        (live,) = [run for run in await runs_of(name) if run.state and not run.state.is_final()]
        assert live.state is not None
        assert live.state.type == StateType.RUNNING
        right.deliver(right.smtp.messages[0])
        await waiting
        assert right.verdict == (0, "delivered"), right
        assert {run.state_name for run in await runs_of(name)} == {"Delivered"}
