"""What the Prefect server holds of checks and alerts: events, rules, where loops stand with them, and calls."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import VariableCreate, VariableUpdate
from prefect.events import Event, ResourceSpecification, filters

from tasks.alerts.rules import Rule
from tasks.alerts.state import Pending, Standing
from tasks.pages import EVENTS_PAGE_SIZE, PAGE_SIZE, chunks, newest_event

RULES_VARIABLE = "mail-loop-alerts"
STATE_VARIABLE = "mail-loop-alert-state-{loop}"
CHECKED, WATCHED = "mail-loop.checked", "mail-loop.watched"
EVERY_SPAN = f"{WATCHED}.*"
CALL = "mail-loop.{kind}"
ALIVE, STATUS, OUTCOME, CAUSE, RULE, CHANNEL = (
    f"mail-loop.{label}" for label in ("alive", "status", "outcome", "cause", "rule", "channel")
)
LOOP_RESOURCE = "mail-loop.loop."  # before the name of a loop


Automations = Mapping[str, Mapping[str, Sequence[str]]]  # ids of those on silence, by rule and channel


def resource(loop: str) -> dict[str, str]:
    """A loop, as events name it."""
    return {"prefect.resource.id": f"{LOOP_RESOURCE}{loop}", "prefect.resource.name": loop}


def check_events(
    since: datetime, until: datetime, order: filters.EventOrder, loops: Sequence[str] | None = None
) -> filters.EventFilter:
    """The events of checks, of all loops or some."""
    ids = [f"{LOOP_RESOURCE}{loop}" for loop in loops or ()]
    return filters.EventFilter(
        occurred=filters.EventOccurredFilter(since=since, until=until),
        event=filters.EventNameFilter(name=[CHECKED]),
        resource=filters.EventResourceFilter(**({"id": ids} if ids else {"id_prefix": [LOOP_RESOURCE]})),
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


async def read_variables(client: PrefectClient, names: Sequence[str]) -> dict[str, Any]:
    """What is in these Prefect Variables, as far as they are there."""
    found: dict[str, Any] = {}
    for some in chunks(names):
        where = {"variables": {"name": {"any_": some}}, "limit": PAGE_SIZE}
        response = await client.request("POST", "/variables/filter", json=where)
        found |= {one["name"]: one["value"] for one in response.json()}
    return found


def rules_in(value: Mapping[str, Any]) -> dict[str, Rule]:
    """The rules in RULES_VARIABLE; none where it is not there, and so empty."""
    return {name: Rule.model_validate(fields) for name, fields in (value["rules"] if value else {}).items()}


async def read_alerts(client: PrefectClient, loop: str) -> tuple[dict[str, Rule], Automations, dict[str, Standing]]:
    """The rules on the server, those of their automations that are on silence, and where the loop stands with them."""
    state = STATE_VARIABLE.format(loop=loop)
    found = await read_variables(client, [RULES_VARIABLE, state])
    if not (value := found.get(RULES_VARIABLE)):
        return {}, {}, {}
    states = {name: Standing.model_validate(one) for name, one in found.get(state, {}).items()}
    automations = {
        rule: {channel: ids_of(ids) for channel, ids in channels.items()}
        for rule, channels in value.get("automations", {}).items()
    }
    return rules_in(value), automations, states


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
    return await newest_event(client, _answer(event, "executed")) is not None


async def refusal(client: PrefectClient, event: str) -> str | None:
    """Why it did not, where it tried."""
    failed = await newest_event(client, _answer(event, "failed"))
    return str(failed.payload.get("reason")) if failed else None


def _answer(event: str, how: str) -> filters.EventFilter:
    return filters.EventFilter(
        event=filters.EventNameFilter(name=[f"prefect.automation.action.{how}"]),
        related=filters.EventRelatedFilter(id=[f"prefect.event.{event}"]),
    )


async def last_check(client: PrefectClient, loop: str, labels: Mapping[str, Any]) -> datetime | None:
    """When the last check with these labels was reported."""
    return await _last(client, loop, filters.EventNameFilter(name=[CHECKED]), labels)


async def last_watched(client: PrefectClient, loop: str, rule: str) -> datetime | None:
    """Since when a loop may have been silent to a rule: since its last good check, or since the rule began to hold."""
    return await _last(client, loop, filters.EventNameFilter(prefix=[watched("")]), {RULE: rule})


async def _last(
    client: PrefectClient, loop: str, names: filters.EventNameFilter, labels: Mapping[str, Any]
) -> datetime | None:
    about = filters.EventResourceFilter(id=[f"{LOOP_RESOURCE}{loop}"], labels=ResourceSpecification(labels))
    last = await newest_event(client, filters.EventFilter(event=names, resource=about))
    return datetime.fromtimestamp(last.occurred.timestamp(), UTC) if last else None


def triggered_by(automations: Iterable[str], since: datetime | None = None) -> filters.EventFilter:
    """What these automations on silence have called about, or tried to."""
    return filters.EventFilter(
        event=filters.EventNameFilter(name=["prefect.automation.triggered"]),
        resource=filters.EventResourceFilter(id=[f"prefect.automation.{one}" for one in automations]),
        **({"occurred": filters.EventOccurredFilter(since=since)} if since else {}),
    )


def silent_in(event: Event) -> str:
    """The loop that was silent, in what an automation has called about."""
    found = event.payload.get("triggering_labels", {}).get("prefect.resource.id", "")
    return str(found).removeprefix(LOOP_RESOURCE)


async def silence_call(client: PrefectClient, loop: str, automations: Iterable[str], since: datetime) -> str | None:
    """The id of the event by which an automation called about a silence of the loop; None where nobody was called."""
    for event in (await client.read_events(triggered_by(automations, since), limit=EVENTS_PAGE_SIZE)).events:
        if silent_in(event) == loop and await was_taken(client, str(event.id)):
            return str(event.id)
    return None
