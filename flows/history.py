"""The history of the loops, from the runs that Prefect holds: read, reckoned, and shown as text, artifact or page."""

from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Annotated
from uuid import UUID

from prefect import flow
from prefect.artifacts import acreate_markdown_artifact
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas import filters
from prefect.client.schemas.objects import Artifact, FlowRun, State
from prefect.client.schemas.sorting import ArtifactSort, FlowRunSort
from prefect.states import Completed, Failed
from pydantic import Field

from flows.prefect_api.connection import api, in_a_thread
from flows.prefect_api.probe import impatient_client
from flows.registry import CHECK_FLOWS, FLEET_CHECK, LOOP_HISTORY
from tasks.alerts.rules import TRIAL
from tasks.finish import artifact_key
from tasks.history.figures import Figures, Window, histories, window
from tasks.history.record import extracted, extracted_all
from tasks.history.report import history_html, history_lines, history_markdown, in_short
from tasks.mail.checks import Check, loop_name, of_results, of_state
from tasks.mail.config.addresses import SLUG
from tasks.mail.model.durations import SPAN
from tasks.mail.model.errors import ConfigError
from tasks.mail.model.result import LoopResult
from tasks.pages import items, pages

OF_CHECKS = filters.FlowFilter(name=filters.FlowFilterName(any_=[entry.name for entry in CHECK_FLOWS]))
_UNDER_WAY = timedelta(hours=1)  # a run that has not ended is not held against the coverage until it is older

_FLEETS = artifact_key(FLEET_CHECK.report_name(""))  # what the keys of their reports begin with


@flow(name="loop-history", flow_run_name="history {since}", validate_parameters=False, persist_result=False, retries=0)
async def loop_history(
    loop: Annotated[str, Field(pattern=SLUG)] | None = None, since: Annotated[str, Field(pattern=SPAN)] = "7d"
) -> list[Figures] | State[object]:
    """Say in an artifact what the checks of a period found: availability, delivery times, outages and drift.

    Args:
        loop: Name of the loop, whose artifacts line up under mail-loop-history-<name>; without one all loops, under
            mail-loop-history.
        since: How far to look back, such as 90m, 24h, 7d or 4w.
    """
    try:
        period = window(str(since), datetime.now(UTC))
    except ConfigError as error:
        return Failed(name="Misconfigured", message=str(error), data=error)
    history = await read_figures(period, loop)
    await acreate_markdown_artifact(
        history_markdown(history, period),
        key=artifact_key(LOOP_HISTORY.report_name(loop) if loop else LOOP_HISTORY.report_prefix),
        description=in_short(history, period),
    )
    return Completed(message=in_short(history, period), data=history)


def show_history(loop: str | None, since: str, html: Path | None, say: Callable[[str], None]) -> int:
    """`mail-loop history`: as text through `say`, and as a page in the file `html`. Raises ServerError, ConfigError."""
    period = window(since, datetime.now(UTC))
    with api("the history of the checks is on the Prefect server that records them: set PREFECT_API_URL"):
        found = in_a_thread(lambda: read_figures(period, loop))
    for line in history_lines(found, period):
        say(line)
    if html is not None:
        try:
            html.write_text(history_html(found, period), encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"--html: cannot write {html} ({error.strerror}): check the path") from None
    return 0


async def read_figures(period: Window, loop: str | None = None) -> list[Figures]:
    """The figures of each loop but that of `mail-loop alerts test`, or of one, from what the configured API holds."""
    checks: list[Check] = []
    results: list[tuple[LoopResult, datetime]] = []
    async with impatient_client() as client:
        async for runs in _runs(client, period):
            wanted = {run.id: run for run in runs if _counts(run, period) and _may_be_of(run, loop)}
            recorded = await results_of(client, [*wanted]) if wanted else {}
            for run in wanted.values():
                if found := recorded[run.id]:
                    results += [(result, _began(run)) for result in found]
                else:
                    checks.append(_by_state(run))
    checks += of_results(results)
    asked = [check for check in checks if (check.loop != TRIAL if loop is None else check.loop == loop)]
    return histories(asked, period)


async def _runs(client: PrefectClient, period: Window) -> AsyncIterator[list[FlowRun]]:
    """The runs of our checks, page by page, in an order that no two runs share; each of them once."""
    seen: set[UUID] = set()
    within = filters.FlowRunFilterExpectedStartTime(after_=period.start, before_=period.end)
    due = filters.FlowRunFilter(expected_start_time=within)
    read = partial(client.read_flow_runs, flow_filter=OF_CHECKS, flow_run_filter=due, sort=FlowRunSort.ID_DESC)
    async for runs in pages(read):
        yield [run for run in runs if run.id not in seen]
        seen |= {run.id for run in runs}  # runs that are made meanwhile push others on to the next page


async def results_of(client: PrefectClient, runs: list[UUID]) -> defaultdict[UUID, list[LoopResult]]:
    """What these runs have on record: of one that was retried in the UI several results, of one of a fleet many."""
    reports: dict[UUID, Artifact] = {}  # by id, for one may come twice
    wanted = filters.ArtifactFilter(
        flow_run_id=filters.ArtifactFilterFlowRunId(any_=runs), type=filters.ArtifactFilterType(any_=["markdown"])
    )
    async for one in items(partial(client.read_artifacts, artifact_filter=wanted, sort=ArtifactSort.ID_DESC)):
        reports[one.id] = one
    found: defaultdict[UUID, list[LoopResult]] = defaultdict(list)
    for one in reports.values():
        if one.flow_run_id is not None:
            result = extracted(one.data)
            if result is not None and one.key == artifact_key(result.loop):
                found[one.flow_run_id].append(result)
            if (one.key or "").startswith(_FLEETS):
                found[one.flow_run_id] += extracted_all(one.data)
    return found


def _by_state(run: FlowRun) -> Check:
    """The check of a run that has no result on record."""
    state = run.state
    kind, name, message = (state.type.value, state.name or "", state.message) if state else ("PENDING", "", None)
    return of_state(loop_named_in(run), _began(run), kind, name, message)


def _began(run: FlowRun) -> datetime:
    began = run.start_time or run.expected_start_time or datetime.now(UTC)
    return datetime.fromtimestamp(began.timestamp(), UTC)  # Prefect's own kind of datetime does not divide


def _may_be_of(run: FlowRun, loop: str | None) -> bool:
    """Whether a run may have checked the loop: one of a matrix or a fleet checks many."""
    return loop in (None, loop_named_in(run)) or bool({"senders", "files", "loops"} & run.parameters.keys())


def loop_named_in(run: FlowRun) -> str:
    """The loop that a run is of: the parameter `name`, which only an inbound check may leave out."""
    return loop_name(run.parameters.get("name", "inbound"))


def _counts(run: FlowRun, period: Window) -> bool:
    """Whether a run has ended, or should have by now."""
    ended = run.state is not None and run.state.is_final()
    return ended or (run.expected_start_time or period.end) < period.end - _UNDER_WAY
