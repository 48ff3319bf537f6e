"""Runs that leave something in every table. In a process of its own: Prefect sends events to the first server it had.

python -m tests.prefect.deployments.leavings KEY ...     one run for each, whose ids it prints
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from prefect import State, flow, get_run_logger, task
from prefect.artifacts import acreate_markdown_artifact
from prefect.events import emit_event


@task
async def leave(key: str) -> None:
    get_run_logger().info("one line")
    await acreate_markdown_artifact("one report", key=key)


@flow
async def leaves(key: str) -> None:
    await leave(key)
    emit_event(f"retention.{key}", resource={"prefect.resource.id": key})


async def main(keys: list[str]) -> None:
    for key in keys:
        state: State[Any] = await leaves(key, return_state=True)
        print(state.state_details.flow_run_id, flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
