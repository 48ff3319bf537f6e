"""Between Prefect's states and the facts that our steps return."""

import logging
from typing import Any, TypeVar

from prefect.client.schemas.objects import State
from prefect.states import Cancelled, Completed, Failed

from tasks.mail.model.errors import CheckFailed
from tasks.mail.model.outcome import Outcome, Status
from tasks.mail.model.result import LoopResult

_A = TypeVar("_A")
_B = TypeVar("_B")


def _without_empty_exception(record: logging.LogRecord) -> bool:
    """Prefect logs a task run that failed with its exception, also where there is none: a line `NoneType: None`."""
    if record.exc_info == (None, None, None):
        record.exc_info = None
    return True


logging.getLogger("prefect.task_runs").addFilter(_without_empty_exception)


async def finding(state: State[Any], success: type[_A], failure: type[_B]) -> _A | _B:
    """What a task found, be its state Completed or Failed. Raises what broke the task itself."""
    found = await state.aresult(raise_on_failure=False)
    if isinstance(found, (success, failure)):
        return found
    if isinstance(found, BaseException):
        raise found
    raise TypeError(f"a task ended {state.name} with {type(found).__name__}, not {success.__name__}")


def final_state(result: LoopResult) -> State[object]:
    """The state a flow run ends in: named after the outcome, so that the list of runs reads as a history."""
    name = result.outcome.title()
    if result.outcome is Outcome.SKIPPED:
        return Cancelled(name=name, message=result.sentence)
    if result.status is Status.ERROR:
        return Failed(name=name, message=result.sentence, data=CheckFailed(result))
    return Completed(name=name, message=result.sentence, data=result)
