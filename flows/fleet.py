"""Hundreds of loops in one Prefect flow run, each as a task run of its own."""

from collections.abc import Awaitable, Callable
from datetime import datetime

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from pydantic.json_schema import SkipJsonSchema

from flows.concurrency import PATIENCE, check_together
from flows.registry import FLEET_CHECK
from tasks.finish import end_misconfigured, final_state, record_reported, report_verdict
from tasks.groups import Brief, finish_fleet
from tasks.mail.config.loop import CheckConfig
from tasks.mail.engine import Context, PlainSteps, run_check
from tasks.mail.model.errors import ConfigError
from tasks.mail.model.result import LoopResult
from tasks.mail.net.limits import Limiter
from tasks.mail.verdict.ends import broken
from tasks.parameters import FleetLoop, check_flow, fleet_of
from tasks.run_context import to_its_end
from tasks.steps import context_of_run

RECORDING = 2  # reports on their way to the server at once: more of them would hold up those who still look for mail


@check_flow
async def fleet_check(
    name: str,
    files: list[str] | SkipJsonSchema[None] = None,
    loops: dict[str, FleetLoop] | SkipJsonSchema[None] = None,
    brief: bool = False,
) -> tuple[LoopResult, ...] | State[object]:
    """Check all loops of a fleet at the same time, and show them in one table.

    Each loop is a task run, which ends in a state that is named after its outcome, and leaves the record of a loop. The
    final state is named after the worst of them. An error raises MatrixFailed, whose `results` are those of all loops;
    otherwise they are returned.

    Args:
        name: Name of the fleet, a slug such as sites; its tables line up under mail-loop-fleet-<name>.
        files: Files or folders with the loops, on the machine of the worker.
        loops: The loops, each under its name; instead of files, or in addition to them.
        brief: Task runs and reports only for what is not ok, for which thousands of loops leave room.
    """
    report_name = FLEET_CHECK.report_name(name)
    with to_its_end():
        try:
            checks = fleet_of(name, files, loops)
        except ConfigError as error:
            return await end_misconfigured(report_name, error)
        recording, context = Limiter(RECORDING, PATIENCE), await context_of_run(PlainSteps())
        briefly = Brief() if brief else None
        if briefly is not None:
            briefly.begin([one.config.name for one in checks])

        async def check(config: CheckConfig) -> LoopResult:
            case = Case(config, context, recording)
            if briefly is None:
                await check_one(case, return_state=True)  # type: ignore[misc]  # typed as if it were not async
            else:
                await case.run(briefly.record)
            return case.result or broken(case.name, RuntimeError("the task ended without a result"))

        results = await check_together([one.config for one in checks], check)
        return await finish_fleet(name, report_name, checks, results, briefly.plain if briefly else None)


class Case:
    """One check of a fleet, and what came of it. No dataclass: Prefect would take it apart and put it together anew."""

    def __init__(self, config: CheckConfig, context: Context, recording: Limiter) -> None:
        self.name = config.name
        self.result: LoopResult | None = None
        self._config = config
        self._context = context
        self._recording = recording

    async def run(self, record: Callable[[LoopResult, CheckConfig, datetime], Awaitable[None]]) -> LoopResult:
        """Check the loop. Whatever comes of that is reported at once, and recorded when it is its turn."""

        async def reported(result: LoopResult, config: CheckConfig) -> None:
            self.result = result
            reported_at = report_verdict(result)
            async with self._recording.one():
                await record(result, config, reported_at)

        return await run_check(self._config, self._context, reported)


@task(name="check", task_run_name="{case.name}", cache_policy=NO_CACHE, persist_result=False, retries=0)
async def check_one(case: Case) -> State[object]:
    """Check one loop and record what came of it. Whatever that is, the others go on."""
    return final_state(await case.run(record_reported))
