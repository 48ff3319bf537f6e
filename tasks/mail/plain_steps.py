"""The steps of a check as plain coroutines: what Prefect's tasks do, without Prefect."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from tasks.mail.config.loop import InboundConfig, SenderSection
from tasks.mail.model.errors import MailboxFailure, SendFailure
from tasks.mail.model.facts import Arrival, Receipt
from tasks.mail.probe.compose import Probe
from tasks.mail.search.inbound import Recent, find_recent
from tasks.mail.search.pace import Tries
from tasks.mail.search.request import SearchRequest
from tasks.mail.search.watch import watch
from tasks.mail.senders.attempts import Attempts
from tasks.mail.senders.registry import attempt

T = TypeVar("T")


class PlainSteps:
    """See tasks.mail.engine.Steps."""

    async def send(self, probe: Probe, section: SenderSection, attempts: Attempts) -> Receipt | SendFailure:
        try:
            return await _retry(
                lambda: attempt(probe, section, attempts),
                lambda error: isinstance(error, SendFailure) and error.temporary,
                section.retry_delays(),
            )
        except SendFailure as failure:
            return failure.alone()

    async def search(self, request: SearchRequest) -> Arrival | MailboxFailure:
        try:
            return await watch(request)
        except MailboxFailure as failure:
            return failure.alone()

    async def look(self, inbound: InboundConfig) -> Recent | MailboxFailure:
        tries = Tries()
        try:
            return await _retry(
                lambda: find_recent(inbound, tries),
                lambda error: isinstance(error, MailboxFailure) and not error.permanent,
                [inbound.mailbox.retry_delay] * inbound.mailbox.retries,
            )
        except MailboxFailure as failure:
            return failure.alone()


async def _retry(step: Callable[[], Awaitable[T]], again: Callable[[Exception], bool], delays: Sequence[float]) -> T:
    """Run a step, once more after each delay (seconds) as long as `again` says so of its error."""
    for delay in delays:
        try:
            return await step()
        except Exception as error:
            if not again(error):
                raise
        await asyncio.sleep(delay)
    return await step()
