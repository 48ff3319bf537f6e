"""What the exporter reads of Prefect: the runs and events of checks, each of them once."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas import filters
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.sorting import ArtifactCollectionSort, FlowRunSort
from prefect.events.filters import EventOrder
from prefect.events.schemas.events import ReceivedEvent

from flows.history import OF_CHECKS, loop_named_in, results_of
from flows.prefect_api.probe import impatient_client
from flows.registry import LOOP_MATRIX
from tasks.alert_store import LOOP_RESOURCE, check_events
from tasks.finish import artifact_key
from tasks.history.record import extracted, result_from
from tasks.mail.checks import of_result, of_state
from tasks.mail.model.result import LoopResult
from tasks.metrics.loop import Remembered, Sighting, identity
from tasks.pages import ReadPage, chunks, items, read_events

_EVENT_LATE = timedelta(minutes=2)  # an event that comes later than this is made up for by the artifact of its run
_STORED_APART = timedelta(seconds=30)  # between the order in which runs end and that in which they are stored
REMEMBERED = timedelta(hours=2)
EVENT_GRACE = timedelta(seconds=30)  # after the end of a run, in which its event may still come
_CLOCK_AHEAD = timedelta(days=1)  # the clock of a worker may be: its events are read all the same
_NEWEST_CHECKS = 11  # checks of a loop that are looked at to know how it stands: the last success may be one of them
_KNOWN_SINCE = timedelta(days=70)  # since when a loop must have been checked to be known
_AUTO_SCHEDULED = "prefect.tag.auto-scheduled"  # a run that a schedule has started, among what an event is related to
_OLDEST = datetime(2020, 1, 1, tzinfo=UTC)  # before any run


@dataclass
class NewSightings:
    """What a read found. `known` was there before the first one, and says only how things stand."""

    new: list[Sighting] = field(default_factory=list)
    known: list[Sighting] = field(default_factory=list)
    unreadable: int = 0


class Sightings:
    """Reads on from where the read before ended; one that fails is made up for by the next.

    A result is an event, else an artifact of a run that has ended; a run with neither is what its state says. By
    event, run and content each of them counts once. Runs are followed by the clock of the server alone, events by
    that of the exporter, so that a worker whose clock is wrong is caught by its runs.
    """

    def __init__(self, clock: Callable[[], datetime], grace: timedelta = EVENT_GRACE) -> None:
        self._clock, self._grace = clock, grace
        self._found = NewSightings()
        self._read_at: datetime | None = None
        self._ended = _OLDEST
        self._events: Remembered[UUID] = Remembered()
        self._results: Remembered[bytes] = Remembered()
        self._reported: Remembered[str] = Remembered()  # ids of runs of which a result is known
        self._by_state: Remembered[str] = Remembered()  # ids of runs whose state was taken for their verdict
        self._settled: Remembered[UUID] = Remembered()
        self._waiting: dict[UUID, tuple[FlowRun, datetime]] = {}

    async def read(self) -> NewSightings:
        """All that is new. Raises what Prefect's client raises; what was read until then is not lost."""
        now = self._clock()
        async with impatient_client() as client:
            if self._read_at is None:
                # In this order: a run that ends meanwhile is new, unless its event is known.
                newest = await _read_runs(client, _OLDEST)(limit=1, offset=0)
                self._ended = _plain(newest[0].end_time or _OLDEST) if newest else _OLDEST
                await self._begin(client, now)
            since = (self._read_at or now) - _EVENT_LATE
            where = check_events(since, now + _CLOCK_AHEAD, EventOrder.ASC)
            for event in [event async for event in read_events(client, where)]:
                self._take_event(event, now)
            await self._read_runs(client, now)
        # Not earlier: after hours without Prefect, what was met just before is met again.
        for seen in (self._events, self._results, self._reported, self._by_state, self._settled):
            seen.forget(now - REMEMBERED)
        self._read_at = now
        found, self._found = self._found, NewSightings()
        return found

    async def _begin(self, client: PrefectClient, now: datetime) -> None:
        """How each loop stands that was not given up long ago: its newest checks."""
        async for result, at in _newest_of_each_loop(client, now - _KNOWN_SINCE):
            where = check_events(_OLDEST, now + _CLOCK_AHEAD, EventOrder.DESC, [result.loop])
            page = await client.read_events(where, limit=_NEWEST_CHECKS)
            for event in page.events:
                self._take_event(event, now)
            if not page.events:
                self._take(result, min(at, now), now)

    def _take_event(self, event: ReceivedEvent, now: datetime) -> None:
        if not self._events.add(event.id, now):
            return
        result = result_from(event.payload)
        if result is None or event.resource.id != f"{LOOP_RESOURCE}{result.loop}":
            self._found.unreadable += 1
            return
        # A clock that runs ahead would keep a loop from ever being stale.
        self._take(result, min(_plain(event.occurred), now), now, _scheduled_by(event))

    def _take(self, result: LoopResult, at: datetime, now: datetime, deployment: str | None = None) -> None:
        run = result.flow_run_id or ""
        if not self._results.add(identity(result), now) or run in self._by_state:
            return
        if run:
            self._reported.add(run, now)
        sighting = Sighting(at, of_result(result, at), result, deployment)
        (self._found.known if self._read_at is None else self._found.new).append(sighting)

    async def _read_runs(self, client: PrefectClient, now: datetime) -> None:
        """Take note of runs that have ended, and settle those of which no event has come."""
        async for run in items(_read_runs(client, self._ended - _STORED_APART)):
            if run.state is None or not run.state.is_final():
                continue
            if self._settled.add(run.id, now) and self._read_at is not None and run.total_run_time < REMEMBERED:
                self._waiting[run.id] = (run, now)
            self._ended = max(self._ended, _plain(run.end_time or self._ended))
        silent = {}
        for id_, (run, since) in [*self._waiting.items()]:
            if str(id_) in self._reported:
                del self._waiting[id_]
            elif now - since >= self._grace:
                silent[id_] = run
        for id_s in chunks([*silent]):
            recorded = await results_of(client, [*id_s])
            for id_ in id_s:
                self._settle(silent[id_], recorded[id_], now)
                del self._waiting[id_]

    def _settle(self, run: FlowRun, results: list[LoopResult], now: datetime) -> None:
        at = min(_plain(run.end_time or now), now)
        deployment = str(run.deployment_id) if run.auto_scheduled else None
        for result in results:
            self._take(result, at, now, deployment)
        if results or run.state is None:
            return
        loop, name = loop_named_in(run), run.state.name or ""
        if "senders" in run.parameters:  # a matrix, named after the worst of its loops: no verdict on any of them
            loop, name = LOOP_MATRIX.report_name(loop), ""
        check = of_state(loop, at, run.state.type.value, name, None)
        sighting = Sighting(at, check, deployment=deployment)
        if sighting.verdict is not None:
            self._by_state.add(str(run.id), now)
        self._found.new.append(sighting)


