"""What was found of the probe so far, and the reading of bodies: of what may be it, and of its copies."""

import asyncio
import time
from collections.abc import Callable, Collection
from dataclasses import KW_ONLY, dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from tasks.mail.config.mailbox import ProbeMailbox
from tasks.mail.mailboxes.folders import Place
from tasks.mail.mailboxes.mailbox import Mailbox
from tasks.mail.model.errors import MailboxFailure
from tasks.mail.model.facts import Hit, Receipt, ranked
from tasks.mail.model.header import UNKNOWN_DATE, Header, Ref, in_range
from tasks.mail.model.moment import Moment
from tasks.mail.model.outcome import FAILED
from tasks.mail.model.result import BounceRecord
from tasks.mail.net.threads import in_own_thread
from tasks.mail.probe.bounce import concerns, notice_of
from tasks.mail.probe.compose import Probe
from tasks.mail.probe.match import Match
from tasks.mail.search.classify import match_body, without_own_lines
from tasks.mail.search.cleanup.ledger import sent_at

CLOCK_MARGIN = timedelta(hours=1)  # how far the mail server's clock may be off without a message being missed at first
MAX_BODIES_A_LOOK = 10  # of one folder that are read in one look; of what is there the newest
_LAST_SECONDS = 5.0  # for which they are read in the last one, however many there are
MAX_OLD_REPORTS = 20  # read in the last one, of what may be a bounce but is too old by its date
_MAY_REPORT = {Match.REPORT, Match.UNLESS_REPORT}
_PARSE_SECONDS = 5.0  # for one message; as much of it as is parsed takes a tenth of a second

