"""One message of a mailbox, as a look into it has it: where it is, its date, and a few fields of its header."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

UNKNOWN_DATE = datetime(1970, 1, 1, tzinfo=UTC)
LATEST_DATE = datetime(2200, 1, 1, tzinfo=UTC)  # what is later cannot be reckoned with everywhere, and is nobody's time


def in_range(date: datetime) -> bool:
    """Whether a date that a stranger wrote may be the time of some clock, however wrong, and can be reckoned with."""
    return UNKNOWN_DATE < date < LATEST_DATE


@dataclass(frozen=True, order=True, slots=True)
class Ref:
    """Which message of a mailbox, on another connection as well.

    `number`: the message's own in its folder; what comes later has a higher one. `generation`: a folder that was made
    anew has another one, and its numbers mean other messages.
    """

    folder: str
    generation: int
    number: int

    @property
    def lasts(self) -> bool:
        """Whether another connection finds the same message by it."""
        return self.number > 0


@dataclass(frozen=True, slots=True)
class Header:
    """One message: the header fields asked for, and when its server says it arrived. `flags` are upper-case.

    `loop_ids`: the values of X-Mail-Loop-Id in `raw`, where they were read before.
    """

    ref: Ref
    arrived_at: datetime
    raw: bytes
    flags: frozenset[str] = frozenset()
    loop_ids: frozenset[str] | None = None

    @property
    def is_deleted(self) -> bool:
        """Whether it is about to go."""
        return r"\DELETED" in self.flags


def by_folder(refs: Iterable[Ref]) -> list[list[Ref]]:
    """The messages of each folder, and of each generation of it, together."""
    found: dict[tuple[str, int], list[Ref]] = {}
    for ref in refs:
        found.setdefault((ref.folder, ref.generation), []).append(ref)
    return list(found.values())
