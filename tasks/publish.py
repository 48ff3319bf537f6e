"""The record of a check in Prefect: one Markdown artifact and one event."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import anyio
from prefect.artifacts import acreate_markdown_artifact
from prefect.events import emit_event

from tasks.mail.report import markdown
from tasks.mail.result import LoopResult

EVENT = "mail-loop.checked"
PUBLISH_SECONDS = 20.0

log = logging.getLogger(__name__)


def artifact_key(loop: str) -> str:
    """The key under which a loop's artifacts line up as its history."""
    return f"mail-loop-{loop}"


async def publish(result: LoopResult, configuration: Mapping[str, Mapping[str, object]]) -> None:
    """Write the record of `result`. Whatever goes wrong here is logged, and changes no verdict."""
    try:
        with anyio.fail_after(PUBLISH_SECONDS):
            await acreate_markdown_artifact(
                markdown(result, configuration),
                key=artifact_key(result.loop),
                # The UI takes it for Markdown in some places and for text in others: no word of a server's in it.
                description=f"{result.loop}: {result.status} ({result.outcome})",
            )
    except Exception as error:
        log.error("The artifact of %s could not be written: %s", result.loop, type(error).__name__)
    try:
        emit_event(
            EVENT,
            resource={"prefect.resource.id": f"mail-loop.loop.{result.loop}", "prefect.resource.name": result.loop},
            payload=result.model_dump(mode="json"),
        )
    except Exception as error:
        log.error("The event of %s could not be sent: %s", result.loop, type(error).__name__)
