"""Answers of Prefect's API that come in pages, and questions about many things at once."""

from collections.abc import AsyncIterator, Awaitable, Iterator, Sequence
from typing import Protocol, TypeVar
from urllib.parse import urlsplit

from prefect.client.orchestration import PrefectClient
from prefect.events.filters import EventFilter
from prefect.events.schemas.events import ReceivedEvent

PAGE_SIZE = 200  # what a server gives at the most at a time, unless it is configured otherwise
EVENTS_PAGE_SIZE = 50  # and of events

_T = TypeVar("_T")
_T_co = TypeVar("_T_co", covariant=True)


class ReadPage(Protocol[_T_co]):
    """A method of Prefect's client, but for which page it reads."""

    def __call__(self, *, limit: int, offset: int) -> Awaitable[Sequence[_T_co]]: ...


async def pages(read: ReadPage[_T]) -> AsyncIterator[Sequence[_T]]:
    """All pages, up to the first one that is not full."""
    offset, page = 0, await read(limit=PAGE_SIZE, offset=0)
    yield page
    while len(page) == PAGE_SIZE:
        offset += PAGE_SIZE
        page = await read(limit=PAGE_SIZE, offset=offset)
        yield page


async def items(read: ReadPage[_T]) -> AsyncIterator[_T]:
    """What is on them, one after the other; where something is added meanwhile, another may come twice."""
    async for page in pages(read):
        for one in page:
            yield one


def chunks(things: Sequence[_T], size: int = PAGE_SIZE) -> Iterator[Sequence[_T]]:
    """So many of them at a time: as many as a question may name, or an answer may hold."""
    return (things[start : start + size] for start in range(0, len(things), size))


async def newest_event(client: PrefectClient, where: EventFilter) -> ReceivedEvent | None:
    """The newest of the events that match."""
    found = (await client.read_events(where, limit=1)).events
    return found[0] if found else None


async def read_events(client: PrefectClient, where: EventFilter) -> AsyncIterator[ReceivedEvent]:
    """All events that match, in the order of the filter."""
    page = await client.read_events(where, limit=EVENTS_PAGE_SIZE)
    while True:
        for event in page.events:
            yield event
        if not page.next_page:
            return
        # Behind a proxy the server may not know its own address.
        query = urlsplit(str(page.next_page)).query
        page = await client.read_events_page(str(client.api_url.join(f"events/filter/next?{query}")))
