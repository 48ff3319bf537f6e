"""What a look into a mailbox takes, and how far each folder has been seen."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass, field

from tasks.mail.mailboxes.folders import Place
from tasks.mail.mailboxes.imap.folder import FolderStatus, Selected
from tasks.mail.mailboxes.imap.mailbox import NEARLY, UNTOLD_SECONDS, Mailbox
from tasks.mail.mailboxes.imap.reading import BATCH, FIRST_BATCH, MOST_WALKED
from tasks.mail.model.errors import ImapFailure
from tasks.mail.model.header import Row
from tasks.mail.model.outcome import Placement
from tasks.mail.probe.match import Match, match_row
from tasks.mail.search.findings import Findings
from tasks.mail.search.senders_copy import is_senders_copy
from tasks.mail.search.unread import Seen

LAST_LOOK = 1000  # newest messages looked at before a probe is called lost, whatever their dates say
LOOK_SECONDS = 1.0  # in which a look catches up on the headers of a folder
ROWS_AT_ONCE = 20  # headers that are parsed before others have their turn
ARRIVALS = {Match.OWN, Match.COPY}
UNDECIDED = {Match.PERHAPS, Match.ENCLOSED, Match.UNLESS_REPORT}


@dataclass
class Looks(Findings):
    """What is known of the mailbox so far; it outlives the connections it was learned on."""

    _: KW_ONLY
    seen: dict[str, Seen] = field(default_factory=dict)
    empty: set[str] = field(default_factory=set)  # folders that were looked at aside, and held nothing

    async def look_at_selected(self, box: Mailbox, place: Place) -> None:
        """Look at the expected folder, which stays selected between the looks."""
        if box.selected == place.folder and (seen := self.seen.get(place.folder)):
            untold = box.unfetched >= UNTOLD_SECONDS - NEARLY
            if untold and not box.news and (selected := await box.renewed(place.folder)) is not None:
                await self.look_into(box, place, selected)
                return
            if not box.news:
                await box.noop()  # without it a server may answer from the view of the command before
            if box.news or untold:
                await self._take_new(box, place, seen)
            await self._catch_up(box, place, seen)
        else:
            await self.examine(box, place)

    async def read_again(self, box: Mailbox, place: Place) -> None:
        """Ask once more for what could not be read in the open folder: some servers have it a little later."""
        uids = sorted(uid for folder, uid in box.unreadable if folder == place.folder and uid > 0)
        if uids and box.selected == place.folder and (seen := self.seen.get(place.folder)):
            await self._take(box, place, seen, await box.fetch_uids(uids[-FIRST_BATCH:]))

    async def look_aside(self, box: Mailbox, place: Place) -> None:
        """Look at another folder, if STATUS says that there is something new."""
        with self.tolerating_unreadable(box, place):
            status = await box.status(place.folder)
            self.empty = self.empty - {place.folder} | ({place.folder} if status.messages == 0 else set())
            if not (self.is_news(place, status) or self.is_behind(place.folder)):
                return
            if status.messages == 0 and status.uidnext and status.uidvalidity:
                self.seen[place.folder] = Seen(status.uidvalidity, status.uidnext)
                return
            await self.examine(box, place)

    def is_news(self, place: Place, folder: FolderStatus | Selected) -> bool:
        """Whether there may be messages in a folder that have not been looked at."""
        seen = self.seen.get(place.folder)
        return not seen or (folder.uidvalidity, folder.uidnext) != (seen.uidvalidity, seen.uidnext)

    def is_behind(self, folder: str) -> bool:
        """Whether there was more in a folder than the looks so far had time for."""
        seen = self.seen.get(folder)
        return self.unread.count(folder) > 0 or (seen is not None and (bool(seen.rest) or seen.floor is not None))

    def is_as_seen(self, place: Place, folder: Selected) -> bool:
        """Whether messages have the numbers that they had when the folder was looked at."""
        return (seen := self.seen.get(place.folder)) is not None and seen.uidvalidity == folder.uidvalidity

    @contextmanager
    def tolerating_unreadable(self, box: Mailbox, place: Place) -> Iterator[None]:
        """A folder that is shut to us, for now or for good, or that vanishes, does not end the search; it is told."""
        try:
            yield
        except ImapFailure as failure:
            if not place.optional or not box.alive:
                raise
            self.note(f"The folder {place.folder} could not be looked at: {failure}.")

    async def examine(self, box: Mailbox, place: Place) -> None:
        """Open a folder and look at what is not known of it yet."""
        await self.look_into(box, place, await box.examine(place.folder))

    async def look_into(self, box: Mailbox, place: Place, selected: Selected) -> None:
        """Look at what is not known of a folder that has just been opened."""
        seen = self.seen.get(place.folder)
        if seen is not None and seen.uidvalidity == selected.uidvalidity:
            await self._take_new(box, place, seen)
            await self._put_off(box, seen)  # what a lost connection has kept the first look from
            await self._catch_up(box, place, seen)
            return
        self.unread.forget(place.folder, selected.uidvalidity)
        seen = Seen(selected.uidvalidity, selected.uidnext or 1, first=selected.uidnext or 1)
        # What has just landed is the last message. Asked for alone it comes soonest; a copy of it may lie before it.
        newest = selected.exists
        seen.floor = await self._take(box, place, seen, await box.fetch_range(newest, newest, flags=False))
        if seen.floor is not None:
            self.seen[place.folder] = seen
        await self.read_some(box, place, seen)
        until = time.monotonic() + LOOK_SECONDS
        async for rows in box.newest_first(newest - 1, flags=False):
            known = len(self.hits)
            seen.floor = await self._take(box, place, seen, rows)
            await self.read_some(box, place, seen)
            if (self.detected and len(self.hits) <= known + 1) or all(self.is_old(row) for row in rows):
                break
            if time.monotonic() >= until:
                await self._put_off(box, seen)
                break
        else:
            if selected.exists > MOST_WALKED:
                self.note(f"Only the newest {MOST_WALKED} messages of {place.folder} were looked at.")
        seen.floor = None
        self.seen[place.folder] = seen

    async def _put_off(self, box: Mailbox, seen: Seen) -> None:
        """Leave the rest of the first look to the next ones, which look at what is new before they go on with it."""
        if seen.floor is not None:
            seen.owes([uid for uid in await box.newest_uids() if uid < seen.floor])
            seen.floor = None

    async def last_look(self, box: Mailbox, watched: list[Place]) -> None:
        """Before a probe is called lost, look at the newest messages whatever their dates: a clock may be far off."""
        for place in watched:
            with self.tolerating_unreadable(box, place):
                selected = await box.examine(place.folder)
                known = self.seen.get(place.folder)
                while known and known.rest and not self.detected:
                    await self._catch_up(box, place, known)
                seen = Seen(selected.uidvalidity, selected.uidnext or 1, first=selected.uidnext or 1)
                async for rows in box.newest_first(selected.exists, LAST_LOOK, flags=False):
                    await self._take(box, place, seen, rows, final=True)
                    if self.detected:
                        break
                await self.read_some(box, place, seen, final=True)
        if (left := self.unread.count()) and not self.detected:
            self.note(f"{left} messages that come as bounces do were not read: there was no time for so many.")

    async def _take_new(self, box: Mailbox, place: Place, seen: Seen) -> None:
        """Look at what has come; of very much, at the newest first."""
        rows = await box.fetch_new(seen.uidnext)
        left, box.left = box.left, []
        await self._take(box, place, seen, rows)
        seen.owes(left)

    async def _catch_up(self, box: Mailbox, place: Place, seen: Seen) -> None:
        """Go on with what the looks before had no time for, the newest first."""
        until = time.monotonic() + LOOK_SECONDS
        while seen.rest:
            uids, known = seen.rest[-BATCH:], len(self.hits)
            rows = await box.fetch_uids(uids)
            await self._take(box, place, seen, rows)
            seen.done(uids, all_old=all(self.is_old(row) for row in rows))
            if self.detected and len(self.hits) <= known + 1:  # where copies lie close together, all are counted
                seen.rest.clear()
            if time.monotonic() >= until:
                break
        await self.read_some(box, place, seen)

    async def _take(
        self, box: Mailbox, place: Place, seen: Seen, rows: Sequence[Row], final: bool = False
    ) -> int | None:
        """Take from `rows` what concerns the probe, and remember how far they reach; returns the lowest UID of them."""
        for number, row in enumerate(rows):
            if number % ROWS_AT_ONCE == ROWS_AT_ONCE - 1:
                await asyncio.sleep(0)  # their headers may be long, and other checks want to go on
            kind, old = match_row(row, self.probe), self.is_old(row)
            if self.reports_only:
                kind = Match.REPORT if kind in (Match.REPORT, Match.UNLESS_REPORT) else Match.NO
            if kind is Match.REPORT and self.bounce is None and (final or not old):
                self.unread.add(place.folder, seen.uidvalidity, row, kind, old)
            elif kind in ARRIVALS and not self._is_senders_copy(place, row):
                self.hit(place, seen.uidvalidity, row.uid, row.internaldate, own=kind is Match.OWN)
            elif kind in UNDECIDED and not (kind is Match.ENCLOSED and old) and not self._is_senders_copy(place, row):
                self.unread.add(place.folder, seen.uidvalidity, row, kind, old)
            self.unreadable.discard((place.folder, row.uid))
            seen.uidnext = max(seen.uidnext, row.uid + 1)
        return min((row.uid for row in rows), default=None)

    def _is_senders_copy(self, place: Place, row: Row) -> bool:
        """Only outside of the folders that mail is delivered to: not every server leaves traces of the delivery."""
        if place.placement is not Placement.OTHER:
            return False
        return is_senders_copy(row.headers, self.probe, self.imap.username, self.sent.queue_id, among_sent=place.view)
