"""What a worker's runs make of an API that is gone in the middle of them, and of two schedules due at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.schedules import IntervalSchedule

from tasks.finish import UNPUBLISHED
from tasks.mail.config.state_dir import state_home
from tests.prefect.failures.api import Api
from tests.prefect.failures.phases import Scene, deployment_on, until, worker
from tests.prefect.records import SOCKETS_LEFT_OPEN

pytestmark = pytest.mark.filterwarnings(SOCKETS_LEFT_OPEN)

GIVEN_UP = "Concurrency lease renewal failed - slots are no longer reserved. Terminating execution"
AHEAD = timedelta(seconds=25)  # time for the scheduler to make the runs


def stands_in(file: Path, text: str) -> bool:
    return file.exists() and text in file.read_text(encoding="utf-8")


async def runs_of(deployment: UUID) -> list[FlowRun]:
    """The runs of a deployment, in the order in which they ended."""
    async with get_client() as client:
        of_this = DeploymentFilter(id=DeploymentFilterId(any_=[deployment]))
        runs = await client.read_flow_runs(deployment_filter=of_this)
    now = datetime.now(UTC)
    return sorted((run for run in runs if due(run) < now + AHEAD), key=lambda run: run.end_time or now)


def due(run: FlowRun) -> datetime:
    assert run.expected_start_time is not None
    return run.expected_start_time


@pytest.mark.long
async def test_a_run_that_prefect_would_give_up_reaches_its_verdict_and_logs_it(deployed: str, home: Path) -> None:
    """The API is gone at the start, and with it the lease of the deployment's concurrency limit.

    Prefect then cancels the run when renewing the lease has failed three times; and nobody takes a record.
    """
    async with Api(deployed, dies_at=b"/renew") as api, Scene("leased", "waiting", api) as scene:
        deployment = await deployment_on("leased", stream_output=True, concurrency_limit=1)
        # Else Prefect takes minutes to give up.
        with worker(home, api.port, "leased", PREFECT_CLIENT_MAX_RETRIES="1"):
            await scene.start(deployment)
            assert api.reached.is_set()
            await until(lambda: stands_in(home / "leased.log", GIVEN_UP), "Prefect does not give the run up")
            scene.deliver_late()
            unpublished = state_home() / UNPUBLISHED
            verdict = " leased: ok (delivered): Mail gets through"
            await until(lambda: stands_in(unpublished, verdict), "no verdict is logged")
            await until(lambda: scene.is_closed, "a connection stays open")
        assert scene.foreign_is_untouched
        assert len(scene.imap.messages) == 1  # the foreign one


@pytest.mark.long
async def test_of_two_schedules_due_at_once_one_checks_and_the_other_is_skipped(deployed: str, home: Path) -> None:
    """At once, as "Cancelled", and without a second message."""
    start = datetime.now(UTC) + AHEAD
    schedules = [
        DeploymentScheduleCreate(
            schedule=IntervalSchedule(interval=timedelta(days=1), anchor_date=start), slug=slug, active=True
        )
        for slug in ("one", "other")
    ]
    async with Api(deployed) as api, Scene("twice", "waiting", api) as scene:
        deployment = await deployment_on("twice", schedules=schedules, parameters=scene.parameters())
        with worker(home, httpx.URL(deployed).port or 80, "twice"):

            async def one_has_ended() -> bool:
                runs = await runs_of(deployment)
                return any(run.state is not None and run.state.is_final() for run in runs)

            async def both_have_ended() -> bool:
                runs = await runs_of(deployment)
                return all(run.state is not None and run.state.is_final() for run in runs)

            await until(one_has_ended, "no run is skipped")
            await until(lambda: scene.is_reached, "no run sends")
            scene.deliver_late()
            await until(both_have_ended, "the run does not end")
        first, second = await runs_of(deployment)
        assert due(first) == due(second)
        assert first.state is not None
        assert second.state is not None
        assert (first.state.type, first.state.name) == (StateType.CANCELLED, "Skipped")
        assert "another check of this loop is running" in str(first.state.message)
        assert (second.state.type, second.state.name) == (StateType.COMPLETED, "Delivered")
        assert scene.smtp.count("RCPT") == len(scene.smtp.messages) == 1
