"""What was found of the probe so far, and the reading of the messages whose bodies decide what they are."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from tasks.mail.config.loop import ImapConfig
from tasks.mail.mailboxes.folders import Place
from tasks.mail.mailboxes.imap.mailbox import Mailbox
from tasks.mail.mailboxes.imap.reading import Unreadable
from tasks.mail.model.errors import ImapFailure
from tasks.mail.model.facts import Hit, Receipt
from tasks.mail.model.header import UNKNOWN_DATE, Row, in_range
from tasks.mail.model.moment import Moment
from tasks.mail.model.outcome import FAILED
from tasks.mail.model.result import BounceRecord
from tasks.mail.net.threads import in_own_thread
from tasks.mail.probe.bounce import concerns, notice_of
from tasks.mail.probe.compose import Probe
from tasks.mail.probe.match import Match
from tasks.mail.search.bodies import foreign, judged
from tasks.mail.search.cleanup.ledger import sent_at
from tasks.mail.search.unread import Candidate, Seen, Unread

CLOCK_MARGIN = timedelta(hours=1)  # how far the mail server's clock may be off without a message being missed at first
MOST_BODIES = 10  # of one folder that are read in one look; of what is there the newest
LAST_SECONDS = 5.0  # for which they are read in the last one, however many there are
OLD_REPORTS = 20  # read in the last one, of what may be a bounce but is too old by its date
MAY_REPORT = {Match.REPORT, Match.UNLESS_REPORT}
PARSE_SECONDS = 5.0  # for one message; as much of it as is parsed takes a tenth of a second

Found = TypeVar("Found")


@dataclass
class Findings:
    """What is known of the probe; it outlives the connections it was learned on.

    With `reports_only` the probe itself is not looked for: it is the mailbox that bounces go to.
    """

    probe: Probe
    imap: ImapConfig
    sent: Receipt
    _: KW_ONLY
    reports_only: bool = False
    hits: dict[tuple[str, int, int], Hit] = field(default_factory=dict)
    bounce: BounceRecord | None = None
    delay: BounceRecord | None = None  # the last one: it tells most of where the probe is now
    detected: Moment | None = None
    notes: list[str] = field(default_factory=list)
    old_reports: int = 0  # read so far
    unread: Unread = field(default_factory=Unread)
    unreadable: Unreadable = field(default_factory=set)  # messages that may be the probe: the server does not show them

    def hit(self, place: Place, uidvalidity: int, uid: int, arrived: datetime, own: bool) -> None:
        hit = Hit(place.folder, place.placement, uidvalidity, uid, arrived, own)
        self.hits[hit.folder, hit.uidvalidity, hit.uid] = hit
        self.detected = self.detected or Moment.now()

    async def read_some(self, box: Mailbox, place: Place, seen: Seen, final: bool = False) -> None:
        """Read bodies that decide what a message is, so many in one look; in the last one for so many seconds."""
        until, left = time.monotonic() + LAST_SECONDS, MOST_BODIES
        while (one := self.unread.next(place.folder, seen.uidvalidity)) is not None:
            if time.monotonic() >= until if final else not left:
                break
            if one.kind is Match.REPORT and (self.bounce is not None or (one.old and self.old_reports >= OLD_REPORTS)):
                self.unread.done(place.folder, seen.uidvalidity, one)
                continue
            raw = await self._body(box, place, one)
            self.unread.done(place.folder, seen.uidvalidity, one, read=bool(raw))  # not before: see the connection
            left -= 1
            self.old_reports += one.old and one.kind is Match.REPORT
            said = foreign(raw, self.probe) if one.kind is Match.UNLESS_REPORT else raw
            is_notice = one.kind in MAY_REPORT and await self._read_report(said, place, one)
            if not (is_notice or self.reports_only):
                kind = await self._in_time(partial(judged, raw or one.headers, self.probe))
                if kind in (Match.OWN, Match.COPY):
                    self.hit(place, seen.uidvalidity, one.uid, one.arrived, own=kind is Match.OWN)

    async def _in_time(self, read: Callable[[], Found]) -> Found | None:
        """What is parsed of a stranger's message, bounded as it is, keeps no other check from going on."""
        try:
            async with asyncio.timeout(PARSE_SECONDS):
                return await in_own_thread(read)
        except TimeoutError:
            self.note("A message could not be parsed in time.")
            return None

    async def _read_report(self, raw: bytes, place: Place, one: Candidate) -> bool:
        """Take the bounce of the probe, or the notice that it is delayed; returns whether it is one."""
        if not concerns(raw, self.probe, not one.old):
            return False
        notice = await self._in_time(partial(notice_of, raw, self.probe, not one.old))
        if notice is None:
            return False
        mailbox = f"{self.imap.username} at {self.imap.host}"
        arrived = one.arrived if in_range(one.arrived) else None
        notice = replace(notice, mailbox=mailbox, folder=place.folder, arrived_at=arrived)
        if notice.action == FAILED:
            self.bounce = notice
            self.detected = self.detected or Moment.now()
        elif self.delay is None or self.delay.arrived_at is None or (arrived and self.delay.arrived_at <= arrived):
            self.delay = notice
        return True

    async def _body(self, box: Mailbox, place: Place, one: Candidate) -> bytes:
        """The body of a message; none where the server refuses it, for one bad message must not shut the mailbox."""
        self.unreadable.discard((place.folder, one.uid))
        try:
            return await box.fetch_body(one.uid)
        except ImapFailure as failure:
            if not box.alive:
                raise
            self.note(f"Message {one.uid} in {place.folder} could not be read: {failure}.")
            if one.kind is not Match.REPORT:  # it may be the probe
                self.unreadable.add((place.folder, one.uid))
            return b""

    def is_old(self, row: Row) -> bool:
        """Whether it came before the probe was sent: by its server, else by its own Date. What has neither is not."""
        came = row.internaldate if row.internaldate != UNKNOWN_DATE else sent_at(row)
        return came is not None and came < self.sent.started.utc - CLOCK_MARGIN

    def note(self, text: str) -> None:
        """Each note once, however often its reason is met."""
        self.notes += [text] if text not in self.notes else []
