"""The loops that the server knows: what starts their checks, since when they may be silent, and which of them are.

A loop has a deployment of its own, or is one of many within another.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import FlowFilter, FlowFilterName
from prefect.client.schemas.responses import DeploymentResponse
from prefect.events import Event, RelatedResource
from prefect.events.schemas.events import ReceivedEvent

from flows.registry import CHECK_FLOWS, FLEET_CHECK, INBOUND_CHECK, FlowEntry
from tasks.alert_store import RULE, ids_of, last_watched, refusal, resource, silent_in, triggered_by, was_taken, watched
from tasks.alerts.message import UNSCHEDULED
from tasks.alerts.rules import UNWATCHED, Rule, span_for, tolerated_silence
from tasks.mail.config.fleet import fleet_config
from tasks.mail.config.loading.files import Config, loaded, planned
from tasks.mail.config.loop import CheckConfig
from tasks.mail.config.matrix import matrix_config
from tasks.mail.model.durations import duration
from tasks.mail.model.errors import ConfigError
from tasks.mail.model.safe_text import one_line
from tasks.metrics.loop import Intervals
from tasks.pages import items, read_events
from tasks.schedules import Schedule, active_schedules, current_interval, expected_silence, in_words, longest_interval

Loops = dict[str, Mapping[str, Any]]  # what parameters say of each
Starts = Mapping[str, Sequence[tuple[str, Schedule]]]  # by loop what starts its checks, with the id of the deployment

_MAX_NAMED = 5  # loops in one sentence
_TIMES = 3  # the interval: a good length of silence


@dataclass(frozen=True, slots=True)
class Deployed:
    """A deployment of checks. `complete`: whether all its loops are known; files may be on the machine of the worker.

    `starts`: the schedules that are active, with the loops of each.
    """

    id: str
    loops: Loops
    starts: tuple[tuple[Schedule, Loops], ...]
    complete: bool
    single: bool


async def deployed(client: PrefectClient) -> list[Deployed]:
    """All deployments of checks that the server has."""
    found = []
    for entry in CHECK_FLOWS:
        flows = FlowFilter(name=FlowFilterName(any_=[entry.name]))
        found += [deployed_as(entry, one) async for one in items(partial(client.read_deployments, flow_filter=flows))]
    return found


def parameters_of(deployments: Iterable[Deployed]) -> Loops:
    """What is said of each loop: by a deployment of its own, else by one of many."""
    found: Loops = {}
    for one in sorted(deployments, key=lambda one: one.single):
        found |= one.loops
    return found


def schedules_of(deployments: Iterable[Deployed]) -> Starts:
    """What starts the checks of each loop: only loops that something starts."""
    found: defaultdict[str, list[tuple[str, Schedule]]] = defaultdict(list)
    for one in deployments:
        for schedule, loops in one.starts:
            for loop in loops:
                found[loop].append((one.id, schedule))
    return dict(found)


async def intervals(client: PrefectClient, now: datetime) -> Intervals:
    """How often the checks of each loop are due at present."""
    deployments = await deployed(client)
    known: dict[str, timedelta | None] = {}  # many loops have the same schedule

    async def often(schedules: Sequence[Schedule]) -> timedelta | None:
        if (key := repr(schedules)) not in known:
            known[key] = await current_interval(schedules, now)
        return known[key]

    loops = {loop: await often([one for _, one in starts]) for loop, starts in schedules_of(deployments).items()}
    groups = {one.id: await often([start for start, _ in one.starts]) for one in deployments if not one.complete}
    return Intervals(*({name: time for name, time in found.items() if time} for found in (loops, groups)))


def deployed_as(entry: FlowEntry, deployment: DeploymentResponse) -> Deployed:
    loops, complete = _loops(entry, deployment.parameters)
    starts = []
    for schedule, parameters in active_schedules(deployment):
        own = parameters != deployment.parameters
        started, all_known = _loops(entry, parameters) if own else (loops, True)
        starts.append((schedule, started))
        complete = complete and all_known
    return Deployed(str(deployment.id), loops, tuple(starts), complete, entry.kind == "check")


def _loops(entry: FlowEntry, given: Mapping[str, Any]) -> tuple[Loops, bool]:
    """The loops of these parameters, and whether they are all; where they are wrong none, for nothing is checked."""
    if entry.kind == "check":
        # An inbound check may leave its name out.
        name = given.get("name", "inbound" if entry is INBOUND_CHECK else None)
        return ({} if name is None else {str(name): given}), True
    fields = {name: value for name, value in given.items() if value is not None}
    missing: list[ConfigError] = []
    try:
        configs = _of_fleet(fields, missing) if entry is FLEET_CHECK else [*matrix_config(fields).loops().values()]
    except ConfigError:
        return {}, True
    return {one.name: one.model_dump(mode="json", exclude_unset=True) for one in configs}, not missing


def _of_fleet(given: Mapping[str, Any], missing: list[ConfigError]) -> Sequence[CheckConfig]:
    loops, files = given.get("loops"), given.get("files")
    read: list[Config] = [fleet_config({"loops": loops})] if isinstance(loops, Mapping) and loops else []
    for _, found in loaded(file for file in files if isinstance(file, str)) if isinstance(files, list) else ():
        if isinstance(found, ConfigError):
            missing.append(found)
        else:
            read.append(found)
    return [check.config for one in read for check in planned(one)]


async def start_clocks(client: PrefectClient, name: str, rule: Rule, schedules: Starts, *, anew: bool) -> None:
    """Start the clock of loops that have not been checked yet: a schedule that never began is silence, too."""
    for loop in _of(rule, schedules):
        if not anew and await last_watched(client, loop, name) is not None:
            continue
        now, (deployment, _) = datetime.now(UTC), schedules[loop][0]
        span = span_for(rule.within or "", await expected_silence([one for _, one in schedules[loop]], now))
        started_by = {"prefect.resource.id": f"prefect.deployment.{deployment}", "prefect.resource.role": "deployment"}
        event = Event(
            event=watched(span or UNWATCHED),
            resource=resource(loop) | {RULE: name},
            related=[RelatedResource(started_by)],
            payload={"loop": loop, "sentence": "It was then that the rule began to hold."},
            occurred=now,
        )
        await client.request("POST", "/events", json=[event.model_dump(mode="json")])


async def doubts(name: str, rule: Rule, schedules: Starts, *, all_known: bool) -> list[str]:
    """A sentence for what the rule reports late or never. `all_known`: there is no loop but those known here."""
    now, found = datetime.now(UTC), []
    lengths: dict[str, timedelta | None] = {}
    alike: defaultdict[tuple[str, timedelta], list[str]] = defaultdict(list)
    unscheduled = [loop for loop in rule.loops or () if all_known and loop not in schedules]
    for loop in _of(rule, schedules):
        starts = [one for _, one in schedules[loop]]
        if (key := repr(starts)) not in lengths:
            lengths[key] = await longest_interval(starts, now)
        if (gap := lengths[key]) is None:
            unscheduled += [loop] if rule.loops else []
        elif tolerated_silence(gap, gap) > rule.silence:
            alike[in_words(starts), gap].append(loop)
    if unscheduled:
        found.append(
            f"rules.{name}: {_named(unscheduled)} cannot fall silent, for no active schedule starts checks of it: "
            "give it a schedule, or take it out of loops"
        )
    for (words, gap), loops in alike.items():
        span = span_for(rule.within or "", tolerated_silence(gap, gap))
        found.append(
            f"rules.{name}: within: {rule.within} is too short for {_named(loops)}, whose checks are due up to "
            f"{duration(gap.total_seconds())} apart ({words}): its silence is told "
            f"{f'after {span}' if span else 'never'}; "
            f"give it a rule of its own with loops: [{', '.join(loops[:_MAX_NAMED])}] and within: {_span(_TIMES * gap)}"
        )
    return [one_line(f"note: {text}", None) for text in found]


def _of(rule: Rule, schedules: Starts) -> list[str]:
    """The loops of a rule that something starts."""
    return [loop for loop in rule.loops or schedules if loop in schedules]


def _named(loops: Sequence[str]) -> str:
    more = len(loops) - _MAX_NAMED
    return ", ".join(loops[:_MAX_NAMED]) + (f" and {more} more" if more > 0 else "")


def _span(length: timedelta) -> str:
    """As it is written in a rule, rounded up."""
    unit, size = next(
        (unit, size)
        for unit, size in (("d", timedelta(days=1)), ("h", timedelta(hours=1)), ("m", timedelta(minutes=1)))
        if length >= size or unit == "m"
    )
    return f"{-(-length // size)}{unit}"


async def silences(client: PrefectClient, rules: Mapping[str, Rule], automations: Mapping[str, Any]) -> list[str]:
    """A sentence for each loop that is silent, whether somebody has been called for that or the channel has refused."""
    found: dict[str, None] = {}
    for name, rule in rules.items():
        for channel, ids in automations.get(name, {}).items():
            newest: dict[str, ReceivedEvent] = {}
            async for event in read_events(client, triggered_by(ids_of(ids))):
                newest.setdefault(silent_in(event), event)  # the newest come first
            for loop, event in newest.items():
                if rule.misses(loop) and (line := await _call_on(client, name, channel, loop, event)):
                    found[line] = None
    return [one_line(line, None) for line in found]


async def _call_on(client: PrefectClient, rule: str, channel: str, loop: str, event: Event) -> str | None:
    """What became of a call; None where the loop has been heard of since, or nobody was to be called."""
    last = await last_watched(client, loop, rule)
    if last is not None and last >= event.occurred:
        return None
    since = f"{last:%Y-%m-%d %H:%M} UTC" if last else "some time"
    what = f"{loop} is silent since {since} (rule {rule})"
    if await was_taken(client, str(event.id)):
        return f"called: {what}"
    match await refusal(client, str(event.id)):
        case None:
            return f"being called: {what}"
        case reason if UNSCHEDULED in reason:
            return None
        case _:
            return f"not called, for {channel} has not taken it: {what}"
