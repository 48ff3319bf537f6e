"""Two mailboxes at once: the one that the probe should arrive in, and the sender's, where its bounce would come.

Each has a connection of its own. Nothing that becomes of the second one delays or spoils what the first one says: its
failure is handed on with what was found. A bounce there ends the wait.
"""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

from tasks.mail.config.addresses import endpoint
from tasks.mail.config.mailbox import BounceMailbox, MailboxConfig, ProbeMailbox
from tasks.mail.config.secrets import redactor
from tasks.mail.model.errors import MailboxFailure, as_mailbox_failure
from tasks.mail.model.facts import Arrival, Receipt
from tasks.mail.model.moment import Moment
from tasks.mail.model.outcome import ErrorType
from tasks.mail.model.result import BounceRecord
from tasks.mail.net.stages import listener
from tasks.mail.probe.compose import Probe
from tasks.mail.search.pace import SECOND_LOOK, Tries
from tasks.mail.search.search import Search

_FIRST_LOOK = 1.0  # seconds that a verdict waits, if it must, for the first look into the bounce mailbox
_LAST_LOOK = 5.0  # seconds that it waits for the last one, where the probe was not found
_ONCE_MORE = 5.0  # seconds for another look for the probe, once its bounce has come


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """Find the probe of `receipt` in `mailbox`, and its bounce there or in `bounce_mailbox`; one of them may be None.

    `max_wait` is in seconds after the acceptance. Probes of earlier runs count as lost after `lost_after` seconds.
    """

    probe: Probe
    receipt: Receipt
    mailbox: ProbeMailbox | None
    bounce_mailbox: BounceMailbox | None
    max_wait: float
    lost_after: float


async def watch(request: SearchRequest, second_look: float = SECOND_LOOK) -> Arrival:
    """Look for the probe in the mailbox of the request, and for its bounce in the bounce mailbox: see Search.run().

    Raises the MailboxFailure of the mailbox, or of the bounce mailbox where that is all there is, and nothing else.
    """
    with as_mailbox_failure(redactor(request.mailbox, request.bounce_mailbox)):
        return await _watch_both(request, second_look)


async def _watch_both(request: SearchRequest, second_look: float) -> Arrival:
    probe, sent, mailbox, bounce_mailbox = request.probe, request.receipt, request.mailbox, request.bounce_mailbox
    deadline = sent.accepted.monotonic + request.max_wait
    lost = timedelta(seconds=request.lost_after)
    search = Search(probe, mailbox, sent, lost, tries=Tries(second_look)) if mailbox else None
    if bounce_mailbox is None:
        if search is None:
            raise ValueError("there is no mailbox to look into")
        return await search.run(deadline)
    bounces = Search(probe, searched(bounce_mailbox), sent, lost, reports_only=True, tries=Tries(second_look))
    if search is None:
        return await bounces.run(deadline)
    return await _Watch(search, bounces, bounce_mailbox).run(deadline)


def searched(mailbox: BounceMailbox) -> ProbeMailbox:
    """A mailbox in which nothing is deleted, for nothing in it is ours: the relay wrote its bounces."""
    fields = {name: getattr(mailbox, name) for name in MailboxConfig.model_fields}
    return ProbeMailbox.model_validate({**fields, "delete_after_check": False})


@dataclass(frozen=True, slots=True)
class _Watch:
    """Both searches of one check."""

    search: Search
    bounces: Search
    mailbox: BounceMailbox

    async def run(self, deadline: float) -> Arrival:
        """What both have found, as soon as one of them is enough."""
        main = asyncio.create_task(self.search.run(deadline))
        beside = asyncio.create_task(self._beside(deadline))
        try:
            await asyncio.wait({main, beside}, return_when=asyncio.FIRST_COMPLETED)
            if not self._has_bounced():
                await asyncio.wait({main})
            if not await _is_over(main, self.search, 0.0):
                # The message counts for more than its bounce: one of several recipients may have it.
                main = asyncio.create_task(self.search.run(time.monotonic()))
                await _is_over(main, self.search, _ONCE_MORE)
            await self._wait_for(beside, main)
            return self._together(main, beside)
        finally:
            main.cancel()
            beside.cancel()
            await asyncio.gather(main, beside, return_exceptions=True)

    async def _beside(self, deadline: float) -> Arrival:
        listener.set(None)  # the search for the probe is what is shown
        with as_mailbox_failure(redactor(self.mailbox)):
            return await self.bounces.run(deadline)

    def _has_bounced(self) -> bool:
        return self.bounces.bounce is not None

    async def _wait_for(self, beside: asyncio.Task[Arrival], main: asyncio.Task[Arrival]) -> None:
        """Give the bounce mailbox a moment, and a longer one where all depends on it."""
        if self._has_bounced() or self.search.bounce is not None:
            return
        if _failure(main) is None and not self.search.hits:
            await asyncio.wait({beside}, timeout=_LAST_LOOK)
            return
        looked = asyncio.create_task(self.bounces.looked.wait())
        await asyncio.wait({beside, looked}, timeout=_FIRST_LOOK, return_when=asyncio.FIRST_COMPLETED)
        looked.cancel()

    def _together(self, main: asyncio.Task[Arrival], beside: asyncio.Task[Arrival]) -> Arrival:
        """The findings of both in one. Raises the MailboxFailure of the search, unless a bounce says more."""
        failure = _failure(main)
        if failure is not None and not self._has_bounced():
            raise failure
        found = main.result() if failure is None else Arrival((), None, Moment.now(), stages=failure.stages)
        trouble = _failure(beside) or self.bounces.trouble
        return replace(
            found,
            bounce=found.bounce or self.bounces.bounce,
            delay=_later(found.delay or self.search.delay, self.bounces.delay),
            detected=found.detected if found.hits or found.bounce else self.bounces.detected or found.detected,
            notes=(*found.notes, *(() if self._has_bounced() or trouble else self._notes())),
            unread=failure,
            bounces_unread=None if self._has_bounced() else trouble,
            tried=found.tried or self.search.tries.so_far(),
        )

    def _notes(self) -> Iterator[str]:
        where = f"The bounce mailbox of {self.mailbox.username} at {endpoint(self.mailbox.host, self.mailbox.port)}"
        if not self.bounces.looked.is_set():
            yield f"{where} did not answer in the meantime, so no bounce would have been seen."
        else:
            yield from (f"{where}: {note}" for note in self.bounces.notes)


async def _is_over(task: asyncio.Task[Arrival], search: Search, seconds: float) -> bool:
    """Whether the search ends in time, or has found something and may end in its own time; else it is ended."""
    await asyncio.wait({task}, timeout=seconds)
    if search.detected is not None:
        await asyncio.wait({task})
    if not task.done():
        task.cancel()
        await asyncio.wait({task})
        return False
    return True


def _failure(task: asyncio.Task[Arrival]) -> MailboxFailure | None:
    """Why a search has failed. What was not foreseen is raised."""
    if not task.done():
        return None
    if task.cancelled():
        return MailboxFailure(ErrorType.TIMEOUT, "search", "no answer in the time that was left")
    error = task.exception()
    if error is not None and not isinstance(error, MailboxFailure):
        raise error
    return error


def _later(one: BounceRecord | None, other: BounceRecord | None) -> BounceRecord | None:
    """Of two notices of a delay the one that came later."""
    both = [notice for notice in (one, other) if notice is not None]
    return max(both, key=lambda notice: notice.arrived_at.timestamp() if notice.arrived_at else 0.0, default=None)
