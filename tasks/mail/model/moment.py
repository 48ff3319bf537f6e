"""One instant on two clocks, and the instants of tries."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


@dataclass(frozen=True, slots=True)
class Moment:
    """One instant on two clocks: `utc` to show, `monotonic` (seconds) to measure with."""

    utc: datetime
    monotonic: float

    @classmethod
    def now(cls) -> "Moment":
        return cls(datetime.now(UTC), time.monotonic())

    def since(self, earlier: "Moment") -> float:
        """Seconds from `earlier` to this moment; a clock that was set in between does not matter."""
        return self.monotonic - earlier.monotonic

    def utc_at(self, later: "Moment") -> datetime:
        """When `later` was, by the clock as it went at this moment: had it been set in between, it would mislead."""
        return self.utc + timedelta(seconds=later.since(self))


@dataclass(frozen=True, slots=True)
class Tried:
    """When a mailbox was tried, so many times: the first try began, the last one did, and all was over."""

    count: int
    first: Moment
    last: Moment
    ended: Moment
