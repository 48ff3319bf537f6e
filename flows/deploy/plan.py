"""Which deployments a fleet takes, and what each is made of.

There is one for each loop and place, or, in shards, one for many loops of one interval.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from prefect.client.schemas.responses import DeploymentResponse
from prefect.utilities.callables import parameter_schema

from flows.deploy.prefect_yaml import DeploymentFields, Template
from flows.registry import FLEET_CHECK, INBOUND_CHECK, LOOP_CHECK, LOOP_VANTAGE, FlowEntry
from tasks.finish import artifact_key
from tasks.mail.config.addresses import SLUG_LENGTH
from tasks.mail.config.fleet import MOST_LOOPS, OURS, anchor, nth, seen_from, shard
from tasks.mail.config.loop import InboundConfig, LoopConfig
from tasks.mail.config.messages import listed
from tasks.mail.config.plan import Planned
from tasks.mail.model.durations import span
from tasks.mail.model.errors import ConfigError
from tasks.run_context import place_tag

# A shard is not one check: while one of its loops waits for a message the others are due again. And the place of a run
# that was killed is taken for 5 minutes.
_MAX_CONCURRENT_SHARD_RUNS = 2
DESCRIPTION_MARK = "Written by mail-loop deploy, which puts it back to what its files say."


@dataclass(frozen=True, slots=True)
class Plan:
    """One deployment. `at_once` is None where prefect.yaml says how many of its runs there may be."""

    flow: FlowEntry
    name: str
    parameters: Mapping[str, Any]
    every: timedelta
    anchor: datetime
    tags: tuple[str, ...]
    place: str | None = None
    at_once: int | None = None


def plan_deployments(
    checks: Sequence[Planned], every: str, fleet: str, shards: int | None = None, *, brief: bool = False
) -> list[Plan]:
    """The deployments of a fleet. Raises ConfigError where two would have one name, or a shard too many loops."""
    found: list[Plan] = []
    groups: defaultdict[timedelta, list[tuple[Planned, str]]] = defaultdict(list)
    for check in checks:
        length = span(check.every or every) or timedelta(minutes=15)
        for place in check.vantage or ("",):
            config = check.config
            if place:
                config = config.model_copy(update={"name": seen_from(config.name, place)})
            if shards and isinstance(config, LoopConfig):
                groups[length].append((replace(check, config=config), place))
                continue
            flow = INBOUND_CHECK if isinstance(config, InboundConfig) else LOOP_CHECK
            parameters = config.model_dump(mode="json", exclude_unset=True)
            begin = anchor(config.name, length)
            found.append(Plan(flow, config.name, parameters, length, begin, check.tags, place or None))
    for length, group in sorted(groups.items()):
        found += _shards(group, length, fleet, shards or 1, {"brief": True} if brief else {})
    if compared := _compared(checks, every):
        shortest = min(timedelta(seconds=one["every"]) for one in compared.values())
        parameters = {"name": fleet, "loops": compared}
        found.append(Plan(LOOP_VANTAGE, fleet, parameters, shortest, anchor(fleet, shortest), ()))
    names = Counter((one.flow, one.name) for one in found)
    if twice := sorted({name for (_, name), number in names.items() if number > 1}):
        raise ConfigError(listed([f"two loops would be called {name}: rename one of them" for name in twice]))
    return found


def _shards(
    group: Sequence[tuple[Planned, str]], length: timedelta, fleet: str, shards: int, how: Mapping[str, Any]
) -> Iterator[Plan]:
    """The loops of one interval, from each place in so many shards; one that would be empty is left out."""
    places = sorted({place for _, place in group})
    parts: defaultdict[tuple[int, str], list[Planned]] = defaultdict(list)
    for one, place in group:
        parts[shard(one.config.name, shards), place].append(one)
    for number in range(shards):
        for rank, place in enumerate(places):
            if not (mine := parts[number, place]):
                continue
            name = f"{seen_from(fleet, place) if place else fleet}-{_short(length)}-{number + 1}-of-{shards}"
            if len(name) > SLUG_LENGTH:
                raise ConfigError(f"--fleet {fleet}: too long for the name of a shard, {name}: shorten it")
            if len(mine) > MOST_LOOPS:
                raise ConfigError(
                    f"the shard {name} would have {len(mine)} loops, and {MOST_LOOPS} are the most: take more --shards"
                )
            configs = [one.config for one in mine]
            loops = {one.name: one.model_dump(mode="json", exclude_unset=True, exclude={"name"}) for one in configs}
            yield Plan(
                flow=FLEET_CHECK,
                name=name,
                parameters={"name": name, "loops": loops, **how},
                every=length,
                anchor=nth(number * len(places) + rank, shards * len(places), length),
                tags=tuple(tag for tag in mine[0].tags if all(tag in one.tags for one in mine)),
                place=place or None,
                at_once=_MAX_CONCURRENT_SHARD_RUNS,
            )


def _short(length: timedelta) -> str:
    """The interval as it stands in a name."""
    seconds = int(length.total_seconds())
    unit, size = next(
        (unit, size) for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)) if not seconds % size
    )
    return f"{seconds // size}{unit}"


def _compared(checks: Sequence[Planned], every: str) -> dict[str, dict[str, Any]]:
    """The loops that are checked from several places, as the flow takes them that compares what these found."""
    return {
        check.config.name: {
            "places": list(check.vantage),
            "every": (span(check.every or every) or timedelta(minutes=15)).total_seconds(),
            "longest": check.config.limits.max_wait if isinstance(check.config, LoopConfig) else 0.0,
        }
        for check in checks
        if len(check.vantage) > 1
    }


def owning_fleet(deployment: DeploymentResponse) -> str | None:
    """The fleet that a deployment belongs to; None where it is none of ours. A tag alone anybody may give."""
    if OURS not in deployment.tags or DESCRIPTION_MARK not in (deployment.description or ""):
        return None
    return next((tag.removeprefix(f"{OURS}:") for tag in deployment.tags if tag.startswith(f"{OURS}:")), "")


def desired_fields(plan: Plan, fleet: str, template: Template) -> DeploymentFields:
    """The deployment of a plan: what create_deployment takes, but for its flow, and its schedule in short."""
    key = artifact_key(plan.flow.report_name(plan.name))
    own_tags = {"mail-loop", OURS, f"{OURS}:{fleet}", *([place_tag(plan.place)] if plan.place else [])}
    return template.common | {
        "name": plan.name,
        "description": f"{DESCRIPTION_MARK}\n\nIts reports: [{key}](/v2/artifacts/key/{key}).",
        "entrypoint": template.entrypoints[plan.flow.name],
        "parameters": dict(plan.parameters),
        "tags": sorted(own_tags.union(plan.tags)),
        "work_queue_name": plan.place or template.common["work_queue_name"],
        "concurrency_limit": plan.at_once or template.common["concurrency_limit"],
        "parameter_openapi_schema": parameter_schema(plan.flow.load()).model_dump_for_openapi(),
        "schedule": {"every": plan.every.total_seconds(), "from": plan.anchor.isoformat(), "active": True},
    }
