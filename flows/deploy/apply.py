"""Deployments are made, changed and removed until they are what the files say; nothing else is touched."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas import filters
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.objects import ConcurrencyOptions
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import IntervalSchedule
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError

from flows.deploy.plan import desired_fields, owning_fleet, plan_deployments
from flows.deploy.prefect_yaml import DeploymentFields, Template
from flows.equip import TEMPLATE, Say
from flows.prefect_api.probe import impatient_client
from flows.registry import FLOWS
from tasks.mail.config.fleet import OURS
from tasks.mail.config.messages import listed
from tasks.mail.config.plan import Planned
from tasks.mail.model.errors import ConfigError
from tasks.pages import chunks, items
from tasks.parameters import clear_passwords
from tasks.run_context import FROM

# Fields that a deployment on the server has as they were given.
_AS_GIVEN = (
    *("name", "description", "entrypoint", "parameters", "work_pool_name", "work_queue_name", "job_variables"),
    *("pull_steps", "enforce_parameter_schema", "parameter_openapi_schema"),
)
_SCHEDULE_SLUG = "every"
_MAX_VALUE_CHARS = 60  # characters of a value in a difference
_OUR_FLOWS = filters.FlowFilter(name=filters.FlowFilterName(any_=[*FLOWS]))


async def deploy_checks(
    checks: Sequence[Planned],
    every: str,
    fleet: str,
    template: Template,
    say: Say,
    *,
    shards: int | None = None,
    brief: bool = False,
    dry_run: bool = False,
) -> list[UUID]:
    """Make the server's deployments of `fleet` those of the checks. Raises ConfigError before anything is changed.

    Returns the ids of those that are new, or have another schedule than before.
    """
    configs = [check.config for check in checks]
    if clear := [f"{config.name}: {sentence}" for config in configs for sentence in clear_passwords(config)]:
        raise ConfigError(listed(clear))
    new = {  # by `flow/name`, as Prefect calls them
        f"{plan.flow.name}/{plan.name}": desired_fields(plan, fleet, template)
        for plan in plan_deployments(checks, every, fleet, shards, brief=brief)
    }
    names = sorted({one["name"] for one in new.values()})
    async with impatient_client() as client:
        await _need_pool(client, template.common["work_pool_name"])
        flows = {flow.id: flow.name for flow in await client.read_flows(flow_filter=_OUR_FLOWS)}
        there = {f"{flows[one.flow_id]}/{one.name}": one for one in await _there(client, names) if one.flow_id in flows}
        _refuse_foreign(new, there, fleet)
        counts = dict.fromkeys(("created", "changed", "removed"), 0)
        said = {word: f"would be {word}" if dry_run else word for word in counts}
        due_otherwise: list[UUID] = []

        for key, deployment in new.items():
            found = there.get(key)
            old = _current_fields(found) if found else None
            if old is not None and old["schedule"] and not old["schedule"]["active"]:
                deployment["schedule"]["active"] = False
                say(f"switched off in Prefect, and left so: {key}")
            changed = _differences(old, deployment) if old is not None else []
            if old is not None and not changed:
                continue
            word = "created" if old is None else "changed"
            counts[word] += 1
            if not dry_run:
                written = await _write(client, key, deployment, found)
                due_otherwise += [written] if old is None or old["schedule"] != deployment["schedule"] else []
            say(f"{said[word]}: {key}: {'; '.join(changed) or _in_words(deployment)}")
        for key, gone in there.items():
            if key not in new and owning_fleet(gone) == fleet:
                counts["removed"] += 1
                if not dry_run:
                    await client.delete_deployment(gone.id)
                say(f"{said['removed']}: {key}")
        total = ", ".join(f"{number} {said[word]}" for word, number in counts.items() if number)
        say(f"fleet {fleet}: {len(new)} deployment{'s' if len(new) != 1 else ''}, {total or 'nothing changed'}")
    return due_otherwise


async def _need_pool(client: PrefectClient, pool: str) -> None:
    try:
        await client.read_work_pool(pool)
    except ObjectNotFound:
        raise ConfigError(
            f"there is no work pool {pool} on the server: mail-loop setup makes one, or "
            f"prefect work-pool create {pool} --type process --base-job-template {TEMPLATE}"
        ) from None


async def _there(client: PrefectClient, names: Sequence[str]) -> list[DeploymentResponse]:
    """The deployments that are ours by their tag, and those that have one of these names."""
    wanted = [filters.DeploymentFilter(tags=filters.DeploymentFilterTags(all_=[OURS]))]
    wanted += [filters.DeploymentFilter(name=filters.DeploymentFilterName(any_=[*chunk])) for chunk in chunks(names)]
    found: dict[UUID, DeploymentResponse] = {}
    for one in wanted:
        read = partial(client.read_deployments, flow_filter=_OUR_FLOWS, deployment_filter=one)
        found |= {deployment.id: deployment async for deployment in items(read)}
    return list(found.values())


def _refuse_foreign(new: Iterable[str], there: Mapping[str, DeploymentResponse], fleet: str) -> None:
    """Raise ConfigError where a name is taken by a deployment that is not ours to change."""
    taken = []
    for key in new:
        if key in there and (owner := owning_fleet(there[key])) != fleet:
            whose = "is not one of mail-loop deploy" if owner is None else f"belongs to the fleet {owner}"
            taken.append(f"the deployment {key} is there already and {whose}: rename the loop, or remove it there")
    if taken:
        raise ConfigError(listed(taken))


async def _write(client: PrefectClient, key: str, new: DeploymentFields, found: DeploymentResponse | None) -> UUID:
    schedule = new["schedule"]
    arguments = {name: value for name, value in new.items() if name != "schedule"} | {
        "flow_id": found.flow_id if found else await client.create_flow_from_name(key.partition("/")[0]),
        "schedules": [
            DeploymentScheduleCreate(
                schedule=IntervalSchedule(
                    interval=timedelta(seconds=schedule["every"]), anchor_date=schedule["from"], timezone="UTC"
                ),
                active=schedule["active"],
                slug=_SCHEDULE_SLUG,
            )
        ],
        "concurrency_options": ConcurrencyOptions.model_validate(new["concurrency_options"]),
        "paused": found.paused if found else None,
    }
    try:
        return await client.create_deployment(**arguments)
    except (PrefectHTTPStatusError, httpx.HTTPStatusError) as error:
        # Its answer may repeat parameters.
        status = error.response.status_code
        raise ConfigError(f"the server refuses the deployment {key} ({status}): see its log") from None


def _in_words(deployment: DeploymentFields) -> str:
    """A new deployment in a few words."""
    loops = deployment["parameters"].get("loops")
    many = f"{len(loops)} loop{'s' if len(loops) != 1 else ''} " if loops else ""
    place = next((f" from {tag.removeprefix(FROM)}" for tag in deployment["tags"] if tag.startswith(FROM)), "")
    return f"{many}every {deployment['schedule']['every'] / 60:g} minutes{place}"


def _current_fields(deployment: DeploymentResponse) -> DeploymentFields:
    """What a deployment on the server is made of, as desired_fields has it."""
    limit = deployment.global_concurrency_limit
    options = deployment.concurrency_options
    otherwise = {
        "tags": sorted(deployment.tags),
        "concurrency_limit": limit.limit if limit else None,
        "concurrency_options": options.model_dump(mode="json", exclude_unset=True) if options else None,
        "schedule": _schedule(deployment),
    }
    return {name: getattr(deployment, name) for name in _AS_GIVEN} | otherwise


def _schedule(deployment: DeploymentResponse) -> DeploymentFields | None:
    if len(deployment.schedules) != 1:
        return None
    schedule, active = deployment.schedules[0].schedule, deployment.schedules[0].active
    if not isinstance(schedule, IntervalSchedule):
        return None
    since = schedule.anchor_date.isoformat().replace("Z", "+00:00")
    return {"every": schedule.interval.total_seconds(), "from": since, "active": active}


def _differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What an update changes, field by field."""
    before, after = dict(_flat(old)), dict(_flat(new))
    changed = []
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            where = name.removeprefix("parameters.")
            if where.startswith("parameter_openapi_schema"):
                changed.append("the form")
            else:
                changed.append(f"{where} {_shown(before.get(name))} -> {_shown(after.get(name))}")
    return [*dict.fromkeys(changed)]


def _flat(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping) and value:
        for name, inner in value.items():
            yield from _flat(inner, f"{path}.{name}" if path else str(name))
    else:
        yield path, value


def _shown(value: object) -> str:
    text = "nothing" if value is None else value if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= _MAX_VALUE_CHARS else f"{text[: _MAX_VALUE_CHARS - 3]}..."
