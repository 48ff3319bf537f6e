"""What a look into a mailbox takes, and how far each folder has been seen.

The folders that a rule may have chosen, or moved the message to, are all looked at, however many, but in slices: what
is looked at all the time, the expected folder and Junk, never waits for more than one. A message that was moved while
it was looked for is no second copy: the folder that it came to has it no more.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass, field

from tasks.mail.mailboxes.folders import Place
from tasks.mail.mailboxes.mailbox import MAX_WALKED, Cursor, Look, Mailbox
from tasks.mail.model.errors import MailboxFailure
from tasks.mail.model.facts import Hit
from tasks.mail.model.header import Header
from tasks.mail.model.outcome import Placement
from tasks.mail.probe.match import Match, match_header
from tasks.mail.search.classify import is_senders_copy
from tasks.mail.search.findings import Findings

_LAST_LOOK = 1000  # newest messages looked at before a probe is called lost, whatever their dates say
_LOOK_SECONDS = 1.0  # in which a look catches up on the headers of a folder
_HEADERS_AT_ONCE = 20  # that are parsed before other checks have their turn
_READ_AGAIN = 10  # messages, the newest, of those that could not be read
_SLICE_SECONDS = 1.0  # of a sweep
_LAST_SWEEP_SECONDS = 10.0  # for the last one, or half of `timeout` where that is less: the verdict waits for it
_MAX_NAMED = 3  # in a note, of the folders that there was no time for
_ARRIVALS = {Match.OWN, Match.COPY}
UNDECIDED = {Match.PERHAPS, Match.ENCLOSED, Match.UNLESS_REPORT}


@dataclass
class Looks(Findings):
    """What is known of the mailbox so far; it outlives the connections it was learned on.

    `due`: the folders that this sweep has still to look at. `swept`: those that one has looked at. `moved_from`: the
    folder that the message came to first, where it lies in another one now.
    """

    _: KW_ONLY
    seen: dict[str, Cursor] = field(default_factory=dict)  # by folder
    due: list[Place] = field(default_factory=list)
    swept: set[str] = field(default_factory=set)
    all_mail: Place | None = None  # the folder that shows all that lies in the others
    not_looked_at: tuple[str, ...] = ()  # when the time was over
    moved_from: str = ""

    async def look(self, box: Mailbox, place: Place, *, to_change: bool = False) -> None:
        """Look at what is not known of a folder yet: what is new, then what the looks before had no time for."""
        await self._take_in(place, await box.new(place.folder, self.seen.get(place.folder), to_change=to_change))
        await self.read_some(box, place)
        await self._catch_up(box, place)

    async def look_aside(self, box: Mailbox, place: Place) -> None:
        """Look at a folder without which the search goes on, too."""
        with self.tolerating_unreadable(box, place):
            await self.look(box, place)

    async def read_again(self, box: Mailbox, place: Place) -> None:
        """Ask once more for what could not be read in a folder: some servers have it a little later."""
        if refs := sorted(ref for ref in box.unreadable if ref.folder == place.folder and ref.lasts):
            await self._take(place, await box.fetch(refs[-_READ_AGAIN:]))

    def is_behind(self, folder: str) -> bool:
        """Whether there was more in a folder than the looks so far had time for."""
        return self.unread.count(folder) > 0 or (folder in self.seen and self.seen[folder].behind)

    @contextmanager
    def tolerating_unreadable(self, box: Mailbox, place: Place) -> Iterator[None]:
        """A folder that is shut to us, for now or for good, or that vanishes, does not end the search; it is noted."""
        try:
            yield
        except MailboxFailure as failure:
            if not place.optional or not box.alive:
                raise
            self.note(f"The folder {place.folder} could not be looked at: {failure}.")

    async def last_look(self, box: Mailbox, watched: list[Place]) -> None:
        """Before a probe is called lost, look at the newest messages whatever their dates: a clock may be far off."""
        for place in watched:
            with self.tolerating_unreadable(box, place):
                while not self.detected and place.folder in self.seen and self.seen[place.folder].behind:
                    await self._catch_up(box, place)
                async for headers in box.walk_back(place.folder, _LAST_LOOK, flags=False):
                    await self._take(place, headers, final=True)
                    if self.detected:
                        break
                await self.read_some(box, place, final=True)
        if (left := self.unread.count()) and not self.detected:
            self.note(f"{left} messages that come as bounces do were not read: there was no time for so many.")

    def begin_sweep(self, others: Sequence[Place]) -> None:
        """Look at all of them, at those first that were never looked at."""
        self.due = sorted(others, key=lambda place: place.folder in self.swept)

    async def sweep(self, box: Mailbox, last: bool) -> None:
        """Go on with the sweep for so long; what the last one has no time for is noted."""
        until = time.monotonic() + (min(_LAST_SWEEP_SECONDS, self.mailbox.timeout / 2) if last else _SLICE_SECONDS)
        while self.due and time.monotonic() < until:
            place = self.due.pop(0)
            await self.look_aside(box, place)
            self.swept.add(place.folder)
        if last and not self.detected and self.all_mail and time.monotonic() < until:
            await self.look_aside(box, self.all_mail)
        if last and not self.detected:
            self.not_looked_at = tuple(place.folder for place in self.due)
            if count := len(self.due):
                named = ", ".join(self.not_looked_at[:_MAX_NAMED]) + (" and others" if count > _MAX_NAMED else "")
                what = "One folder was" if count == 1 else f"{count} folders were"
                self.note(f"{what} not looked at ({named}): there was no time for so many.")

    async def compare_places(self, box: Mailbox, expected: Place, elsewhere: Sequence[Place]) -> None:
        """See whether what was found in two folders is in both of them."""
        if self.all_mail and self.all_mail.folder in {hit.folder for hit in self.hits.values()}:
            await self.look(box, expected)
            # What is found in a folder that it lies in is not there a second time because another shows it.
            view = self.all_mail.folder
            self.hits = {ref: hit for ref, hit in self.hits.items() if hit.folder != view} or self.hits
        if len({hit.folder for hit in self.hits.values()}) > 1:
            await self.follow_moves(box, elsewhere)

    async def follow_moves(self, box: Mailbox, elsewhere: Sequence[Place]) -> bool:
        """Take away what is no longer where it was found, if it is found elsewhere; returns whether that is so."""
        gone = await self._gone(box)
        if not gone:
            return False
        if len(gone) == len(self.hits):
            self.begin_sweep([place for place in elsewhere if place.folder not in {hit.folder for hit in gone}])
            await self.sweep(box, last=True)
        if len(gone) == len(self.hits):  # deleted, or moved to where no look goes: it arrived all the same
            return False
        self.moved_from = min(gone, key=lambda hit: hit.arrived_at).folder
        self.hits = {ref: hit for ref, hit in self.hits.items() if hit not in gone}
        return True

    async def _gone(self, box: Mailbox) -> list[Hit]:
        """What was found and is not there any more, as far as the server shows it for certain."""
        gone = list[Hit]()
        for folder, generation, placement in {(h.folder, h.ref.generation, h.placement) for h in self.hits.values()}:
            with self.tolerating_unreadable(box, Place(folder, placement)):
                here = [hit for ref, hit in self.hits.items() if (ref.folder, ref.generation) == (folder, generation)]
                there = await box.still_there([hit.ref for hit in here])
                gone += [hit for hit in here if there is not None and hit.ref not in there]
        return gone

    async def _catch_up(self, box: Mailbox, place: Place) -> None:
        """Go on with what was there before, the newest first."""
        until = time.monotonic() + _LOOK_SECONDS
        while (cursor := self.seen[place.folder]).behind:
            known = len(self.hits)
            look = await box.older(place.folder, cursor)
            await self._take_in(place, look)
            await self.read_some(box, place)
            if look.cut_off:
                self.note(f"Only the newest {MAX_WALKED} messages of {place.folder} were looked at.")
            if self.detected and len(self.hits) <= known + 1:  # where copies lie close together, all are counted
                self.seen[place.folder] = look.cursor.without_rest()
            elif all(self.is_old(header) for header in look.headers):
                self.seen[place.folder] = look.cursor.without_older()
            if time.monotonic() >= until:
                break

    async def _take_in(self, place: Place, look: Look) -> None:
        self.unread.forget(place.folder, look.cursor.generation)
        await self._take(place, look.headers)
        self.seen[place.folder] = look.cursor  # not before: a search that is cancelled may go on later

    async def _take(self, place: Place, headers: Sequence[Header], final: bool = False) -> None:
        """Take what concerns the probe."""
        for number, header in enumerate(headers):
            if number % _HEADERS_AT_ONCE == _HEADERS_AT_ONCE - 1:
                await asyncio.sleep(0)  # they may be long, and other checks want to go on
            kind, old = match_header(header, self.probe), self.is_old(header)
            if self.reports_only:
                kind = Match.REPORT if kind in (Match.REPORT, Match.UNLESS_REPORT) else Match.NO
            if kind is Match.REPORT and self.bounce is None and (final or not old):
                self.unread.add(header, kind, old)
            elif kind in _ARRIVALS and not self._is_senders_copy(place, header):
                self.hit(place, header.ref, header.arrived_at, own=kind is Match.OWN)
            elif (
                kind in UNDECIDED and not (kind is Match.ENCLOSED and old) and not self._is_senders_copy(place, header)
            ):
                self.unread.add(header, kind, old)
            self.unreadable.discard(header.ref)

    def _is_senders_copy(self, place: Place, header: Header) -> bool:
        """Only outside of the folders that mail is delivered to: not every server leaves traces of the delivery."""
        if place.placement is not Placement.OTHER:
            return False
        username, queue_id = self.mailbox.username, self.sent.queue_id
        return is_senders_copy(header.raw, self.probe, username, queue_id, among_sent=place.view)
