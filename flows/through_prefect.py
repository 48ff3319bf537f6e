"""Checks as Prefect flow runs, on the server that is configured or on one of our own for as long as it takes."""

from __future__ import annotations

import asyncio
import logging
import time
import traceback
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import State
from prefect.logging.handlers import APILogHandler
from prefect.settings import PREFECT_API_URL, get_current_settings, temporary_settings

from flows.inbound import inbound_check
from flows.mail_loop import mail_loop_check
from flows.server import ServerError, private_server
from tasks.mail.conclude import broken
from tasks.mail.config import InboundConfig, LoopConfig
from tasks.mail.errors import CheckFailed
from tasks.mail.result import LoopResult

AT_ONCE = 10  # flow runs in one process: SQLite stalls with 20 and answers 503 with 50
RECORD_SECONDS = 30.0  # how long to wait until the server has written what happened

log = logging.getLogger(__name__)


async def check_all(
    configs: Sequence[LoopConfig | InboundConfig], home: Path, show: Callable[[LoopResult], None]
) -> None:
    """Run all checks concurrently; `show` gets each result as soon as it is there."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(config: LoopConfig | InboundConfig) -> LoopResult:
        async with gate:
            try:
                result = await check(config)
            except Exception as error:
                traceback.print_exc()
                result = broken(config.name, error)
        show(result)
        return result

    async with _api(home) as private:
        results = await asyncio.gather(*(one(config) for config in configs))
        if private:
            await records_written(results)


async def check(config: LoopConfig | InboundConfig) -> LoopResult:
    """Run one check as a flow run, and take its result out of the final state."""
    if isinstance(config, InboundConfig):
        state = await inbound_check(config.imap, config.name, return_state=True)
    else:
        state = await mail_loop_check(config.name, config.smtp, config.imap, config.limits, return_state=True)
    return await result_of(state)


async def result_of(state: State[Any]) -> LoopResult:
    """The result in a flow run's final state. Raises what broke the flow itself."""
    found = await state.aresult(raise_on_failure=False)
    if isinstance(found, CheckFailed):
        return found.result
    if isinstance(found, LoopResult):
        return found
    if isinstance(found, BaseException):
        raise found
    raise TypeError(f"the flow run ended {state.name} without a result")


@asynccontextmanager
async def _api(home: Path) -> AsyncIterator[bool]:
    """The configured API, else a private one; yields whether it is private. Raises ServerError."""
    if url := get_current_settings().api.url:
        async with get_client() as client:
            if (error := await client.api_healthcheck()) is not None:
                raise ServerError(
                    f"the Prefect server at {url} does not answer ({type(error).__name__}): "
                    "start it, or do without Prefect with --direct"
                )
        yield False
        return
    with ExitStack() as stack:
        url = await asyncio.to_thread(stack.enter_context, private_server(home))
        stack.enter_context(temporary_settings({PREFECT_API_URL: url}))
        yield True


async def records_written(results: Sequence[LoopResult]) -> None:
    """Wait until the server knows how every task run ended: it learns of that by events, some time later."""
    until = time.monotonic() + RECORD_SECONDS
    await APILogHandler.aflush()
    async with get_client() as client:
        for result in results:
            while not await _written(client, result):
                if time.monotonic() > until:
                    log.warning("The records of %s are not complete: the Prefect server was too slow.", result.loop)
                    return
                await asyncio.sleep(0.2)


async def _written(client: PrefectClient, result: LoopResult) -> bool:
    if result.flow_run_id is None:
        return True
    runs = await client.read_task_runs(
        flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[UUID(result.flow_run_id)]))
    )
    expected = (result.attempts > 0) + bool(result.imap_stages)
    return len(runs) >= expected and all(run.state is not None and run.state.is_final() for run in runs)
