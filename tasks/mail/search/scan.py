"""What a look into a mailbox takes: the copies of the probe, its bounce, and how far each folder has been seen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass, field, replace
from datetime import timedelta

from tasks.mail.config.loop import ImapConfig
from tasks.mail.mailboxes.folders import Place
from tasks.mail.mailboxes.imap.folder import FolderStatus, Selected
from tasks.mail.mailboxes.imap.mailbox import MOST_WALKED, Mailbox
from tasks.mail.model.errors import ImapFailure
from tasks.mail.model.facts import Bounce, Hit, Receipt
from tasks.mail.model.header import Row
from tasks.mail.model.moment import Moment
from tasks.mail.model.outcome import FAILED, Placement
from tasks.mail.probe.bounce import bounce_of, delay_of
from tasks.mail.probe.compose import Probe
from tasks.mail.probe.match import HEADERS, Match, body_has_id, match_row

CLOCK_MARGIN = timedelta(hours=1)  # how far the mail server's clock may be off without a message being missed at first
LAST_LOOK = 1000  # newest messages looked at before a probe is called lost, whatever their dates say
UNTOLD_SECONDS = 5.0  # after so long a look does not rely on a server to tell of new messages
OLD_REPORTS = 20  # of those, what may be a bounce but is too old by its date, and is read all the same


@dataclass(slots=True)
class _Seen:
    """How far a folder has been looked at: everything below `uidnext`."""

    uidvalidity: int
    uidnext: int


@dataclass
class Looks:
    """What is known of the mailbox so far; it outlives the connections it was learned on.

    With `reports_only` neither the probe nor other folders are looked for: it is the mailbox that bounces go to.
    """

    probe: Probe
    imap: ImapConfig
    sent: Receipt
    _: KW_ONLY
    reports_only: bool = False
    seen: dict[str, _Seen] = field(default_factory=dict)
    empty: set[str] = field(default_factory=set)  # folders that were looked at aside, and held nothing
    hits: dict[tuple[str, int, int], Hit] = field(default_factory=dict)
    bounce: Bounce | None = None
    delay: Bounce | None = None  # the last one: it tells most of where the probe is now
    detected: Moment | None = None
    notes: list[str] = field(default_factory=list)
    old_reports: int = 0  # read so far

    async def look_at_selected(self, box: Mailbox, place: Place) -> None:
        """Look at the expected folder, which stays selected between the looks."""
        if box.selected == place.folder and (seen := self.seen.get(place.folder)):
            if not box.news:
                await box.noop()  # without it a server may answer from the view of the command before
            if box.news or box.unfetched >= UNTOLD_SECONDS:
                await self._take(box, place, seen, await box.fetch_new(seen.uidnext))
        else:
            await self.examine(box, place)

    async def look_aside(self, box: Mailbox, place: Place) -> None:
        """Look at another folder, if STATUS says that there is something new."""
        with self.tolerating_unreadable(box, place):
            status = await box.status(place.folder)
            self.empty = self.empty - {place.folder} | ({place.folder} if status.messages == 0 else set())
            if not self.is_news(place, status):
                return
            if status.messages == 0 and status.uidnext and status.uidvalidity:
                self.seen[place.folder] = _Seen(status.uidvalidity, status.uidnext)
                return
            await self.examine(box, place)

    def is_news(self, place: Place, folder: FolderStatus | Selected) -> bool:
        """Whether there may be messages in a folder that have not been looked at."""
        seen = self.seen.get(place.folder)
        return not seen or (folder.uidvalidity, folder.uidnext) != (seen.uidvalidity, seen.uidnext)

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
            await self._take(box, place, seen, await box.fetch_new(seen.uidnext))
            return
        seen = _Seen(selected.uidvalidity, selected.uidnext or 1)
        # What has just landed is the last message. Asked for alone it comes soonest; a copy of it may lie before it.
        newest = selected.exists
        await self._take(box, place, seen, await box.fetch_range(newest, newest, flags=False))
        async for rows in box.newest_first(newest - 1, flags=False):
            await self._take(box, place, seen, rows)
            if self.detected or all(self._is_old(row) for row in rows):
                break
        else:
            if selected.exists > MOST_WALKED:
                self.note(f"Only the newest {MOST_WALKED} messages of {place.folder} were looked at.")
        # Only now: a walk that a lost connection ends in the middle is begun again.
        self.seen[place.folder] = seen

    async def last_look(self, box: Mailbox, watched: list[Place]) -> None:
        """Before a probe is called lost, look at the newest messages whatever their dates: a clock may be far off."""
        for place in watched:
            with self.tolerating_unreadable(box, place):
                selected = await box.examine(place.folder)
                seen = _Seen(selected.uidvalidity, selected.uidnext or 1)
                async for rows in box.newest_first(selected.exists, LAST_LOOK, flags=False):
                    await self._take(box, place, seen, rows[::-1], final=True)
                    if self.detected:
                        break

    async def _take(self, box: Mailbox, place: Place, seen: _Seen, rows: Sequence[Row], final: bool = False) -> None:
        """Take from `rows` what concerns the probe, and remember how far they reach."""
        for row in rows:
            kind = match_row(row, self.probe)
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
            self.note(f"Message {row.uid} in {place.folder} could not be read: {failure}.")
            return b""

    def _is_worth_reading(self, report: Row, final: bool) -> bool:
        """Whether to read what may be a bounce. Old ones only at the end: a clock may be far off."""
        if not self._is_old(report):
            return True
        self.old_reports += final
        return final and self.old_reports <= OLD_REPORTS

    def _is_old(self, row: Row) -> bool:
        return row.internaldate < self.sent.started.utc - CLOCK_MARGIN

    def note(self, text: str) -> None:
        """Each note once, however often its reason is met."""
        self.notes += [text] if text not in self.notes else []


def _is_senders_copy(place: Place, row: Row) -> bool:
    """What was never received was put there by the sender's own program, whatever the folder is called."""
    return place.placement is Placement.OTHER and "Received" not in HEADERS.parsebytes(row.headers)