def _scheduled_by(event: ReceivedEvent) -> str | None:
    """The id of the deployment whose schedule has started the run that sent this; None where somebody has."""
    related = {one.role: one.id for one in event.related if one.id != _AUTO_SCHEDULED}
    started = any(one.id == _AUTO_SCHEDULED for one in event.related)
    return related.get("deployment", "").removeprefix("prefect.deployment.") or None if started else None


def _plain(moment: datetime) -> datetime:
    """Prefect's own kind of datetime does not reckon like Python's."""
    return datetime.fromtimestamp(moment.timestamp(), UTC)


async def _newest_of_each_loop(client: PrefectClient, since: datetime) -> AsyncIterator[tuple[LoopResult, datetime]]:
    """The newest result of each loop, and when that was written; the newest first."""
    seen = set()
    ours = filters.ArtifactCollectionFilter(key=filters.ArtifactCollectionFilterKey(like_=artifact_key("%")))
    read_latest = partial(client.read_latest_artifacts, artifact_filter=ours, sort=ArtifactCollectionSort.UPDATED_DESC)
    async for one in items(read_latest):
        written = _plain(one.updated or _OLDEST)
        if written < since:
            return
        result = extracted(one.data)
        if result is not None and one.key == artifact_key(result.loop) and one.key not in seen:
            seen.add(one.key)
            yield result, written


def _read_runs(client: PrefectClient, since: datetime) -> ReadPage[FlowRun]:
    """Those of our checks that have an end since then; one may come twice."""
    ended = filters.FlowRunFilter(end_time=filters.FlowRunFilterEndTime(after_=since))
    return partial(client.read_flow_runs, flow_filter=OF_CHECKS, flow_run_filter=ended, sort=FlowRunSort.END_TIME_DESC)
