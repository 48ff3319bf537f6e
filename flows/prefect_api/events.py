"""The events of checks, as a Prefect server has them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime

import httpx
from prefect.client.orchestration import PrefectClient
from prefect.events.filters import EventFilter, EventNameFilter, EventOccurredFilter, EventOrder, EventResourceFilter
from prefect.events.schemas.events import ReceivedEvent

from tasks.alert_store import CHECKED

EVENTS_PAGE_SIZE = 50  # what a server gives at the most at a time
LOOP_RESOURCE = "mail-loop.loop."


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


async def read_events(client: PrefectClient, where: EventFilter) -> AsyncIterator[ReceivedEvent]:
    """All that match, page by page."""
    page = await client.read_events(where, limit=EVENTS_PAGE_SIZE)
    while True:
        for event in page.events:
            yield event
        if not page.next_page:
            return
        # Behind a proxy the server may not know its own address.
        query = httpx.URL(str(page.next_page)).query.decode()
        page = await client.read_events_page(str(client.api_url.join(f"events/filter/next?{query}")))
