"""What the steps of a check return: small, frozen, without a judgement."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from tasks.mail.model.errors import MailboxFailure, SendFailure
from tasks.mail.model.header import Ref
from tasks.mail.model.journey_record import SignatureRecord, TlsRecord
from tasks.mail.model.moment import Moment, Tried
from tasks.mail.model.outcome import Placement
from tasks.mail.model.result import BounceRecord, EarlierProbe


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the SMTP leg proved.

    `doubt` says what happened when the connection died or fell silent after the final dot: the message may have been
    accepted, and `accepted` is then only the moment of the doubt. The mailbox decides. `earlier_copies` counts earlier
    attempts that were refused after their message had gone out whole: a server may have kept it all the same.
    """

    probe_id: str
    token: str
    started: Moment
    accepted: Moment
    code: int | None = None
    response: str = ""
    enhanced_code: str | None = None
    queue_id: str | None = None
    stages: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    doubt: SendFailure | None = None
    earlier_copies: int = 0
    tls: TlsRecord | None = None

    @property
    def certain(self) -> bool:
        return self.doubt is None


@dataclass(frozen=True, slots=True)
class Hit:
    """One copy of the probe. `own`: it carries our header with our loop's name, so it is ours to delete."""

    ref: Ref
    placement: Placement
    arrived_at: datetime
    own: bool

    @property
    def folder(self) -> str:
        return self.ref.folder


_ROOM = {"STORAGE": 8, "MESSAGE": 0}  # what a probe needs at the most, with all that is added to it: KiB, messages
_UNITS = {"STORAGE": "KiB", "MESSAGE": "messages"}


@dataclass(frozen=True, slots=True)
class Quota:
    """One limit of a mailbox: `used` of `limit`, of STORAGE in KiB, of MESSAGE in messages."""

    resource: str
    used: int
    limit: int

    @property
    def is_full(self) -> bool:
        """Whether there may be no room left for a probe."""
        return self.limit - self.used <= _ROOM[self.resource]

    @property
    def words(self) -> str:
        return f"{self.used} of {self.limit} {_UNITS[self.resource]}"


@dataclass(frozen=True, slots=True)
class Arrival:
    """What the IMAP leg proved: the copies found, or the bounce; with neither, that a complete look found nothing.

    `delay` is the last notice that the probe is still being tried; it proves neither.
    `message` is the copy that decides, as it lies in the mailbox, its first octets at least; empty where it could not
    be read. `copy` is another, where there is one. `earlier`: what else was found, of earlier runs. `quotas`: what the
    server says of the room in the mailbox, where nothing was found. `more`: copies still came as they were counted.
    `moved_from`: the folder that the message came to, where it was moved from there. `junk_folder`: the one that was
    looked at, where there is one. `not_looked_at`: folders that there was no time for.
    `unread`: why the mailbox could not be read, where a bounce ended the wait all the same; `bounces_unread`: why the
    bounce mailbox could not. `tried`: when the mailbox was looked into.
    """

    hits: tuple[Hit, ...]
    bounce: BounceRecord | None
    detected: Moment
    stages: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    notes: tuple[str, ...] = ()
    message: bytes = b""
    copy: bytes = b""
    tls: TlsRecord | None = None
    delay: BounceRecord | None = None
    earlier: tuple[EarlierProbe, ...] = ()
    quotas: tuple[Quota, ...] = ()
    signatures: tuple[SignatureRecord, ...] = ()
    unread: MailboxFailure | None = None
    bounces_unread: MailboxFailure | None = None
    more: bool = False
    tried: Tried | None = None
    moved_from: str = ""
    junk_folder: str = ""
    not_looked_at: tuple[str, ...] = ()

    @property
    def first(self) -> Hit:
        """The copy that decides where and when: the earliest in the expected folder, else the earliest elsewhere."""
        return ranked(self.hits)[0]


def ranked(hits: Iterable[Hit]) -> list[Hit]:
    """The copies, the one that decides first: see Arrival.first."""
    return sorted(hits, key=lambda hit: (list(Placement).index(hit.placement), hit.arrived_at, hit.ref.number))
