"""One message of a mailbox, as a look into it has it: its numbers, its date, and a few fields of its header."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

UNKNOWN_DATE = datetime(1970, 1, 1, tzinfo=UTC)
LATEST_DATE = datetime(2200, 1, 1, tzinfo=UTC)  # what is later cannot be reckoned with everywhere, and is nobody's time


def in_range(date: datetime) -> bool:
    """Whether a date that a stranger wrote may be the time of some clock, however wrong, and can be reckoned with."""
    return UNKNOWN_DATE < date < LATEST_DATE


@dataclass(frozen=True, slots=True)
class Row:
    """One message: the header fields asked for, and when its server says it arrived. `flags` are upper-case.

    `loop_ids`: the values of X-Mail-Loop-Id in `headers`, where somebody has read them already.
    """

    seq: int
    uid: int
    internaldate: datetime
    headers: bytes
    flags: frozenset[str] = frozenset()
    loop_ids: frozenset[str] | None = None
