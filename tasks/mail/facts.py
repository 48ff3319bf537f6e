"""What the steps of a check return: small, frozen, without a judgement."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tasks.mail.errors import SmtpFailure
    from tasks.mail.journey.signatures import Signature
    from tasks.mail.network import TlsSession
    from tasks.mail.quota import Quota
    from tasks.mail.result import EarlierProbe


class ErrorType(StrEnum):
    """What kind of failure it was; the words are a promise to users."""

    CONFIGURATION = "configuration_error"
    AUTH = "auth_error"
    CONNECTION = "connection_error"
    TLS = "tls_error"
    TIMEOUT = "timeout"
    TEMPORARY = "temporary_failure"
    SMTP = "smtp_error"
    RECIPIENT = "recipient_refused"
    BOUNCED = "bounced"
    NO_MESSAGE = "no_recent_message"
    IMAP = "imap_error"
    UNEXPECTED = "unexpected_error"


FAILED, DELAYED = "failed", "delayed"  # actions of a delivery status notification


class Placement(StrEnum):
    """Where a probe was found, relative to the folder that is expected to receive it."""

    EXPECTED = "expected"
    JUNK = "junk"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Moment:
    """One instant on two clocks: `utc` to show, `monotonic` (seconds) to measure with."""

    utc: datetime
    monotonic: float

    @classmethod
    def now(cls) -> Moment:
        return cls(datetime.now(UTC), time.monotonic())

    def since(self, earlier: Moment) -> float:
        """Seconds from `earlier` to this moment; a clock that was set in between does not matter."""
        return self.monotonic - earlier.monotonic

    def utc_at(self, later: Moment) -> datetime:
        """When `later` was, by the clock as it went at this moment: had it been set in between, it would mislead."""
        return self.utc + timedelta(seconds=later.since(self))


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
    server says of the room in the mailbox, where nothing was found.
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

    @property
    def first(self) -> Hit:
        """The copy that decides where and when: the earliest in the expected folder, else the earliest elsewhere."""
        return ranked(self.hits)[0]


def ranked(hits: Iterable[Hit]) -> list[Hit]:
    """The copies, the one that decides first: see Arrival.first."""
    return sorted(hits, key=lambda hit: (list(Placement).index(hit.placement), hit.internaldate, hit.uid))
