"""Checks as Prefect flow runs, on the server that is configured.

Where Prefect does not let a check begin, the check is done without it: a verdict on the mail waits for no other server.
"""

import asyncio
import logging
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import State
from prefect.logging.handlers import APILogHandler

from flows import direct
from flows.concurrency import check_together
from flows.direct import Show
from flows.inbound import inbound_check
from flows.mail_loop import mail_loop_check
from flows.prefect_api.connection import api, in_a_thread
from flows.prefect_api.probe import ApiError, api_error
from flows.server.prefect import ServerError
from tasks.mail.config.loop import CheckConfig, InboundConfig
from tasks.mail.config.secrets import redactor_of, with_known_secrets
from tasks.mail.model.errors import CheckFailed
from tasks.mail.model.outcome import Leg
from tasks.mail.model.result import LoopResult
from tasks.mail.model.safe_text import one_line
from tasks.mail.verdict.ends import broken
from tasks.run_context import Caller, caller
from tasks.steps import finding

_AT_ONCE = 10  # flow runs that begin at once
MOST_RUNS = 16  # that wait at once: SQLite took 24 loops with 16 well, stalls with 40 and answers 503 with 50
BEGIN_SECONDS = 30.0  # for all that Prefect is asked before a check begins
RECORD_SECONDS = 30.0  # how long to wait until the server has written what happened

log = logging.getLogger(__name__)


class NotBegun(ServerError):
    """Prefect has not let the check begin, so no mail was sent. The text says why; `silent`: it has not answered."""

    def __init__(self, text: str, *, silent: bool = False) -> None:
        super().__init__(text)
        self.silent = silent


class _Turn:
    """Whose turn it is to send: that of the flow run from when it begins, ours if it has not until we ask."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.begun: asyncio.Future[None] = loop.create_future()
        self.reported: asyncio.Future[LoopResult] = loop.create_future()
        self._ours = False

    def begin(self) -> bool:
        """The flow run's question whether it may. No other task runs between this and is_over()."""
        if not self._ours and not self.begun.done():
            self.begun.set_result(None)
        return not self._ours

    def is_over(self) -> bool:
        """Whether the turn is ours; from then on the flow run may not begin."""
        self._ours = not self.begun.done() and not self.reported.done()
        return self._ours


def check_all_through_prefect(configs: Sequence[CheckConfig], show: Show) -> list[LoopResult]:
    """Run all checks concurrently; `show` gets each result as soon as it is there."""
    asked_at = time.monotonic()
    with ExitStack() as held:
        try:
            held.enter_context(api("none is configured: set PREFECT_API_URL"))
        except ServerError as error:
            why = str(error)  # `error` is gone when this is run
            results = in_a_thread(lambda: direct.check_all(configs, lambda result: show(_unrecorded(result, why))))
            return [_unrecorded(result, why) for result in results]
        left = BEGIN_SECONDS - (time.monotonic() - asked_at)
        return in_a_thread(lambda: _check_all(configs, left, show))


def _unrecorded(result: LoopResult, reason: str) -> LoopResult:
    note = one_line(f"Checked without Prefect, so nothing was recorded: {reason}", None)
    return result.model_copy(update={"notes": (*result.notes, note)})


async def _check_all(configs: Sequence[CheckConfig], seconds: float, show: Show) -> list[LoopResult]:
    silent = ""  # why Prefect is asked no more: each further check would wait for it as long again

    async def one(config: CheckConfig) -> LoopResult:
        nonlocal silent
        reason = silent
        try:
            if not reason:
                return await check_through_prefect(config, show, seconds)
        except NotBegun as error:
            reason = str(error)
            silent = silent or (reason if error.silent else "")
        except Exception as error:
            redact = redactor_of(with_known_secrets(config))
            print(redact.traceback_of(error), file=sys.stderr)
            result = broken(config.name, error, redact)
            show(result)
            return result
        return _unrecorded(await direct.check(config, lambda result: show(_unrecorded(result, reason))), reason)

    return await check_together(configs, one, _AT_ONCE, MOST_RUNS)


async def check_through_prefect(
    config: CheckConfig, show: Show = lambda result: None, seconds: float = BEGIN_SECONDS
) -> LoopResult:
    """Run one check as a flow run. Raises NotBegun where Prefect does not let it begin within `seconds`.

    Its verdict counts, and goes to `show`, from the moment it is reported, whatever becomes of Prefect then.
    """
    turn = _Turn()
    caller.set(Caller(turn.reported.set_result, turn.begin))
    run = asyncio.create_task(_flow_run(config))
    try:
        await asyncio.wait((run, turn.begun, turn.reported), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if turn.is_over():
            raise _not_begun(run, seconds)
        await asyncio.wait((run, turn.reported), return_when=asyncio.FIRST_COMPLETED)
        result = turn.reported.result() if turn.reported.done() else await result_of(await run)
        show(result)
        await asyncio.wait({run}, timeout=RECORD_SECONDS)
        # Where Prefect cannot take the state of the verdict, the run may have ended in another one.
        ended = run.done() and not run.cancelled() and run.exception() is None
        if not ended or run.result().name != result.outcome.title():
            # Not to the log: a terminal does not show Prefect's, and the server is not there to take it.
            print(f"{config.name}: note: Prefect could not record the end of this check", file=sys.stderr)
        return result
    finally:
        run.cancel()


def _not_begun(run: asyncio.Task[State[Any]], seconds: float) -> NotBegun:
    """Why the flow run has not begun."""
    if not run.done():
        return NotBegun(f"Prefect has not let the check begin within {seconds:.0f} s", silent=True)
    if run.cancelled() or (error := run.exception()) is None:
        return NotBegun("Prefect has ended the flow run before it began")
    cause = error.__cause__ if isinstance(error, RuntimeError) and isinstance(error.__cause__, Exception) else error
    if isinstance(cause, (httpx.HTTPError, ApiError)):
        return NotBegun(str(api_error(cause)))
    return NotBegun(f"Prefect could not begin the flow run ({type(error).__name__})")


async def _flow_run(config: CheckConfig) -> State[Any]:
    if isinstance(config, InboundConfig):
        return await inbound_check(config.mailbox, config.name, return_state=True)
    sections = (config.sender, config.mailbox, config.limits, config.bounce_mailbox)
    return await mail_loop_check(config.name, *sections, return_state=True)


async def result_of(state: State[Any]) -> LoopResult:
    """The result in a flow run's final state. Raises what broke the flow itself."""
    found = await finding(state, LoopResult, CheckFailed)
    return found.result if isinstance(found, CheckFailed) else found


async def records_written(results: Sequence[LoopResult]) -> None:
    """Wait until the server knows how every task run ended: it learns of that by events, some time later."""
    try:
        async with asyncio.timeout(RECORD_SECONDS), get_client() as client:
            await APILogHandler.aflush()
            for result in results:
                while not await _written(client, result):  # noqa: ASYNC110  # the server notifies nobody
                    await asyncio.sleep(0.2)
    except Exception as error:
        log.warning("The records in Prefect may not be complete: %s", type(error).__name__)


async def _written(client: PrefectClient, result: LoopResult) -> bool:
    if result.flow_run_id is None:
        return True
    runs = await client.read_task_runs(
        flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[UUID(result.flow_run_id)]))
    )
    expected = (result.attempts > 0) + bool(result.stages[Leg.RECEIVING])
    return len(runs) >= expected and all(run.state is not None and run.state.is_final() for run in runs)
