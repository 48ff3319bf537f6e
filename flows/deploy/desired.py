"""Checks as deployments of Prefect: what they are made of, how ours are told from others, and what differs."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.objects import ConcurrencyOptions
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import IntervalSchedule
from prefect.utilities.callables import parameter_schema

from flows.deploy.plan import Plan
from flows.deploy.prefect_yaml import DeploymentFields, Template
from tasks.mail.config.fleet import OURS
from tasks.mail.config.plan import Planned
from tasks.parameters import CLEAR, passwords_of
from tasks.publish import artifact_key
from tasks.run_context import place_tag

# Fields that a deployment on the server has as they were given.
_AS_GIVEN = (
    *("name", "description", "entrypoint", "parameters", "work_pool_name", "work_queue_name", "job_variables"),
    *("pull_steps", "enforce_parameter_schema", "parameter_openapi_schema"),
)
_SCHEDULE_SLUG = "every"
DESCRIPTION_MARK = "Written by mail-loop deploy, which puts it back to what its files say."
_MAX_VALUE_CHARS = 60  # characters of a value in a difference

DeploymentKey = tuple[str, str]  # the names of flow and deployment


def key_of(plan: Plan) -> DeploymentKey:
    return plan.flow.name, plan.name


def tags_of(fleet: str) -> list[str]:
    """The tags by which the deployments of a fleet are known."""
    return [OURS, f"{OURS}:{fleet}"]


def owning_fleet(deployment: DeploymentResponse) -> str | None:
    """The fleet that a deployment belongs to; None where it is none of ours. A tag alone anybody may give."""
    if OURS not in deployment.tags or DESCRIPTION_MARK not in (deployment.description or ""):
        return None
    return next((tag.removeprefix(f"{OURS}:") for tag in deployment.tags if tag.startswith(f"{OURS}:")), "")


def clear_passwords(checks: Sequence[Planned]) -> list[str]:
    """A sentence for each password in clear."""
    found = [(check.config.name, passwords_of(check.config)) for check in checks]
    return [f"{name}: {at}.password: {CLEAR}" for name, all_ in found for at, password in all_.items() if password]


def desired_fields(plan: Plan, fleet: str, template: Template) -> DeploymentFields:
    """The deployment of a plan: what create_deployment takes, but for its flow, and its schedule in short."""
    key = artifact_key(plan.flow.report_name(plan.name))
    place = [place_tag(plan.place)] if plan.place else []
    return {
        "name": plan.name,
        "description": f"{DESCRIPTION_MARK}\n\nIts reports: [{key}](/v2/artifacts/key/{key}).",
        "entrypoint": template.entrypoints[plan.flow.name],
        "parameters": dict(plan.parameters),
        "tags": sorted({"mail-loop", *tags_of(fleet), *plan.tags, *place}),
        "work_pool_name": template.pool,
        "work_queue_name": plan.place or template.queue,
        "job_variables": template.job_variables,
        "pull_steps": template.pull_steps,
        "concurrency_limit": plan.at_once or template.limit,
        "concurrency_options": template.options,
        "enforce_parameter_schema": True,
        "parameter_openapi_schema": parameter_schema(plan.flow.load()).model_dump_for_openapi(),
        "schedule": {"every": plan.every.total_seconds(), "from": plan.anchor.isoformat(), "active": True},
    }


def current_fields(deployment: DeploymentResponse) -> DeploymentFields:
    """The same of a deployment on the server."""
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


def creation_arguments(deployment: Mapping[str, Any], flow_id: UUID) -> DeploymentFields:
    """What PrefectClient.create_deployment takes."""
    schedule = deployment["schedule"]
    made = DeploymentScheduleCreate(
        schedule=IntervalSchedule(
            interval=timedelta(seconds=schedule["every"]), anchor_date=schedule["from"], timezone="UTC"
        ),
        active=schedule["active"],
        slug=_SCHEDULE_SLUG,
    )
    options = ConcurrencyOptions.model_validate(deployment["concurrency_options"])
    rest = {name: value for name, value in deployment.items() if name != "schedule"}
    return rest | {"flow_id": flow_id, "schedules": [made], "concurrency_options": options}


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
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
