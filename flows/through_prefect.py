"""Checks as Prefect flow runs, on the server that is configured or on one of our own for as long as it takes."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import State
from prefect.logging.handlers import APILogHandler

from flows.concurrency import PATIENCE, Gates, room_for
from flows.inbound import inbound_check
from flows.mail_loop import mail_loop_check
from flows.prefect_api.connection import api, in_a_thread
from tasks.credentials import of_the_user
from tasks.finish import listener
from tasks.mail.config.loading.environment import with_known_passwords
from tasks.mail.config.loop import InboundConfig, LoopConfig
from tasks.mail.config.secrets import redactor_of
from tasks.mail.mailboxes.imap.pool.pool import together
from tasks.mail.model import progress
from tasks.mail.model.failed import CheckFailed
from tasks.mail.model.result import LoopResult
from tasks.mail.verdict.result import broken

AT_ONCE = 10  # flow runs that begin at once
MOST_RUNS = 16  # that wait at once: SQLite took 24 loops with 16 well, stalls with 40 and answers 503 with 50
RECORD_SECONDS = 30.0  # how long to wait until the server has written what happened

log = logging.getLogger(__name__)


def check_all(
    configs: Sequence[LoopConfig | InboundConfig], home: Path, show: Callable[[LoopResult], None]
) -> list[LoopResult]:
    """Run all checks concurrently; `show` gets each result as soon as it is there. Raises ServerError."""
    with api(home, "start it, correct PREFECT_API_URL, or do without Prefect with --direct") as private:
        return in_a_thread(lambda: _check_all(configs, private, show))


async def _check_all(
    configs: Sequence[LoopConfig | InboundConfig], private: bool, show: Callable[[LoopResult], None]
) -> list[LoopResult]:
    gates = Gates(AT_ONCE, PATIENCE, min(MOST_RUNS, room_for(len(configs))))

    async def one(config: LoopConfig | InboundConfig) -> LoopResult:
        async with gates.passed(config):
            progress.follow(config.name)
            try:
                return await check(config, show)
            except Exception as error:
                redact = redactor_of(with_known_passwords(config))
                print(redact.told(error), file=sys.stderr)
                result = broken(config.name, error, redact)
        show(result)
        return result

    async with together(len(configs)):
        results = await asyncio.gather(*(one(config) for config in configs))
    if private:
        await records_written(results)
    return results


async def check(
    config: LoopConfig | InboundConfig, show: Callable[[LoopResult], None] = lambda result: None
) -> LoopResult:
    """Run one check as a flow run.

    Its verdict counts, and goes to `show`, from the moment it is told, whatever becomes of Prefect then.
    """
    told: asyncio.Future[LoopResult] = asyncio.get_running_loop().create_future()
    listener.set(told.set_result)
    run = asyncio.create_task(_flow_run(config))
    first: tuple[asyncio.Future[Any], ...] = (run, told)
    try:
        await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        result = told.result() if told.done() else await result_of(await run)
        show(result)
        await asyncio.wait({run}, timeout=RECORD_SECONDS)
        if not run.done() or run.cancelled() or run.exception() is not None:
            # Not to the log: a terminal does not show Prefect's, and the server is not there to take it.
            print(f"{config.name}: note: Prefect could not record the end of this check", file=sys.stderr)
        return result
    finally:
        run.cancel()


async def _flow_run(config: LoopConfig | InboundConfig) -> State[Any]:
    with of_the_user():
        if isinstance(config, InboundConfig):
            return await inbound_check(config.imap, config.name, return_state=True)
        sections = (config.smtp, config.imap, config.limits, config.bounce_mailbox)
        return await mail_loop_check(config.name, *sections, return_state=True)


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


async def records_written(results: Sequence[LoopResult]) -> None:
    """Wait until the server knows how every task run ended: it learns of that by events, some time later."""
    try:
        async with asyncio.timeout(RECORD_SECONDS), get_client() as client:
            await APILogHandler.aflush()
            for result in results:
                while not await _written(client, result):  # noqa: ASYNC110  # the server tells nobody
                    await asyncio.sleep(0.2)
    except Exception as error:
        log.warning("The records in Prefect may not be complete: %s", type(error).__name__)


async def _written(client: PrefectClient, result: LoopResult) -> bool:
    if result.flow_run_id is None:
        return True
    runs = await client.read_task_runs(
        flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[UUID(result.flow_run_id)]))
    )
    expected = (result.attempts > 0) + bool(result.imap_stages)
    return len(runs) >= expected and all(run.state is not None and run.state.is_final() for run in runs)
