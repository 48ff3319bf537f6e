"""How a probe is looked for in a mailbox.

The newest messages are walked back until they are older than the send; after that only what is new is fetched. No text
search by the server: providers tokenise, index late or refuse.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta

from tasks.mail import progress
from tasks.mail.bounce import bounce_of, delay_of
from tasks.mail.collect import collect, collect_earlier, terms_of
from tasks.mail.config import ImapConfig
from tasks.mail.earlier import Earlier
from tasks.mail.errors import ImapFailure
from tasks.mail.evidence import read_copies, room
from tasks.mail.facts import FAILED, Arrival, Bounce, ErrorType, Hit, Moment, Placement, Receipt
from tasks.mail.imap import MOST_WALKED, Mailbox
from tasks.mail.imap_rows import Row
from tasks.mail.match import HEADERS, Match, body_has_id, match
from tasks.mail.pace import Pace
from tasks.mail.places import Place, Places, places
from tasks.mail.probe import Probe
from tasks.mail.quota import Quota

CLOCK_MARGIN = timedelta(hours=1)  # how far the mail server's clock may be off without a message being missed at first
LAST_LOOK = 1000  # newest messages looked at before a probe is called lost, whatever their dates say
OLD_REPORTS = 20  # of those, what may be a bounce but is too old by its date, and is read all the same
GRACE = 30.0  # seconds for the look that begins when the time is over, or less where `timeout` is
SETTLE_SECONDS = 0.25  # a second copy comes this soon after the first, or is not waited for
COPY_SECONDS = 5.0  # unless an attempt was refused after its message had gone out: then it is likely
SHORTEST_PAUSE = 0.2  # between two connections, whatever retry_delay says


async def find(
    probe: Probe, imap: ImapConfig, sent: Receipt, max_wait: float, lost_after: float | None = None
) -> Arrival:
    """Look for the probe until it, or its bounce, is found, or `max_wait` seconds after the acceptance.

    Then account for the probes of earlier runs, which were waited for `lost_after` seconds, `max_wait` if left out.

    Raises ImapFailure when the mailbox cannot be read: at once where another connection would end the same way, else
    when the time is over, and a last connection, begun only then, has failed as well. An Arrival without hits means
    that a complete look at the end of the time found nothing.
    """
    return await Search(probe, imap, sent, timedelta(seconds=max_wait if lost_after is None else lost_after)).run(
        sent.accepted.monotonic + max_wait
    )


@dataclass(slots=True)
class _Seen:
    """How far a folder has been looked at: everything below `uidnext`."""

    uidvalidity: int
    uidnext: int


@dataclass
class Search:
    """What is known of the mailbox so far; it outlives the connections it was learned on.

    With `reports_only` neither the probe nor other folders are looked for: it is the mailbox that bounces go to.
    """

    probe: Probe
    imap: ImapConfig
    sent: Receipt
    lost_after: timedelta
    reports_only: bool = False
    looked: asyncio.Event = field(default_factory=asyncio.Event)  # set once all that was there has been looked at
    trouble: ImapFailure | None = None  # of the last connection, as long as no other has done better
    seen: dict[str, _Seen] = field(default_factory=dict)
    hits: dict[tuple[str, int, int], Hit] = field(default_factory=dict)
    bounce: Bounce | None = None
    delay: Bounce | None = None  # the last one: it tells most of where the probe is now
    detected: Moment | None = None
    notes: list[str] = field(default_factory=list)
    failed: bool = False  # whether a connection has
    unreadable: int = 0  # answers that could not be read, on connections that are over
    old_reports: int = 0  # read so far
    earlier: Earlier = field(default_factory=Earlier)
    message: bytes = b""  # the copy that decides, as it lies in the mailbox
    copy: bytes = b""  # and another
    quotas: tuple[Quota, ...] = ()

    async def run(self, deadline: float) -> Arrival:
        """Look until something is found or the deadline (monotonic seconds) has passed: see find()."""
        while True:
            opened = time.monotonic()
            try:
                return await self._on_one_connection(deadline)
            except ImapFailure as failure:
                self.trouble = failure
                # One that fails as the time ends may have been dead for long: another has to see what there is by then.
                if failure.permanent or opened >= deadline:
                    raise
                progress.tell("imap", failure.stage, f"{failure}; trying again")
                self.interrupted(failure)
            pause = max(self.imap.retry_delay - (time.monotonic() - opened), SHORTEST_PAUSE)
            await asyncio.sleep(max(0.0, min(pause, deadline - time.monotonic())))

    async def _on_one_connection(self, deadline: float) -> Arrival:
        """Look until something is found or the deadline (monotonic seconds) has passed."""
        until = max(deadline, time.monotonic()) + min(self.imap.timeout, GRACE)
        box = await Mailbox.open(self.imap, until)
        try:
            await self._watch(box, deadline)
            unreadable = self.unreadable + box.unreadable
            if unreadable and not self.detected:  # the message may be in what was not read
                text = f"{unreadable} answers of the server to FETCH could not be read"
                raise ImapFailure(ErrorType.IMAP, "search", text)
        except ImapFailure as failure:
            failure.stages = box.stages
            if self.detected is None:
                raise
            self._note(f"After the message was found the mailbox failed ({failure}): it may still be there, or twice.")
        finally:
            self.unreadable += box.unreadable
            await box.close()
        hits = sorted(self.hits.values(), key=lambda hit: (hit.folder, hit.uid))
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
            earlier=tuple(self.earlier.told.values()),
            quotas=self.quotas,
        )

    async def _watch(self, box: Mailbox, deadline: float) -> None:
        expected, junk, others = await self._places(box, places([], self.imap))
        pace = Pace(deadline)
        while not self.detected:
            last = pace.over
            if sweep := last or pace.sweep_is_due():
                # A filter that files mail makes the folder for it when the first one comes.
                expected, junk, others = await self._places(box, (expected, junk, others))
            await self._look_at_selected(box, expected)
            if not self.detected and junk and (last or pace.junk_is_due()):
                await self._look_aside(box, junk)
            if not self.detected and sweep:
                for place in others:
                    await self._look_aside(box, place)
            if last and not self.detected:
                await self._last_look(box, [expected, junk] if junk else [expected])
            self.looked.set()
            self.trouble = None
            if last:
                break
            if not self.detected and box.selected != expected.folder:
                # Back from a look aside: what came meanwhile is seen now, and what comes next wakes IDLE.
                await self._examine(box, expected)
            if not self.detected:
                await pace.pause(box)
        if self.hits:
            await self._settle(box, expected, junk)
            self.message, self.copy = await read_copies(box, self.hits.values(), self._note)
        if not self.reports_only:
            await self._collect(box, [place.folder for place in (expected, junk, *others) if place])
        if not (self.detected or self.reports_only):
            self.quotas = await room(box, expected.folder)

    async def _settle(self, box: Mailbox, expected: Place, junk: Place | None) -> None:
        """See whether there is another copy, and wait for one where there is reason to."""
        until = time.monotonic() + (COPY_SECONDS if self.sent.earlier_copies else 0.0)
        while True:
            await asyncio.sleep(SETTLE_SECONDS)
            await self._look_at_selected(box, expected)
            if junk:
                await self._look_aside(box, junk)
            if len(self.hits) > self.sent.earlier_copies or time.monotonic() >= until:
                return

    async def _places(self, box: Mailbox, known: Places) -> Places:
        """Where to look by what the server lists now; where it refuses to, `known` is enough to go on."""
        try:
            expected, junk, others = places(await box.folders(), self.imap)
            return expected, junk, [] if self.reports_only else others
        except ImapFailure as failure:
            if not box.alive:
                raise
            self._note(f"The folders could not be listed: {failure}.")
            return known

    async def _look_at_selected(self, box: Mailbox, place: Place) -> None:
        """Look at the expected folder, which stays selected between the looks."""
        if box.selected == place.folder and (seen := self.seen.get(place.folder)):
            await box.noop()  # without it a server may answer from the view of the command before
            await self._take(box, place, seen, await box.fetch_new(seen.uidnext))
        else:
            await self._examine(box, place)

    async def _look_aside(self, box: Mailbox, place: Place) -> None:
        """Look at another folder, if STATUS says that there is something new."""
        with self._tolerating_unreadable(box, place):
            uidnext, uidvalidity = await box.uidnext(place.folder)
            seen = self.seen.get(place.folder)
            if seen and uidnext is not None and (uidvalidity, uidnext) == (seen.uidvalidity, seen.uidnext):
                return
            await self._examine(box, place)

    @contextmanager
    def _tolerating_unreadable(self, box: Mailbox, place: Place) -> Iterator[None]:
        """A folder that is shut to us, for now or for good, or that vanishes, does not end the search; it is told."""
        try:
            yield
        except ImapFailure as failure:
            if not place.optional or not box.alive:
                raise
            self._note(f"The folder {place.folder} could not be looked at: {failure}.")

    async def _examine(self, box: Mailbox, place: Place) -> None:
        """Select a folder and look at what is not known of it yet."""
        selected = await box.examine(place.folder)
        seen = self.seen.get(place.folder)
        if seen is not None and seen.uidvalidity == selected.uidvalidity:
            await self._take(box, place, seen, await box.fetch_new(seen.uidnext))
            return
        seen = _Seen(selected.uidvalidity, selected.uidnext or 1)
        async for rows in box.newest_first(selected.exists):
            await self._take(box, place, seen, rows)
            if self.detected or all(self._is_old(row) for row in rows):
                break
        else:
            if selected.exists > MOST_WALKED:
                self._note(f"Only the newest {MOST_WALKED} messages of {place.folder} were looked at.")
        # Only now: a walk that a lost connection ends in the middle is begun again.
        self.seen[place.folder] = seen

    async def _last_look(self, box: Mailbox, watched: list[Place]) -> None:
        """Before a probe is called lost, look at the newest messages whatever their dates: a clock may be far off."""
        for place in watched:
            with self._tolerating_unreadable(box, place):
                selected = await box.examine(place.folder)
                seen = _Seen(selected.uidvalidity, selected.uidnext or 1)
                async for rows in box.newest_first(selected.exists, LAST_LOOK):
                    await self._take(box, place, seen, rows[::-1], final=True)
                    if self.detected:
                        break

    async def _take(self, box: Mailbox, place: Place, seen: _Seen, rows: Sequence[Row], final: bool = False) -> None:
        """Take from `rows` what concerns the probe, and remember how far they reach."""
        for row in rows:
            kind = match(row.headers, self.probe)
            if self.reports_only and kind is not Match.REPORT:
                kind = Match.NO
            if kind is Match.PERHAPS and body_has_id(await self._body(box, place, row), self.probe):
                kind = Match.COPY
            if kind is Match.REPORT and self.bounce is None and self._is_worth_reading(row, final):
                self._read_report(await self._body(box, place, row), place, row)
            if kind in {Match.OWN, Match.COPY} and not _is_senders_copy(place, row):
                own = kind is Match.OWN
                hit = Hit(place.folder, place.placement, seen.uidvalidity, row.uid, row.internaldate, own)
                self.hits[hit.folder, hit.uidvalidity, hit.uid] = hit
            if (self.hits or self.bounce) and self.detected is None:
                self.detected = Moment.now()
            # Only now: a message whose body was not read before the connection was lost is looked at again.
            seen.uidnext = max(seen.uidnext, row.uid + 1)

    def _read_report(self, raw: bytes, place: Place, row: Row) -> None:
        """Take the bounce of the probe, or the notice that it is delayed."""
        fresh = not self._is_old(row)
        if (notice := bounce_of(raw, self.probe, fresh) or delay_of(raw, self.probe, fresh)) is None:
            return
        mailbox = f"{self.imap.username} at {self.imap.host}"
        notice = replace(notice, mailbox=mailbox, folder=place.folder, arrived=row.internaldate)
        if notice.action == FAILED:
            self.bounce = notice
        elif self.delay is None or self.delay.arrived is None or self.delay.arrived <= row.internaldate:
            self.delay = notice

    async def _body(self, box: Mailbox, place: Place, row: Row) -> bytes:
        """The body of a message; none where the server refuses it, for one bad message must not shut the mailbox."""
        try:
            return await box.fetch_body(row.uid)
        except ImapFailure as failure:
            if not box.alive:
                raise
            self._note(f"Message {row.uid} in {place.folder} could not be read: {failure}.")
            return b""

    def _is_worth_reading(self, report: Row, final: bool) -> bool:
        """Whether to read what may be a bounce. Old ones only at the end: a clock may be far off."""
        if not self._is_old(report):
            return True
        self.old_reports += final
        return final and self.old_reports <= OLD_REPORTS

    def _is_old(self, row: Row) -> bool:
        return row.internaldate < self.sent.started.utc - CLOCK_MARGIN

    def interrupted(self, failure: ImapFailure) -> None:
        """A connection has failed, and another one follows; the first failure is told."""
        if not self.failed:
            self.failed = True
            self._note(
                f"The mailbox server {self.imap.host}:{self.imap.port} failed while the message was looked for "
                f"(at {failure.stage}: {str(failure).rstrip('.')}), and was tried again: see its log."
            )

    def _note(self, text: str) -> None:
        """Each note once, however often its reason is met."""
        self.notes += [text] if text not in self.notes else []

    async def _collect(self, box: Mailbox, folders: list[str]) -> None:
        """Account for what is ours in the mailbox."""
        found = Arrival(tuple(self.hits.values()), None, self.detected or Moment.now())
        terms = terms_of(self.imap, self.sent, found, self.lost_after)
        for note in await collect(box, self.probe, found.hits, terms.keep):
            self._note(note)
        looked_at = [folder for folder in folders if folder in self.seen]
        others = [folder for folder in folders if folder not in self.seen]
        for note in await collect_earlier(box, self.probe, terms, looked_at, others, self.earlier):
            self._note(note)


def _is_senders_copy(place: Place, row: Row) -> bool:
    """What was never received was put there by the sender's own program, whatever the folder is called."""
    return place.placement is Placement.OTHER and "Received" not in HEADERS.parsebytes(row.headers)
