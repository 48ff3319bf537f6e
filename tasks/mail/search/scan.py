"""What a look into a mailbox takes, and how far each folder has been seen."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass, field

from tasks.mail.mailboxes.folders import Place
from tasks.mail.mailboxes.mailbox import MAX_WALKED, Cursor, Look, Mailbox
from tasks.mail.model.errors import MailboxFailure
from tasks.mail.model.header import Header
from tasks.mail.model.outcome import Placement
from tasks.mail.probe.match import Match, match_header
from tasks.mail.search.findings import Findings
from tasks.mail.search.senders_copy import is_senders_copy

_LAST_LOOK = 1000  # newest messages looked at before a probe is called lost, whatever their dates say
_LOOK_SECONDS = 1.0  # in which a look catches up on the headers of a folder
_HEADERS_AT_ONCE = 20  # that are parsed before other checks have their turn
_READ_AGAIN = 10  # messages, the newest, of those that could not be read
_ARRIVALS = {Match.OWN, Match.COPY}
UNDECIDED = {Match.PERHAPS, Match.ENCLOSED, Match.UNLESS_REPORT}


@dataclass
class Looks(Findings):
    """What is known of the mailbox so far; it outlives the connections it was learned on."""

    _: KW_ONLY
    seen: dict[str, Cursor] = field(default_factory=dict)  # by folder

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
