"""The loops that the server knows, and what starts their checks: of deployments of their own, and within others."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import FlowFilter, FlowFilterName
from prefect.client.schemas.responses import DeploymentResponse

from flows.registry import CHECK_FLOWS, FLEET_CHECK, INBOUND_CHECK, FlowEntry, FlowKind
from tasks.mail.config.fleet import fleet_config
from tasks.mail.config.loading.files import loaded, planned
from tasks.mail.config.loop import CheckConfig
from tasks.mail.config.matrix import matrix_config
from tasks.mail.model.errors import ConfigError
from tasks.metrics.loop import Intervals
from tasks.pages import items
from tasks.schedules import Schedule, active_schedules, current_interval

Loops = dict[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Deployed:
    """A deployment of checks. `complete`: whether all its loops are known; files may be on the machine of the worker.

    `loops`: what its parameters say of each. `starts`: the schedules that are active, with the loops of each.
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


def schedules_of(deployments: Iterable[Deployed]) -> dict[str, list[tuple[str, Schedule]]]:
    """What starts the checks of each loop, with the id of the deployment: only loops that something starts."""
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
    for one in active_schedules(deployment):
        own = one.parameters != deployment.parameters
        started, all_known = _loops(entry, one.parameters) if own else (loops, True)
        starts.append((one.schedule, started))
        complete = complete and all_known
    return Deployed(str(deployment.id), loops, tuple(starts), complete, entry.kind is FlowKind.CHECK)


def _loops(entry: FlowEntry, given: Mapping[str, Any]) -> tuple[Loops, bool]:
    """The loops of these parameters, and whether they are all; where they are wrong none, for nothing is checked."""
    if entry.kind is FlowKind.CHECK:
        # An inbound check may leave its name out.
        name = given.get("name", "inbound" if entry is INBOUND_CHECK else None)
        return ({} if name is None else {str(name): given}), True
    missing: list[ConfigError] = []
    try:
        configs = [*(_of_fleet(given, missing) if entry is FLEET_CHECK else _of_matrix(given))]
    except ConfigError:
        return {}, True
    return {one.name: one.model_dump(mode="json", exclude_unset=True) for one in configs}, not missing


def _of_fleet(given: Mapping[str, Any], missing: list[ConfigError]) -> Iterator[CheckConfig]:
    if isinstance(loops := given.get("loops"), Mapping) and loops:
        yield from (one.config for one in planned(fleet_config({"loops": loops})))
    files = given.get("files")
    paths = [file for file in files if isinstance(file, str)] if isinstance(files, list) else []
    for _, found in loaded(paths):
        if isinstance(found, ConfigError):
            missing.append(found)
        else:
            yield from (one.config for one in planned(found))


def _of_matrix(given: Mapping[str, Any]) -> Iterator[CheckConfig]:
    fields = {name: value for name, value in given.items() if value is not None}
    yield from matrix_config(fields).loops().values()
