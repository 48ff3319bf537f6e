"""What the steps of a check return: small, frozen, without a judgement."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING

from tasks.mail.model.moment import Moment, Tried
from tasks.mail.model.outcome import FAILED, ErrorType, Placement

if TYPE_CHECKING:
    from tasks.mail.model.errors import ImapFailure, SmtpFailure
    from tasks.mail.model.observed import Quota, Signature, TlsSession
    from tasks.mail.model.result import EarlierProbe


@dataclass(frozen=True, slots=True)
class AttemptError:
    """One failed attempt of the SMTP leg, counted from 1."""

    attempt: int
    error_type: ErrorType
    smtp_code: int | None
    error_msg: str
    stage: str


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
    smtp_code: int | None = None
    response: str = ""
    enhanced_code: str | None = None
    queue_id: str | None = None
    stages: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    doubt: SmtpFailure | None = None
    earlier_copies: int = 0
    tls: TlsSession | None = None

    @property
    def certain(self) -> bool:
        return self.doubt is None


@dataclass(frozen=True, slots=True)
class Hit:
    """One copy of the probe. `own`: it carries our header with our loop's name, so it is ours to delete."""

    folder: str
    placement: Placement
    uidvalidity: int
    uid: int
    internaldate: datetime
    own: bool


@dataclass(frozen=True, slots=True)
class Bounce:
    """A delivery status notification (RFC 3464) on the probe. `action`: failed, or delayed while it is still tried.

    `mailbox` and `folder` say where it was found, `arrived` when it came, by the clock of that server.
    """

    status: str
    diagnostic: str
    recipient: str
    reporting_mta: str
    remote_mta: str
    action: str = FAILED
    mailbox: str = ""
    folder: str = ""
    arrived: datetime | None = None


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
    bounce: Bounce | None
    detected: Moment
    stages: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    notes: tuple[str, ...] = ()
    message: bytes = b""
    copy: bytes = b""
    tls: TlsSession | None = None
    delay: Bounce | None = None
    earlier: tuple[EarlierProbe, ...] = ()
    quotas: tuple[Quota, ...] = ()
    signatures: tuple[Signature, ...] = ()
    unread: ImapFailure | None = None
    bounces_unread: ImapFailure | None = None
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
    return sorted(hits, key=lambda hit: (list(Placement).index(hit.placement), hit.internaldate, hit.uid))
