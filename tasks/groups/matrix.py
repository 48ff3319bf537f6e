"""How a run of a matrix ends: what its loops show together is recorded, then made the run's final state."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import anyio
from prefect.artifacts import acreate_markdown_artifact
from prefect.client.schemas.objects import State
from prefect.states import Cancelled, Completed, Failed

from tasks.correlation.matrix_table import markdown, summary
from tasks.correlation.observation import Path
from tasks.correlation.pattern import pattern
from tasks.mail.config.matrix import Cell
from tasks.mail.model.failed import MatrixFailed
from tasks.mail.model.outcome import Outcome, Status
from tasks.mail.model.result import LoopResult
from tasks.publish import PUBLISH_SECONDS, artifact_key
from tasks.zombie_runs import end_zombie_runs

log = logging.getLogger(__name__)


def matrix_name(name: object) -> str:
    """What a matrix is called beside the loops, whose artifacts have their names."""
    return f"matrix-{name}"


async def matrix_ended(name: str, results: Mapping[Cell, LoopResult]) -> State[object]:
    """Record the matrix, and turn its results into the final state: named after the worst outcome, like a loop's."""
    shown = pattern([Path(*cell, result) for cell, result in results.items()])
    status, outcome, text = summary(results)
    log.log(logging.INFO if status is Status.OK else logging.WARNING, "%s: %s", name, text)
    await _publish(name, markdown(results, shown, {c: artifact_key(r.loop) for c, r in results.items()}), text)
    await end_zombie_runs(name)
    message = f"{text}: {shown}" if shown else text
    found = tuple(results.values())
    if outcome is Outcome.SKIPPED:
        return Cancelled(name=outcome.title(), message=message)
    if status is Status.ERROR:
        return Failed(name=outcome.title(), message=message, data=MatrixFailed(found, message))
    return Completed(name=outcome.title(), message=message, data=found)


async def _publish(name: str, artifact: str, text: str) -> None:
    try:
        with anyio.fail_after(PUBLISH_SECONDS):
            await acreate_markdown_artifact(
                artifact, key=artifact_key(matrix_name(name)), description=f"{name}: {text}"
            )
    except Exception as error:
        log.error("The artifact of the matrix %s could not be written: %s", name, type(error).__name__)
