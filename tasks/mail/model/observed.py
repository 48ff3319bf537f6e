"""What the legs observe beside the mail: TLS sessions, quotas, signatures."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Signature:
    """One DKIM-Signature field. `valid` is None where it could not be told, for the DNS did not answer."""

    domain: str
    selector: str
    valid: bool | None
    reason: str = ""


ROOM = {"STORAGE": 8, "MESSAGE": 0}  # what a probe needs at the most, with all that is added to it: KiB, messages
UNITS = {"STORAGE": "KiB", "MESSAGE": "messages"}


@dataclass(frozen=True, slots=True)
class Quota:
    """One limit of a mailbox: `used` of `limit`, of STORAGE in KiB, of MESSAGE in messages."""

    resource: str
    used: int
    limit: int

    @property
    def is_full(self) -> bool:
        """Whether there may be no room left for a probe."""
        return self.limit - self.used <= ROOM[self.resource]

    @property
    def words(self) -> str:
        return f"{self.used} of {self.limit} {UNITS[self.resource]}"


@dataclass(frozen=True, slots=True)
class TlsSession:
    """What was agreed with the server. Of its certificate nothing is known where that was not verified."""

    protocol: str
    cipher: str
    issuer: str = ""
    not_after: datetime | None = None
