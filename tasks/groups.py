"""How a run of many loops is recorded: one report of all its checks, then the final state, named after the worst.

A loop that is ok may be an event and a line in that report alone: a task run and a report for each are most of what a
check costs Prefect. Whatever is not ok is recorded as ever.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime

import anyio
from prefect.artifacts import acreate_markdown_artifact, acreate_table_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State

from tasks.alert_store import RULES_VARIABLE, STATE_VARIABLE, read_variables, rules_in
from tasks.alerting import evaluate_alerts, labels_of
from tasks.alerts.rules import Rule
from tasks.correlation.pattern import Path, blame, pattern
from tasks.correlation.tables import fleet_markdown, fleet_rows, matrix_markdown, summary
from tasks.finish import PUBLISH_SECONDS, announce, artifact_key, record_reported, state_after
from tasks.history.record import embedded_all
from tasks.mail.config.loop import CheckConfig
from tasks.mail.config.matrix import Cell
from tasks.mail.config.plan import Planned
from tasks.mail.model.errors import MatrixFailed
from tasks.mail.model.outcome import Outcome, Status
from tasks.mail.model.result import LoopResult
from tasks.tracing.export import export_trace
from tasks.zombie_runs import end_zombie_runs

_ASK_SECONDS = 20.0
_Publish = Callable[[str], Awaitable[None]]

log = logging.getLogger(__name__)


class Brief:
    """The checks of one run. `plain` are those without a report of their own."""

    def __init__(self) -> None:
        self.plain: list[LoopResult] = []
        self._rules: list[Rule] | None = []
        self._remembered: set[str] = set()
        self._asking: asyncio.Task[None] | None = None

    def begin(self, loops: Sequence[str]) -> None:
        """Read once for all of them which rules there are, while the first are checked."""
        self._asking = asyncio.create_task(self._ask(loops))

    async def _ask(self, loops: Sequence[str]) -> None:
        """Where that fails, each check reads them."""
        try:
            async with asyncio.timeout(_ASK_SECONDS), get_client() as client:
                names = [RULES_VARIABLE, *(STATE_VARIABLE.format(loop=loop) for loop in loops)]
                found = await read_variables(client, names)
                self._rules = [*rules_in(found.pop(RULES_VARIABLE, {})).values()]
                self._remembered = {*found}
        except Exception as error:
            log.warning("Whether somebody must be called is asked for each loop: %s", type(error).__name__)
            self._rules = None

    async def record(self, result: LoopResult, config: CheckConfig, reported_at: datetime) -> None:
        """Record one result that was reported."""
        if result.status is not Status.OK or result.outcome is not Outcome.DELIVERED or result.earlier_probes:
            await record_reported(result, config, reported_at)
            return
        if self._asking is not None:
            await self._asking
        # A good check changes nothing where no outage of the loop is remembered, and no silence of it can end.
        matters = self._rules is None or STATE_VARIABLE.format(loop=result.loop) in self._remembered
        skip = not matters and not any(rule.misses(result.loop) for rule in self._rules or ())
        labels, spans = (labels_of(result), {}) if skip else await evaluate_alerts(result)
        announce(result, labels, spans)
        self.plain.append(result)
        await export_trace(result, config, reported_at)


async def finish_fleet(
    name: str,
    report_name: str,
    checks: Sequence[Planned],
    results: Sequence[LoopResult],
    plain: Sequence[LoopResult] | None = None,
) -> State[object]:
    """Record the fleet, and turn the results of its checks, in their order, into the final state.

    `plain` are those that are on record nowhere else; None where each has a report of its own.
    """

    async def publish(about: str) -> None:
        key, rows = artifact_key(report_name), fleet_rows(results)
        if plain is None:
            await acreate_table_artifact(rows, key=key, description=about)
        else:
            report = f"{fleet_markdown(rows)}\n{embedded_all(plain)}\n"
            await acreate_markdown_artifact(report, key=key, description=about)

    return await _finish(name, f"table of the fleet {name}", results, publish, blame(checks, results))


async def finish_matrix(name: str, report_name: str, results: Mapping[Cell, LoopResult]) -> State[object]:
    """Record the matrix, and turn its results into the final state."""
    shown = pattern([Path(*cell, result) for cell, result in results.items()])

    async def publish(about: str) -> None:
        report = matrix_markdown(results, shown, {cell: artifact_key(one.loop) for cell, one in results.items()})
        await acreate_markdown_artifact(report, key=artifact_key(report_name), description=about)

    return await _finish(name, f"artifact of the matrix {name}", [*results.values()], publish, shown)


async def _finish(
    name: str, artifact: str, results: Sequence[LoopResult], publish: _Publish, shown: str | None
) -> State[object]:
    """`artifact` names in the log what `publish` makes; `shown` is what the results show together."""
    status, outcome, text = summary(results)
    log.log(logging.INFO if status is Status.OK else logging.WARNING, "%s: %s", name, text)
    try:
        with anyio.fail_after(PUBLISH_SECONDS):
            await publish(f"{name}: {text}")
    except Exception as error:
        log.error("The %s could not be written: %s", artifact, type(error).__name__)
    await end_zombie_runs(name)
    message = f"{text}: {shown}" if shown else text
    found = tuple(results)
    return state_after(status, outcome, message, found, MatrixFailed(found, message))
