"""What is known of one loop, and for how long it may be said: pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

from tasks.metrics.run import LEGS, Sighting

REMEMBERED = 11  # runs, for the ten gaps between them
MANY = 4  # gaps, of which one may be an outage
FRESH = 3  # intervals for which a verdict is taken for the present
KEPT = 10  # intervals without any run after which a loop is gone, but
KEPT_AT_LEAST = timedelta(days=1)
ASSUMED = timedelta(minutes=15)  # between the checks of a loop of which only one is known
SHORTEST, LONGEST = timedelta(minutes=1), timedelta(days=7)


@dataclass(slots=True)
class Loop:
    """Moments are UTC, and of the end of a run."""

    ends: deque[datetime] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    judged: datetime | None = None
    good: bool = False
    success: datetime | None = None
    certificates: dict[str, tuple[datetime, datetime]] = field(default_factory=dict)

    def see(self, sighting: Sighting) -> None:
        """Learn from a run, whatever was learnt before, and in any order."""
        self._end(sighting.at)
        if sighting.good is not None and (self.judged is None or sighting.at >= self.judged):
            self.judged, self.good = sighting.at, sighting.good
        if sighting.good and (self.success is None or sighting.at > self.success):
            self.success = sighting.at
        for leg, tls in (sighting.result.tls if sighting.result else {}).items():
            if leg in LEGS and tls.not_after is not None:
                self._certificate(leg, sighting.at, tls.not_after)

    def _end(self, at: datetime) -> None:
        """Keep the newest, in their order."""
        ends = sorted({*self.ends, at})
        self.ends.clear()
        self.ends.extend(ends)

    def _certificate(self, leg: str, seen: datetime, not_after: datetime) -> None:
        """A later check that came as far as TLS has the say; one that did not leaves what is known."""
        if leg not in self.certificates or seen >= self.certificates[leg][0]:
            self.certificates[leg] = seen, not_after

    @property
    def last(self) -> datetime:
        """When the newest run ended, whatever it found."""
        return self.ends[-1]

    @property
    def interval(self) -> timedelta:
        """The usual time between two runs: the longest of the newest, but of many the longest but one.

        Neither a few checks by hand nor an outage moves it.
        """
        gaps = sorted(later - earlier for earlier, later in pairwise(self.ends))
        usual = gaps[-2 if len(gaps) >= MANY else -1] if gaps else ASSUMED
        return min(max(usual, SHORTEST), LONGEST)

    def up(self, now: datetime) -> bool | None:
        """Whether mail gets through, by the newest run that says something about it; None once that is too old."""
        if self.judged is None or now - self.judged > FRESH * self.interval:
            return None
        return self.good

    def gone(self, now: datetime, since: datetime | None = None) -> bool:
        """Whether nobody runs it any more; `since` when that could be seen, if it could not be before."""
        return now - max(self.last, since or self.last) > max(KEPT * self.interval, KEPT_AT_LEAST)
