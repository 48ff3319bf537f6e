"""What may fall silent, from when on, and what has: loops by their schedules, and the calls of the server."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from prefect.client.orchestration import PrefectClient
from prefect.events import Event, RelatedResource
from prefect.events.schemas.events import ReceivedEvent

from tasks.alert_store import RULE, ids_of, last_watched, refusal, resource, silent_in, told_by, was_taken, watched
from tasks.alerts.message import UNSCHEDULED
from tasks.alerts.rules import UNWATCHED, Rule, span_for, tolerated_silence
from tasks.mail.model.durations import duration
from tasks.mail.model.safe_text import one_line
from tasks.pages import read_events
from tasks.schedules import Schedule, expected_silence, in_words, longest_interval

Schedules = Mapping[str, Sequence[tuple[str, Schedule]]]  # by loop, with the id of the deployment

_MAX_NAMED = 5  # loops in one sentence
_TIMES = 3  # the interval: a good length of silence


async def start_clocks(client: PrefectClient, name: str, rule: Rule, schedules: Schedules, *, anew: bool) -> None:
    """Start the clock of loops that have not been checked yet: a schedule that never began is silence, too."""
    for loop in _of(rule, schedules):
        if anew or await last_watched(client, loop, name) is None:
            await _begin(client, name, rule, loop, schedules[loop])


async def _begin(
    client: PrefectClient, name: str, rule: Rule, loop: str, starts: Sequence[tuple[str, Schedule]]
) -> None:
    now = datetime.now(UTC)
    span = span_for(rule.within or "", await expected_silence([one for _, one in starts], now))
    (deployment, _), *_ = starts
    event = Event(
        event=watched(span or UNWATCHED),
        resource=resource(loop) | {RULE: name},
        related=[RelatedResource(_resource_of(deployment))],
        payload={"loop": loop, "sentence": "It was then that the rule began to hold."},
        occurred=now,
    )
    await client.request("POST", "/events", json=[event.model_dump(mode="json")])


async def doubts(name: str, rule: Rule, schedules: Schedules, *, all_known: bool) -> list[str]:
    """A sentence for what the rule tells late or never. `all_known`: whether there is no loop but those known here."""
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


def _resource_of(deployment: str) -> dict[str, str]:
    return {"prefect.resource.id": f"prefect.deployment.{deployment}", "prefect.resource.role": "deployment"}


def _of(rule: Rule, schedules: Schedules) -> list[str]:
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
            async for event in read_events(client, told_by(ids_of(ids))):
                newest.setdefault(silent_in(event), event)  # the newest come first
            for loop, event in newest.items():
                if rule.misses(loop) and (line := await _told(client, name, channel, loop, event)):
                    found[line] = None
    return [one_line(line, None) for line in found]


async def _told(client: PrefectClient, rule: str, channel: str, loop: str, event: Event) -> str | None:
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
