"""How a probe is looked for in a mailbox.

The newest messages are walked back until they are older than the send; after that only what is new is fetched. No text
search by the server: providers tokenise, index late or refuse.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from datetime import timedelta
from functools import partial

from tasks.mail.config.addresses import endpoint
from tasks.mail.journey.authentication.signatures import signatures
from tasks.mail.mailboxes.folders import Place, Places, everything, places
from tasks.mail.mailboxes.mailbox import MAX_BODY_OCTETS, Can, Mailbox
from tasks.mail.mailboxes.registry import open_mailbox
from tasks.mail.model.errors import MailboxFailure
from tasks.mail.model.facts import Arrival, Quota
from tasks.mail.model.journey_record import SignatureRecord
from tasks.mail.model.moment import Moment
from tasks.mail.model.outcome import ErrorType, Leg
from tasks.mail.net.stages import report_stage
from tasks.mail.net.threads import in_own_thread
from tasks.mail.search.cleanup.collect import collect, collect_earlier, terms_of
from tasks.mail.search.cleanup.stale import Earlier
from tasks.mail.search.findings import describe_unreadable
from tasks.mail.search.pace import Pace, Tries
from tasks.mail.search.scan import Looks

_GRACE_SECONDS = 30.0  # seconds for the look that begins when the time is over, or less where `timeout` is
_SETTLE_SECONDS = 0.25  # a second copy comes this soon after the first, or is not waited for
_COPY_SECONDS = 5.0  # unless an attempt was refused after its message had gone out: then it is likely
_SIGNATURES_SECONDS = 10.0  # the verdict waits for them, but not for long
_MAX_CLEANED = 50  # other folders that earlier probes are looked for in
_MIN_PAUSE_SECONDS = 0.2  # between two connections, whatever retry_delay says


@dataclass
class Search(Looks):
    """Looks again and again, on as many connections as it takes; then it accounts for what is ours."""

    lost_after: timedelta
    _: KW_ONLY
    tries: Tries = field(default_factory=Tries)
    looked: asyncio.Event = field(default_factory=asyncio.Event)  # set once all that was there has been looked at
    trouble: MailboxFailure | None = None  # of the last connection, as long as no other has done better
    failed: bool = False  # whether a connection has
    put_off: bool = False  # whether the last one failed for its login was put off
    earlier: Earlier = field(default_factory=Earlier)
    more: bool = False  # copies were still coming when they were counted
    quotas: tuple[Quota, ...] = ()
    junk_folder: str = ""

    async def run(self, deadline: float) -> Arrival:
        """Look until the probe, or its bounce, is found, or the deadline (monotonic seconds) has passed.

        Then account for the probes of earlier runs. Raises MailboxFailure when the mailbox cannot be read: at once
        where another connection would end the same way, after a second look where waiting most likely changes nothing,
        else when the time is over, and a last connection, begun only then, has failed as well. An Arrival without hits
        means that a complete look at the end of the time found nothing.
        """
        while True:
            opened = self.tries.begin()
            try:
                found = await self._on_one_connection(deadline)
                # What was cut off cannot be verified.
                wanted = self.mailbox.verify_dkim and found.message and len(found.message) < MAX_BODY_OCTETS
                return replace(found, signatures=await _verified(found.message)) if wanted else found
            except MailboxFailure as failure:
                self.trouble = failure
                self.tries.failed(failure)
                # One that fails as the time ends may have been dead for long: another has to see what there is by then.
                # A login that is put off is tried once more, and no oftener: each one may count towards a lock-out.
                if failure.permanent or opened >= deadline or (failure.put_off and self.put_off):
                    raise
                self.put_off = failure.put_off
                report_stage(Leg.RECEIVING, failure.stage, f"{failure}; trying again")
                self.interrupted(failure)
            pause = max(self.tries.pause(self.mailbox.retry_delay) - (time.monotonic() - opened), _MIN_PAUSE_SECONDS)
            await asyncio.sleep(max(0.0, min(pause, deadline - time.monotonic())))

    async def _on_one_connection(self, deadline: float) -> Arrival:
        """Look until something is found or the deadline (monotonic seconds) has passed."""
        until = max(deadline, time.monotonic()) + min(self.mailbox.timeout, _GRACE_SECONDS)
        box = await open_mailbox(self.mailbox, until, self.probe.id)
        try:
            await self._watch(box, deadline)
            if self.unreadable and not self.detected:  # the message may be among them
                raise MailboxFailure(ErrorType.MAILBOX, "search", describe_unreadable(self.unreadable))
        except MailboxFailure as failure:
            failure.stages = dict(box.stages)
            if self.detected is None:
                raise
            self.note(f"After the message was found the mailbox failed ({failure}): it may still be there, or twice.")
        finally:
            await box.close()
        hits = sorted(self.hits.values(), key=lambda hit: (hit.folder, hit.ref.number))
        return Arrival(
            hits=tuple(hits),
            bounce=self.bounce,
            detected=self.detected or Moment.now(),
            stages=box.stages,
            notes=tuple(self.notes),
            message=self.message,
            copy=self.copy,
            tls=box.tls,
            delay=self.delay,
            earlier=tuple(self.earlier.reported.values()),
            quotas=self.quotas,
            more=self.more,
            tried=self.tries.so_far(),
            moved_from=self.moved_from,
            junk_folder=self.junk_folder,
            not_looked_at=self.not_looked_at,
        )

    async def _watch(self, box: Mailbox, deadline: float) -> None:
        expected, junk, others = await self._places(box, places([], self.mailbox))
        pace = Pace(deadline)
        while not self.detected:
            last = pace.over
            if sweep := last or (not self.due and pace.sweep_is_due()):
                # A filter that files mail makes the folder for it when the first one comes.
                expected, junk, others = await self._places(box, (expected, junk, others))
                self.begin_sweep(others)
            self.junk_folder = junk.folder if junk else ""
            await self.look(box, expected)
            if not self.detected and sweep:
                await self.read_again(box, expected)
            if not self.detected and junk and (last or pace.junk_is_due()):
                await self.look_aside(box, junk)
            if not self.detected and (sweep or self.due):
                await self.sweep(box, last)
            if last and not self.detected:
                await self.last_look(box, [expected, junk] if junk else [expected])
            # By number only for as long as numbers mean the same.
            self.unreadable = {ref for ref in self.unreadable if ref.lasts} | box.unreadable
            self.looked.set()
            self.trouble = None
            if last:
                break
            if not (self.detected or self.due or self.is_behind(expected.folder)):
                await pace.pause(box)
        if self.hits:
            await self._settle(box, expected, junk, others)
        if not self.reports_only and Can.DELETE in box.can:
            await self._collect(box, [place.folder for place in (expected, junk, *others[:_MAX_CLEANED]) if place])
        if not (self.detected or self.reports_only):
            try:
                self.quotas = await box.quotas(expected.folder)
            except MailboxFailure as failure:  # it takes nothing from what was seen before
                unknown = f"{failure}; so it is not known whether the mailbox is full"
                report_stage(Leg.RECEIVING, failure.stage, unknown)

    async def _settle(self, box: Mailbox, expected: Place, junk: Place | None, others: Sequence[Place]) -> None:
        """See whether there is another copy, and wait for one where there is reason to; then read them."""
        elsewhere, gone = [*([junk] if junk else []), *others], self._count_gone(box, expected)
        until = time.monotonic() + (_COPY_SECONDS if self.sent.earlier_copies else 0.0)
        while True:
            await asyncio.sleep(_SETTLE_SECONDS)
            if junk:
                await self.look_aside(box, junk)
            if len(self.hits) > self.sent.earlier_copies or time.monotonic() >= until:
                break
            await self.look(box, expected)
        await self.compare_places(box, expected, elsewhere)
        await self.read_copies(box)
        known = len(self.hits)
        # Where the probe itself lies the folder is opened for its deletion in any case.
        has_own = any(hit.own and hit.folder == expected.folder for hit in self.hits.values())
        await self.look(box, expected, to_change=has_own)
        while len(self.hits) > known:
            known = len(self.hits)
            await self.read_copies(box)
            if self.more or known <= 2 + self.sent.earlier_copies:
                break
            # Where more come than were sent they may come by the hundred: what is reported is how many there are.
            await asyncio.sleep(_SETTLE_SECONDS)
            await self.look(box, expected)
            self.more = time.monotonic() >= until + _COPY_SECONDS
        now_gone = self._count_gone(box, expected)
        if gone is not None and now_gone is not None and gone < now_gone and await self.follow_moves(box, elsewhere):
            await self.read_copies(box)

    def _count_gone(self, box: Mailbox, place: Place) -> int | None:
        cursor = self.seen.get(place.folder)
        return None if cursor is None else box.count_gone(place.folder, cursor)

    async def _places(self, box: Mailbox, known: Places) -> Places:
        """Where to look by what the server lists now; where it refuses to, `known` is enough to go on."""
        if Can.FOLDERS not in box.can:
            return known
        try:
            listed = await box.folders()
            expected, junk, others = places(listed, self.mailbox)
            self.all_mail = None if self.reports_only else everything(listed, self.mailbox)
            return expected, junk, [] if self.reports_only else others
        except MailboxFailure as failure:
            if not box.alive:
                raise
            self.note(f"The folders could not be listed: {failure}.")
            return known

    def interrupted(self, failure: MailboxFailure) -> None:
        """A connection has failed, and another one follows; the first failure is noted."""
        if not self.failed:
            self.failed = True
            self.note(
                f"The mailbox server {endpoint(self.mailbox.host, self.mailbox.port)} failed while the message was "
                f"looked for (at {failure.stage}: {str(failure).rstrip('.')}), and was tried again: see its log."
            )

    async def _collect(self, box: Mailbox, folders: list[str]) -> None:
        """Account for what is ours in the mailbox."""
        found = Arrival(tuple(self.hits.values()), None, self.detected or Moment.now())
        terms = terms_of(self.mailbox, self.probe, self.sent, found, self.lost_after)
        for note in await collect(box, self.probe, found.hits, self.read, terms.keep):
            self.note(note)
        looked_at = [folder for folder in folders if folder in self.seen and not self.seen[folder].is_empty]
        others = [folder for folder in folders if folder not in self.seen]
        for note in await collect_earlier(box, self.probe, terms, looked_at, others, self.earlier):
            self.note(note)


async def _verified(message: bytes) -> tuple[SignatureRecord, ...]:
    """The DKIM signatures of the message; none where that takes too long."""
    try:
        async with asyncio.timeout(_SIGNATURES_SECONDS):
            return await in_own_thread(partial(signatures, message))
    except TimeoutError:
        report_stage(Leg.RECEIVING, "search", "the DKIM signatures could not be verified in time")
        return ()
