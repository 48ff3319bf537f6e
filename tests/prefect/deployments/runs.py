"""Runs of deployments by a real worker."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun

PATIENCE = 240.0


async def create_run(deployment: str, parameters: dict[str, Any], **options: Any) -> FlowRun:
    async with get_client() as client:
        found = await client.read_deployment_by_name(deployment)
        return await client.create_flow_run_from_deployment(found.id, parameters=parameters, **options)


async def ended(run: FlowRun) -> FlowRun:
    """The run, once the worker has brought it to an end."""
    until = time.monotonic() + PATIENCE
    async with get_client() as client:
        while not ((now := await client.read_flow_run(run.id)).state and now.state.is_final()):
            assert time.monotonic() < until, f"the worker left {now.state}"
            await asyncio.sleep(0.5)
    return now
