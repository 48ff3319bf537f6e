"""How a flow run ends: the verdict is reported first, then recorded, then made the run's final state.

The record is one Markdown artifact, which carries the whole result, one event, and another for each earlier probe that
it names. After it earlier probes are marked in the mailbox as reported, and what killed runs left on record is cleared.
"""

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from uuid import NAMESPACE_URL, uuid5

import anyio
from prefect.artifacts import acreate_markdown_artifact
from prefect.client.schemas.objects import State
from prefect.events import emit_event
from prefect.states import Cancelled, Completed, Failed

from tasks.alert_store import CHECKED, RULE, resource, watched
from tasks.alerting import evaluate_alerts, labels_of
from tasks.history.record import embedded
from tasks.mail.config.loop import CheckConfig, LoopConfig
from tasks.mail.config.state_dir import make_private, open_state_file, state_home
from tasks.mail.engine import run_check
from tasks.mail.model.errors import CheckFailed, ConfigError, describe_os_error
from tasks.mail.model.outcome import Outcome, Status
from tasks.mail.model.result import LoopResult
from tasks.mail.report.report import markdown
from tasks.mail.report.text import result_line
from tasks.mail.search.cleanup.collect import settle
from tasks.mail.verdict.ends import misconfigured
from tasks.parameters import configuration_of
from tasks.run_context import caller, name_this_run, this_run, to_its_end
from tasks.steps import PrefectSteps, context_of_run
from tasks.tracing.export import export_trace
from tasks.zombie_runs import end_zombie_runs

PROBE_ARRIVED = "mail-loop.arrived"
PUBLISH_SECONDS = 20.0
UNPUBLISHED = "unpublished.log"

log = logging.getLogger(__name__)


def artifact_key(loop: str) -> str:
    """The key under which a loop's artifacts line up as its history."""
    return f"mail-loop-{loop}"


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
    if await publish(result, check) and isinstance(check, LoopConfig):
        await settle(result, check)
    await export_trace(result, check, reported_at)


def _keep(result: LoopResult) -> None:
    """Say a verdict that Prefect does not take where it can be found: nobody sees what a worker's run prints."""
    path = state_home() / UNPUBLISHED
    try:
        make_private(path.parent)
        with open(path, "a", encoding="utf-8", opener=open_state_file) as file:
            file.write(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {result_line(result)}\n")
    except OSError as error:
        log.error("The verdict on %s could not be kept in %s: %s", result.loop, path, describe_os_error(error))


async def publish(result: LoopResult, check: CheckConfig | None) -> bool:
    """Write the record of `result`; returns whether the artifact was written.

    What goes wrong here is logged, the verdict with it, and changes no verdict.
    """
    limits = check.limits if isinstance(check, LoopConfig) else None
    written = False
    try:
        with anyio.fail_after(PUBLISH_SECONDS):
            await acreate_markdown_artifact(
                f"{markdown(result, configuration_of(check), limits)}\n{embedded(result)}\n",
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
    """Send the events of a check: itself, for how long its loop may be silent, and the earlier probes in it."""
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
                # The same if it is reported again, after a kill: Prefect then keeps the one that it has.
                id=uuid5(NAMESPACE_URL, f"mail-loop:{result.loop}:{probe.probe_id}"),
            )
    except Exception as error:
        log.error("The event of %s could not be sent: %s", result.loop, type(error).__name__)
