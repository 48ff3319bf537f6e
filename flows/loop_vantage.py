"""What the last results of loops that are checked from several places show together, as a scheduled flow."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import anyio
from prefect import flow
from prefect.artifacts import acreate_markdown_artifact
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.objects import State
from prefect.events.filters import EventOrder
from prefect.states import Completed, Failed
from pydantic import BaseModel, ConfigDict, Field

from flows.registry import LOOP_VANTAGE
from tasks.alert_store import LOOP_RESOURCE, check_events
from tasks.correlation.vantage import PlaceResult, Together, Watched, compare_places, places_in_short, places_markdown
from tasks.finish import artifact_key
from tasks.history.record import result_from
from tasks.mail.config.fleet import seen_from
from tasks.mail.config.section import Slug
from tasks.pages import chunks, read_events
from tasks.run_context import as_begun

_CLOCK_AHEAD = timedelta(days=1)  # the clock of a worker may be, by which events are dated
_NAMES_AT_ONCE = 100  # names in one question
_READ_SECONDS = 120.0


class VantageLoop(BaseModel):
    """A loop under its name in the file, without the place."""

    model_config = ConfigDict(extra="forbid", title="Loop")

    places: list[Slug] = Field(description="Where it is checked from", min_length=2)
    every: float = Field(description="Seconds between two checks from one place", gt=0)
    longest: float = Field(description="Seconds that a check may wait", ge=0)


@flow(name="loop-vantage", flow_run_name="vantage {name}", persist_result=False, retries=0)
async def loop_vantage(name: Slug, loops: dict[str, VantageLoop]) -> list[Together] | State[object]:
    """Say of loops that are checked from several places which of them fail only from some.

    The final state is Alike or Differs; the table is at mail-loop-vantage-<name>. A place of which there is no check is
    told as silent, and counts neither for nor against anything.

    Args:
        name: Name of the fleet.
        loops: The loops, each under its name.
    """
    run = as_begun()
    # The server's clock, by which it also says when it received a result.
    now = run.state.timestamp if run and run.state else datetime.now(UTC)
    watched = [
        Watched(loop, tuple(one.places), timedelta(seconds=one.every), timedelta(seconds=one.longest))
        for loop, one in loops.items()
    ]
    try:
        with anyio.fail_after(_READ_SECONDS):
            async with get_client() as client:
                seen = await _seen(client, watched, now)
    except TimeoutError as error:
        return Failed(name="Unread", message=f"the results could not be read within {_READ_SECONDS:g} s", data=error)
    found = [
        compare_places(one, {place: seen[seen_from(one.loop, place)] for place in one.places}, now) for one in watched
    ]
    text = places_in_short(found)
    await acreate_markdown_artifact(
        places_markdown(found, now), key=artifact_key(LOOP_VANTAGE.report_name(name)), description=f"vantage {name}"
    )
    return Completed(name="Differs" if any(one.differs for one in found) else "Alike", message=text, data=found)


async def _seen(client: PrefectClient, watched: Sequence[Watched], now: datetime) -> dict[str, list[PlaceResult]]:
    """The results of these loops by the names that they have at their places, the oldest first."""
    found: defaultdict[str, list[PlaceResult]] = defaultdict(list)
    names = [seen_from(one.loop, place) for one in watched for place in one.places]
    since = now - max((one.window for one in watched), default=timedelta())
    for some in chunks(names, _NAMES_AT_ONCE):
        where = check_events(since, now + _CLOCK_AHEAD, EventOrder.ASC, some)
        async for event in read_events(client, where):
            result = result_from(event.payload)
            if result is not None and event.resource.id == f"{LOOP_RESOURCE}{result.loop}":
                at = datetime.fromtimestamp(event.received.timestamp(), UTC)
                found[result.loop].append(PlaceResult(at, result))
    return defaultdict(list, {loop: sorted(seen, key=lambda one: one.at) for loop, seen in found.items()})
