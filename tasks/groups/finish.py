"""How a run of many loops ends: one report of all its checks, then the final state, named after the worst outcome."""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence

import anyio
from prefect.artifacts import acreate_markdown_artifact, acreate_table_artifact
from prefect.client.schemas.objects import State
from prefect.states import Cancelled, Completed, Failed

from tasks.correlation.observation import Path
from tasks.correlation.pattern import blame, pattern
from tasks.correlation.tables import fleet_markdown, fleet_rows, matrix_markdown, summary
from tasks.history.record import embedded_all
from tasks.mail.config.matrix import Cell
from tasks.mail.config.plan import Planned
from tasks.mail.model.failed import MatrixFailed
from tasks.mail.model.outcome import Outcome, Status
from tasks.mail.model.result import LoopResult
from tasks.publish import PUBLISH_SECONDS, artifact_key
from tasks.zombie_runs import end_zombie_runs

log = logging.getLogger(__name__)


def fleet_name(name: object) -> str:
    """What a fleet is called beside the loops, whose artifacts have their names."""
    return f"fleet-{name}"


def matrix_name(name: object) -> str:
    """The same for a matrix."""
    return f"matrix-{name}"


async def finish_fleet(
    name: str, checks: Sequence[Planned], results: Sequence[LoopResult], plain: Sequence[LoopResult] | None = None
) -> State[object]:
    """Record the fleet, and turn the results of its checks, in their order, into the final state.

    `plain` are those that are on record nowhere else; None where each has a report of its own.
    """

    async def publish(about: str) -> None:
        key, rows = artifact_key(fleet_name(name)), fleet_rows(results)
        if plain is None:
            await acreate_table_artifact(rows, key=key, description=about)
        else:
            report = f"{fleet_markdown(rows)}\n{embedded_all(plain)}\n"
            await acreate_markdown_artifact(report, key=key, description=about)

    return await _finish(name, f"table of the fleet {name}", results, publish, blame(checks, results))


async def finish_matrix(name: str, results: Mapping[Cell, LoopResult]) -> State[object]:
    """Record the matrix, and turn its results into the final state."""
    shown = pattern([Path(*cell, result) for cell, result in results.items()])

    async def publish(about: str) -> None:
        report = matrix_markdown(results, shown, {cell: artifact_key(one.loop) for cell, one in results.items()})
        await acreate_markdown_artifact(report, key=artifact_key(matrix_name(name)), description=about)

    return await _finish(name, f"artifact of the matrix {name}", [*results.values()], publish, shown)


async def _finish(
    name: str,
    artifact: str,
    results: Sequence[LoopResult],
    publish: Callable[[str], Awaitable[None]],
    shown: str | None,
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
    if outcome is Outcome.SKIPPED:
        return Cancelled(name=outcome.title(), message=message)
    if status is Status.ERROR:
        return Failed(name=outcome.title(), message=message, data=MatrixFailed(found, message))
    return Completed(name=outcome.title(), message=message, data=found)
