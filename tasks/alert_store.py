"""What the Prefect server holds of checks and alerts: events, rules, where loops stand with them, and calls."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import VariableCreate, VariableUpdate
from prefect.events import Event, ResourceSpecification
from prefect.events.filters import (
    EventFilter,
    EventNameFilter,
    EventOccurredFilter,
    EventOrder,
    EventRelatedFilter,
    EventResourceFilter,
)

from tasks.alerts.rules import Rule
from tasks.alerts.state import Pending, Standing
from tasks.pages import EVENTS_PAGE_SIZE

RULES_VARIABLE = "mail-loop-alerts"
STATE_VARIABLE = "mail-loop-alert-state-{loop}"
CHECKED, WATCHED = "mail-loop.checked", "mail-loop.watched"
EVERY_SPAN = f"{WATCHED}.*"
CALL = "mail-loop.{kind}"
ALIVE, STATUS, OUTCOME, CAUSE, RULE, CHANNEL = (
    f"mail-loop.{label}" for label in ("alive", "status", "outcome", "cause", "rule", "channel")
)
LOOP_RESOURCE = "mail-loop.loop."  # before the name of a loop


@dataclass(frozen=True, slots=True)
class InForce:
    """The rules on the server. `automations`: the ids of those on silence, by rule and channel."""

    rules: Mapping[str, Rule]
    automations: Mapping[str, Mapping[str, Sequence[str]]]


def resource(loop: str) -> dict[str, str]:
    """A loop, as events name it."""
    return {"prefect.resource.id": f"{LOOP_RESOURCE}{loop}", "prefect.resource.name": loop}


def check_events(
    since: datetime, until: datetime, order: EventOrder, loops: Sequence[str] | None = None
) -> EventFilter:
    """The events of checks, of all loops or some."""
    ids = [f"{LOOP_RESOURCE}{loop}" for loop in loops or ()]
    resource = EventResourceFilter(id=ids) if ids else EventResourceFilter(id_prefix=[LOOP_RESOURCE])
    return EventFilter(
        occurred=EventOccurredFilter(since=since, until=until),
        event=EventNameFilter(name=[CHECKED]),
        resource=resource,
        order=order,
    )


def watched(span: str) -> str:
    """The event that says: from now on the loop may be silent for so long."""
    return f"{WATCHED}.{span}"


def ids_of(automations: str | Sequence[str]) -> Sequence[str]:
    """The automations of a rule and a channel; a former version had one."""
    return [automations] if isinstance(automations, str) else automations


async def write_variable(client: PrefectClient, name: str, value: dict[str, Any]) -> None:
    """Make or change a Prefect Variable."""
    if await client.read_variable_by_name(name) is None:
        await client.create_variable(VariableCreate(name=name, value=value))
    else:
        await client.update_variable(VariableUpdate(name=name, value=value))


async def read_alerts(client: PrefectClient, loop: str) -> tuple[InForce | None, dict[str, Standing]]:
    """The rules on the server, if there are any, and where the loop stands with them."""
    state = STATE_VARIABLE.format(loop=loop)
    response = await client.request(
        "POST", "/variables/filter", json={"variables": {"name": {"any_": [RULES_VARIABLE, state]}}}
    )
    found = {one["name"]: one["value"] for one in response.json()}
    if RULES_VARIABLE not in found:
        return None, {}
    rules = {name: Rule.model_validate(rule) for name, rule in found[RULES_VARIABLE]["rules"].items()}
    states = {name: Standing.model_validate(one) for name, one in found.get(state, {}).items()}
    automations = {
        rule: {channel: ids_of(ids) for channel, ids in channels.items()}
        for rule, channels in found[RULES_VARIABLE].get("automations", {}).items()
    }
    return InForce(rules, automations), states


async def post_notification(client: PrefectClient, loop: str, rule: str, channel: str, call: Pending) -> None:
    """Hand a call to the server, and wait for its answer."""
    event = Event(
        event=CALL.format(kind=call.kind),
        resource=resource(loop) | {RULE: rule, CHANNEL: channel},
        payload={"loop": loop, "subject": call.subject, "body": call.body},
        id=call.event,
    )
    await client.request("POST", "/events", json=[event.model_dump(mode="json")])


async def was_taken(client: PrefectClient, event: str) -> bool:
    """Whether the automation that answered the event did what it is for."""
    executed = EventFilter(
        event=EventNameFilter(name=["prefect.automation.action.executed"]),
        related=EventRelatedFilter(id=[f"prefect.event.{event}"]),
    )
    return bool((await client.read_events(executed, limit=1)).events)


async def refusal(client: PrefectClient, event: str) -> str | None:
    """Why it did not, where it tried."""
    failed = EventFilter(
        event=EventNameFilter(name=["prefect.automation.action.failed"]),
        related=EventRelatedFilter(id=[f"prefect.event.{event}"]),
    )
    found = (await client.read_events(failed, limit=1)).events
    return str(found[0].payload.get("reason")) if found else None


async def last_check(client: PrefectClient, loop: str, labels: Mapping[str, Any]) -> datetime | None:
    """When the last check with these labels was told."""
    return await _last(client, loop, EventNameFilter(name=[CHECKED]), labels)


async def last_watched(client: PrefectClient, loop: str, rule: str) -> datetime | None:
    """Since when a loop may have been silent to a rule: since its last good check, or since the rule began to hold."""
    return await _last(client, loop, EventNameFilter(prefix=[watched("")]), {RULE: rule})


async def _last(client: PrefectClient, loop: str, names: EventNameFilter, labels: Mapping[str, Any]) -> datetime | None:
    events = EventFilter(
        event=names,
        resource=EventResourceFilter(id=[f"{LOOP_RESOURCE}{loop}"], labels=ResourceSpecification(labels)),
    )
    found = (await client.read_events(events, limit=1)).events
    return datetime.fromtimestamp(found[0].occurred.timestamp(), UTC) if found else None


def told_by(automations: Iterable[str], since: datetime | None = None) -> EventFilter:
    """What these automations on silence have told, or tried to."""
    return EventFilter(
        event=EventNameFilter(name=["prefect.automation.triggered"]),
        resource=EventResourceFilter(id=[f"prefect.automation.{one}" for one in automations]),
        **({"occurred": EventOccurredFilter(since=since)} if since else {}),
    )


def silent_in(event: Event) -> str:
    """The loop that was silent, in what an automation has told."""
    found = event.payload.get("triggering_labels", {}).get("prefect.resource.id", "")
    return str(found).removeprefix(LOOP_RESOURCE)


async def told_silent(client: PrefectClient, loop: str, automations: Iterable[str], since: datetime) -> str | None:
    """The id of the event with which an automation told that the loop is silent; None where nobody was told."""
    for event in (await client.read_events(told_by(automations, since), limit=EVENTS_PAGE_SIZE)).events:
        if silent_in(event) == loop and await was_taken(client, str(event.id)):
            return str(event.id)
    return None
