"""What is known of one loop, and for how long it may be said."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from tasks.mail.model.outcome import LEG_STAGES
from tasks.metrics.run import Sighting

_FRESH_INTERVALS = 3  # intervals for which a verdict is taken for the present
_KEPT_INTERVALS = 10  # intervals without any run after which a loop is gone, but
_KEPT_AT_LEAST = timedelta(days=1)
ASSUMED_INTERVAL = timedelta(minutes=15)  # in place of the interval of a loop that has no schedule
NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Intervals:
    """How often checks are due, by the schedules of Prefect: of loops, and of deployments whose loops are not known."""

    loops: Mapping[str, timedelta] = field(default_factory=dict)
    groups: Mapping[str, timedelta] = field(default_factory=dict)


@dataclass(slots=True)
class Loop:
    """Moments are UTC, and of the end of a run. `last`: of the newest, whatever it found."""

    last: datetime = NEVER
    judged: datetime | None = None
    good: bool = False
    success: datetime | None = None
    scheduled: tuple[datetime, str] = (NEVER, "")  # the newest run that a schedule has started, and its deployment
    certificates: dict[str, tuple[datetime, datetime]] = field(default_factory=dict)

    def see(self, sighting: Sighting) -> None:
        """Learn from a run, whatever was learnt before, and in any order."""
        self.last = max(self.last, sighting.at)
        if sighting.good is not None and (self.judged is None or sighting.at >= self.judged):
            self.judged, self.good = sighting.at, sighting.good
        if sighting.good and (self.success is None or sighting.at > self.success):
            self.success = sighting.at
        if sighting.deployment:
            self.scheduled = max(self.scheduled, (sighting.at, sighting.deployment))
        for leg, tls in (sighting.result.tls if sighting.result else {}).items():
            if leg in LEG_STAGES and tls.not_after is not None:
                self._certificate(leg, sighting.at, tls.not_after)

    def _certificate(self, leg: str, seen: datetime, not_after: datetime) -> None:
        """A later check that came as far as TLS has the say; one that did not leaves what is known."""
        if leg not in self.certificates or seen >= self.certificates[leg][0]:
            self.certificates[leg] = seen, not_after

    def interval(self, name: str, intervals: Intervals) -> timedelta | None:
        """How often it is due; None where it has no schedule, so that it cannot be silent."""
        return intervals.loops.get(name) or intervals.groups.get(self.scheduled[1])

    def up(self, now: datetime, interval: timedelta | None) -> bool | None:
        """Whether mail gets through, by the newest run that says something about it; None once that is too old."""
        if self.judged is None or now - self.judged > _FRESH_INTERVALS * (interval or ASSUMED_INTERVAL):
            return None
        return self.good

    def gone(self, now: datetime, interval: timedelta | None, since: datetime | None = None) -> bool:
        """Whether it is no longer run; `since` when that could be seen, if it could not be before."""
        return now - max(self.last, since or self.last) > max(
            _KEPT_INTERVALS * (interval or ASSUMED_INTERVAL), _KEPT_AT_LEAST
        )
