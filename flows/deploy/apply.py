"""Deployments are made, changed and removed until they are what the files say; nothing else is touched."""

from collections.abc import Sequence
from functools import partial
from uuid import UUID

import httpx
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterName,
    DeploymentFilterTags,
    FlowFilter,
    FlowFilterName,
)
from prefect.client.schemas.responses import DeploymentResponse
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError

from flows.deploy.desired import (
    DeploymentKey,
    clear_passwords,
    creation_arguments,
    current_fields,
    desired_fields,
    differences,
    key_of,
    owning_fleet,
)
from flows.deploy.plan import plan_deployments
from flows.deploy.prefect_yaml import DeploymentFields, Template
from flows.equip import TEMPLATE
from flows.prefect_api.probe import impatient_client
from flows.registry import FLOWS
from flows.server.allow import Say
from tasks.mail.config.fleet import OURS
from tasks.mail.config.messages import listed
from tasks.mail.config.plan import Planned
from tasks.mail.model.errors import ConfigError
from tasks.pages import chunks, items
from tasks.run_context import FROM


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
    if clear := clear_passwords(checks):
        raise ConfigError(listed(clear))
    new = {
        key_of(plan): desired_fields(plan, fleet, template)
        for plan in plan_deployments(checks, every, fleet, shards, brief=brief)
    }
    async with impatient_client() as client:
        await _need_pool(client, template.pool)
        flows = {flow.id: flow.name for flow in await client.read_flows(flow_filter=_flows())}
        there = {(flows[one.flow_id], one.name): one for one in await _there(client, new) if one.flow_id in flows}
        _refuse_foreign(new, there, fleet)
        counts = dict.fromkeys(("created", "changed", "removed"), 0)
        said = {word: f"would be {word}" if dry_run else word for word in counts}
        due_otherwise: list[UUID] = []

        for key, deployment in new.items():
            found = there.get(key)
            old = current_fields(found) if found else None
            if old is not None:
                _keep_off(old, deployment, key, say)
            changed = differences(old, deployment) if old is not None else []
            if old is not None and not changed:
                continue
            word = "created" if old is None else "changed"
            counts[word] += 1
            if not dry_run:
                written = await _write(client, key, deployment, found)
                due_otherwise += [written] if old is None or old["schedule"] != deployment["schedule"] else []
            say(f"{said[word]}: {_title(key)}: {'; '.join(changed) or _in_words(deployment)}")
        for key, gone in there.items():
            if key not in new and owning_fleet(gone) == fleet:
                counts["removed"] += 1
                if not dry_run:
                    await client.delete_deployment(gone.id)
                say(f"{said['removed']}: {_title(key)}")
        total = ", ".join(f"{number} {said[word]}" for word, number in counts.items() if number)
        say(f"fleet {fleet}: {len(new)} deployment{'s' if len(new) != 1 else ''}, {total or 'nothing changed'}")
    return due_otherwise


def _flows() -> FlowFilter:
    return FlowFilter(name=FlowFilterName(any_=[*FLOWS]))


async def _need_pool(client: PrefectClient, pool: str) -> None:
    try:
        await client.read_work_pool(pool)
    except ObjectNotFound:
        raise ConfigError(
            f"there is no work pool {pool} on the server: mail-loop setup makes one, or "
            f"prefect work-pool create {pool} --type process --base-job-template {TEMPLATE}"
        ) from None


async def _there(client: PrefectClient, new: dict[DeploymentKey, DeploymentFields]) -> list[DeploymentResponse]:
    """The deployments that are ours by their tag, and those that have the name of one to be made."""
    names = sorted({name for _, name in new})
    filters = [DeploymentFilter(name=DeploymentFilterName(any_=[*chunk])) for chunk in chunks(names)]
    filters.append(DeploymentFilter(tags=DeploymentFilterTags(all_=[OURS])))
    found: dict[UUID, DeploymentResponse] = {}
    for one in filters:
        read = partial(client.read_deployments, flow_filter=_flows(), deployment_filter=one)
        found |= {deployment.id: deployment async for deployment in items(read)}
    return list(found.values())


def _refuse_foreign(
    new: dict[DeploymentKey, DeploymentFields], there: dict[DeploymentKey, DeploymentResponse], fleet: str
) -> None:
    """Raise ConfigError where a name is taken by a deployment that is not ours to change."""
    taken = []
    for key in new:
        if key in there and (owner := owning_fleet(there[key])) != fleet:
            whose = "is not one of mail-loop deploy" if owner is None else f"belongs to the fleet {owner}"
            taken.append(
                f"the deployment {_title(key)} is there already and {whose}: rename the loop, or remove it there"
            )
    if taken:
        raise ConfigError(listed(taken))


def _keep_off(old: DeploymentFields, new: DeploymentFields, key: DeploymentKey, say: Say) -> None:
    """A schedule that somebody has switched off in Prefect stays so."""
    if old["schedule"] and not old["schedule"]["active"]:
        new["schedule"]["active"] = False
        say(f"switched off in Prefect, and left so: {_title(key)}")


async def _write(
    client: PrefectClient, key: DeploymentKey, new: DeploymentFields, found: DeploymentResponse | None
) -> UUID:
    flow_id = found.flow_id if found else await client.create_flow_from_name(key[0])
    paused = found.paused if found else None
    try:
        return await client.create_deployment(**creation_arguments(new, flow_id), paused=paused)
    except (PrefectHTTPStatusError, httpx.HTTPStatusError) as error:
        # Its answer may repeat parameters.
        status = error.response.status_code
        raise ConfigError(f"the server refuses the deployment {_title(key)} ({status}): see its log") from None


def _title(key: DeploymentKey) -> str:
    return "/".join(key)


def _in_words(deployment: DeploymentFields) -> str:
    """A new deployment in a few words."""
    loops = deployment["parameters"].get("loops")
    many = f"{len(loops)} loop{'s' if len(loops) != 1 else ''} " if loops else ""
    place = next((f" from {tag.removeprefix(FROM)}" for tag in deployment["tags"] if tag.startswith(FROM)), "")
    return f"{many}every {deployment['schedule']['every'] / 60:g} minutes{place}"
