"""The record of a check in Prefect: one Markdown artifact, which carries the whole result, one event, and another for
each earlier probe that it tells.
"""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import NAMESPACE_URL, uuid5

import anyio
from prefect.artifacts import acreate_markdown_artifact
from prefect.events import emit_event

from tasks.alert_store import CHECKED, RULE, resource, watched
from tasks.alerting import evaluate_alerts, labels_of
from tasks.history.record import embedded
from tasks.mail.config.loop import Limits
from tasks.mail.config.state_dir import make_private, open_state_file, state_home
from tasks.mail.model.errors import describe_os_error
from tasks.mail.model.result import LoopResult
from tasks.mail.report.report import markdown
from tasks.mail.report.text import result_line

PROBE_ARRIVED = "mail-loop.arrived"
PUBLISH_SECONDS = 20.0
UNPUBLISHED = "unpublished.log"

log = logging.getLogger(__name__)


def artifact_key(loop: str) -> str:
    """The key under which a loop's artifacts line up as its history."""
    return f"mail-loop-{loop}"


def _keep(result: LoopResult) -> None:
    """Say a verdict that Prefect does not take where it can be found: nobody sees what a worker's run prints."""
    path = state_home() / UNPUBLISHED
    try:
        make_private(path.parent)
        with open(path, "a", encoding="utf-8", opener=open_state_file) as file:
            file.write(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {result_line(result)}\n")
    except OSError as error:
        log.error("The verdict on %s could not be kept in %s: %s", result.loop, path, describe_os_error(error))


async def publish(
    result: LoopResult, configuration: Mapping[str, Mapping[str, object]], limits: Limits | None = None
) -> bool:
    """Write the record of `result`; returns whether the artifact was written.

    What goes wrong here is logged, the verdict with it, and changes no verdict.
    """
    written = False
    try:
        with anyio.fail_after(PUBLISH_SECONDS):
            await acreate_markdown_artifact(
                f"{markdown(result, configuration, limits)}\n{embedded(result)}\n",
                key=artifact_key(result.loop),
                # The UI takes it for Markdown in some places and for text in others: no word of a server's in it.
                description=f"{result.loop}: {result.status} ({result.outcome})",
            )
        written = True
    except Exception as error:
        log.error("The artifact of %s could not be written: %s", result.loop, type(error).__name__)
        _keep(result)
    labels, spans = await evaluate_alerts(result) if written else (labels_of(result), {})
    announce(result, labels, spans)
    return written


def announce(result: LoopResult, labels: Mapping[str, str], spans: Mapping[str, str]) -> None:
    """Send the events of a check: itself, for how long its loop may be silent, and the earlier probes that it tells."""
    loop = resource(result.loop)
    try:
        emit_event(CHECKED, resource={**loop, **labels}, payload=result.model_dump(mode="json"))
        for rule, span in spans.items():
            emit_event(
                watched(span),
                resource=loop | {RULE: rule},
                payload={"loop": result.loop, "sentence": result.sentence},
            )
        for probe in result.counted_probes:
            # The run that sent it, so that the event is found among those of that run.
            sender = {"prefect.resource.id": f"prefect.flow-run.{probe.flow_run_id}", "prefect.resource.role": "sender"}
            emit_event(
                PROBE_ARRIVED,
                resource=loop,
                related=[sender] if probe.flow_run_id is not None else [],
                payload=probe.model_dump(mode="json"),
                # The same if it is told again, after a kill: Prefect then keeps the one that it has.
                id=uuid5(NAMESPACE_URL, f"mail-loop:{result.loop}:{probe.probe_id}"),
            )
    except Exception as error:
        log.error("The event of %s could not be sent: %s", result.loop, type(error).__name__)
