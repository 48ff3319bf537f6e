"""A check by the flow, on the mail system of a test."""

from __future__ import annotations

from typing import Any

from prefect.client.schemas.objects import State

from flows.mail_loop import mail_loop_check
from flows.through_prefect import result_of
from tasks.mail.config.loop import Limits
from tasks.mail.model.errors import CheckFailed, MatrixFailed
from tasks.mail.model.result import LoopResult

SOON = Limits(max_wait=20.0)


async def check(name: str, smtp: object, imap: object = None, limits: object = SOON) -> tuple[State[Any], LoopResult]:
    """Run the loop check; returns the state it ended in, and its result."""
    state: State[Any] = await mail_loop_check(name, smtp, imap, limits, return_state=True)
    return state, await result_of(state)


async def only_result(found: State[Any] | LoopResult) -> LoopResult:
    """The result of whatever ran one check: a flow of any kind, or none."""
    if isinstance(found, LoopResult):
        return found
    data: Any = await found.aresult(raise_on_failure=False)
    if isinstance(data, CheckFailed):
        return data.result
    (result,) = data.results if isinstance(data, MatrixFailed) else data if isinstance(data, tuple) else (data,)
    assert isinstance(result, LoopResult), repr(data)
    return result
