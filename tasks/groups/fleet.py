"""How a run of a fleet ends: one table of all its checks, then the final state, named after the worst outcome."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import anyio
from prefect.artifacts import acreate_markdown_artifact, acreate_table_artifact
from prefect.client.schemas.objects import State
from prefect.states import Cancelled, Completed, Failed

from tasks.correlation.fleet_table import markdown, rows
from tasks.correlation.matrix_table import summary
from tasks.correlation.pattern import blame
from tasks.history.record import embedded_all
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


async def fleet_ended(
    name: str, checks: Sequence[Planned], results: Sequence[LoopResult], plain: Sequence[LoopResult] | None = None
) -> State[object]:
    """Record the fleet, and turn the results of its checks, in their order, into the final state.

    `plain` are those that are on record nowhere else; None where each has a report of its own.
    """
    status, outcome, text = summary({(str(place), ""): result for place, result in enumerate(results)})
    log.log(logging.INFO if status is Status.OK else logging.WARNING, "%s: %s", name, text)
    try:
        with anyio.fail_after(PUBLISH_SECONDS):
            key = artifact_key(fleet_name(name))
            if plain is None:
                await acreate_table_artifact(rows(results), key=key, description=f"{name}: {text}")
            else:
                report = f"{markdown(rows(results))}\n{embedded_all(plain)}\n"
                await acreate_markdown_artifact(report, key=key, description=f"{name}: {text}")
    except Exception as error:
        log.error("The table of the fleet %s could not be written: %s", name, type(error).__name__)
    await end_zombie_runs(name)
    shown = blame(checks, results)
    message = f"{text}: {shown}" if shown else text
    found = tuple(results)
    if outcome is Outcome.SKIPPED:
        return Cancelled(name=outcome.title(), message=message)
    if status is Status.ERROR:
        return Failed(name=outcome.title(), message=message, data=MatrixFailed(found, message))
    return Completed(name=outcome.title(), message=message, data=found)
