"""How a flow run ends: the verdict is reported first, then recorded, then made the run's final state.

In between, after the verdict, earlier probes are marked in the mailbox as reported, and what killed runs left on record
is cleared.
"""

import logging
from collections.abc import Callable
from datetime import UTC, datetime

from prefect.client.schemas.objects import State
from prefect.states import Cancelled, Completed, Failed

from tasks.mail.config.loop import CheckConfig, LoopConfig
from tasks.mail.engine import run_check
from tasks.mail.model.errors import CheckFailed, ConfigError
from tasks.mail.model.outcome import Outcome, Status
from tasks.mail.model.result import LoopResult
from tasks.mail.report.text import result_line
from tasks.mail.search.cleanup.acknowledge import settle
from tasks.mail.verdict.ends import misconfigured
from tasks.parameters import configuration_of
from tasks.publish import publish
from tasks.run_context import caller, name_this_run, this_run, to_its_end
from tasks.steps import PrefectSteps, context_of_run
from tasks.tracing.export import export_trace
from tasks.zombie_runs import end_zombie_runs

log = logging.getLogger(__name__)


async def run_single(name: object, configured: Callable[[], CheckConfig]) -> State[object]:
    """Run the one check of this flow run to its end. `configured` makes it of the parameters, or raises ConfigError."""
    with to_its_end():
        try:
            check = configured()
        except ConfigError as error:
            return await end_misconfigured(name, error)
        return await _end_run(await run_check(check, await context_of_run(PrefectSteps()), record_result))


async def _end_run(result: LoopResult) -> State[object]:
    """Name the run, clear what killed runs left, and turn its result, which is on record, into the final state."""
    if result.token is not None:
        await name_this_run(f"{result.loop} {result.token}")
    await end_zombie_runs(result.loop)
    return final_state(result)


def final_state(result: LoopResult) -> State[object]:
    """The state that a check ends in."""
    return state_after(result.status, result.outcome, result.sentence, result, CheckFailed(result))


def state_after(status: Status, outcome: Outcome, message: str, found: object, error: Exception) -> State[object]:
    """A final state that is named after the outcome, so that the list of runs reads as a history.

    It holds what was `found`, or `error` where a run fails by that.
    """
    name = outcome.title()
    if outcome is Outcome.SKIPPED:
        return Cancelled(name=name, message=message)
    if status is Status.ERROR:
        return Failed(name=name, message=message, data=error)
    return Completed(name=name, message=message, data=found)


async def end_misconfigured(name: object, error: ConfigError) -> State[object]:
    """Record that the parameters are wrong, and turn that into the final state."""
    result = misconfigured(str(name), str(error), this_run(), error.cause)
    await record_result(result)
    return await _end_run(result)


async def record_result(result: LoopResult, check: CheckConfig | None = None) -> None:
    """Report a result, then record it: of a run with many loops, each. `check` is None where it was wrong."""
    await record_reported(result, check, report_verdict(result))


def report_verdict(result: LoopResult) -> datetime:
    """Report a verdict to the log and to the caller, and return when. Prefect is asked for nothing."""
    reported_at = datetime.now(UTC)
    log.log(logging.INFO if result.status is Status.OK else logging.WARNING, "%s", result_line(result))
    if (called_by := caller.get()) is not None:
        called_by.on_verdict(result)
    return reported_at


async def record_reported(result: LoopResult, check: CheckConfig | None, reported_at: datetime) -> None:
    """Record a result that was reported. Its trace comes last, where one is wanted."""
    loop = check if isinstance(check, LoopConfig) else None
    if await publish(result, configuration_of(check), loop.limits if loop else None) and loop:
        await settle(result, loop)
    await export_trace(result, check, reported_at)