_Found = TypeVar("_Found")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A message whose body decides what it is; `headers` do where that cannot be read, and they may."""

    ref: Ref
    kind: Match
    arrived: datetime
    old: bool  # by its date it came before the probe was sent
    headers: bytes = b""


class UnreadMessages:
    """The messages whose bodies are still to be read; each is read once."""

    def __init__(self) -> None:
        self._waiting: dict[Ref, Candidate] = {}
        self._read: set[Ref] = set()

    def add(self, header: Header, kind: Match, old: bool) -> None:
        if header.ref not in self._read:
            raw = header.raw if kind is Match.UNLESS_REPORT else b""
            self._waiting[header.ref] = Candidate(header.ref, kind, header.arrived_at, old, raw)

    def next(self, folder: str) -> Candidate | None:
        """The one to read first: what may be the probe, then the newest."""
        return max(self._of(folder), key=lambda one: (one.kind is not Match.REPORT, not one.old, one.ref), default=None)

    def done(self, one: Candidate, read: bool = True) -> None:
        """It was looked at; where it could not be `read`, a later look may try again."""
        self._waiting.pop(one.ref, None)
        if read:
            self._read.add(one.ref)

    def forget(self, folder: str, but: int) -> None:
        """The folder was made anew, and is of this generation."""
        for one in self._of(folder):
            if one.ref.generation != but:
                del self._waiting[one.ref]

    def count(self, folder: str | None = None) -> int:
        return len(self._waiting if folder is None else self._of(folder))

    def _of(self, folder: str) -> list[Candidate]:
        return [one for one in self._waiting.values() if one.ref.folder == folder]


@dataclass
class Findings:
    """What is known of the probe; it outlives the connections it was learned on.

    With `reports_only` the probe itself is not looked for: it is the mailbox that bounces go to.
    """

    probe: Probe
    mailbox: ProbeMailbox
    sent: Receipt
    _: KW_ONLY
    reports_only: bool = False
    hits: dict[Ref, Hit] = field(default_factory=dict)
    bounce: BounceRecord | None = None
    delay: BounceRecord | None = None  # the last one: it says most of where the probe is now
    detected: Moment | None = None
    notes: list[str] = field(default_factory=list)
    old_reports: int = 0  # read so far
    read: dict[Hit, bytes] = field(default_factory=dict)  # copies, as they lie in the mailbox
    message: bytes = b""  # the copy that decides
    copy: bytes = b""  # and another
    unread: UnreadMessages = field(default_factory=UnreadMessages)
    unreadable: set[Ref] = field(default_factory=set)  # messages that may be the probe: the server does not show them

    def hit(self, place: Place, ref: Ref, arrived: datetime, own: bool) -> None:
        self.hits[ref] = Hit(ref, place.placement, arrived, own)
        self.detected = self.detected or Moment.now()

    async def read_some(self, box: Mailbox, place: Place, final: bool = False) -> None:
        """Read bodies that decide what a message is, so many in one look; in the last one for so many seconds."""
        until, left = time.monotonic() + _LAST_SECONDS, MAX_BODIES_A_LOOK
        while (one := self.unread.next(place.folder)) is not None:
            if time.monotonic() >= until if final else not left:
                break
            if one.kind is Match.REPORT and (
                self.bounce is not None or (one.old and self.old_reports >= MAX_OLD_REPORTS)
            ):
                self.unread.done(one)
                continue
            raw = await self._body(box, one)
            self.unread.done(one, read=bool(raw))  # not before: see the connection
            left -= 1
            self.old_reports += one.old and one.kind is Match.REPORT
            said = without_own_lines(raw, self.probe) if one.kind is Match.UNLESS_REPORT else raw
            is_notice = one.kind in _MAY_REPORT and await self._read_report(said, place, one)
            if not (is_notice or self.reports_only):
                kind = await self._in_time(partial(match_body, raw or one.headers, self.probe))
                if kind in (Match.OWN, Match.COPY):
                    self.hit(place, one.ref, one.arrived, own=kind is Match.OWN)

    async def read_copies(self, box: Mailbox) -> None:
        """Read the whole of the copy that decides, and of another; empty where it is not there, or cannot be read."""
        two = ranked(self.hits.values())[:2]
        for hit in two:
            try:
                if hit not in self.read:
                    self.read[hit] = await box.body(hit.ref)
            except MailboxFailure as failure:
                if not box.alive:
                    raise
                self.note(f"How the message came is not known, for it could not be read: {failure}.")
        self.message, self.copy = [*(self.read.get(hit, b"") for hit in two), b"", b""][:2]

    async def _in_time(self, read: Callable[[], _Found]) -> _Found | None:
        """What is parsed of a stranger's message, bounded as it is, keeps no other check from going on."""
        try:
            async with asyncio.timeout(_PARSE_SECONDS):
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
        mailbox = f"{self.mailbox.username} at {self.mailbox.host}"
        arrived = one.arrived if in_range(one.arrived) else None
        notice = replace(notice, mailbox=mailbox, folder=place.folder, arrived_at=arrived)
        if notice.action == FAILED:
            self.bounce = notice
            self.detected = self.detected or Moment.now()
        elif self.delay is None or self.delay.arrived_at is None or (arrived and self.delay.arrived_at <= arrived):
            self.delay = notice
        return True

    async def _body(self, box: Mailbox, one: Candidate) -> bytes:
        """The body of a message; none where the server refuses it, for one bad message must not shut the mailbox."""
        self.unreadable.discard(one.ref)
        try:
            return await box.body(one.ref)
        except MailboxFailure as failure:
            if not box.alive:
                raise
            self.note(f"Message {one.ref.number} in {one.ref.folder} could not be read: {failure}.")
            if one.kind is not Match.REPORT:  # it may be the probe
                self.unreadable.add(one.ref)
            return b""

    def is_old(self, header: Header) -> bool:
        """Whether it came before the probe was sent: by its server, else by its own Date. What has neither is not."""
        came = header.arrived_at if header.arrived_at != UNKNOWN_DATE else sent_at(header)
        return came is not None and came < self.sent.started.utc - CLOCK_MARGIN

    def note(self, text: str) -> None:
        """Each note once, however often its reason is met."""
        self.notes += [text] if text not in self.notes else []


def describe_unreadable(messages: Collection[Ref]) -> str:
    """What is said of messages that may be the one that is looked for."""
    folders = ", ".join(sorted({ref.folder for ref in messages}))
    count = "1 message" if len(messages) == 1 else f"{len(messages)} messages"
    return f"{count} in {folders} could not be read: what the server answers to FETCH lacks them, or their fields"
