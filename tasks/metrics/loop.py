"""A loop as the metrics know it: its runs, which of them were taken, and for how long what is known may be said."""

import hashlib
import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from tasks.mail.checks import WITHOUT_RECORD, Check
from tasks.mail.model.cause import Cause
from tasks.mail.model.outcome import LEG_STAGES, Outcome, Status
from tasks.mail.model.result import LoopResult

# How a run can end that leaves no verdict: as a history says it, in the form of a label.
ENDS = tuple(end.replace(" ", "_") for end in WITHOUT_RECORD.values())

_Key = TypeVar("_Key", bound=Hashable)
_NO_CAUSE = "none"
CAUSES = (*Cause, _NO_CAUSE)

_FRESH_INTERVALS = 3  # intervals for which a verdict is taken for the present
_KEPT_INTERVALS = 10  # intervals without any run after which a loop is gone, but
_KEPT_AT_LEAST = timedelta(days=1)
ASSUMED_INTERVAL = timedelta(minutes=15)  # in place of the interval of a loop that has no schedule
NEVER = datetime.min.replace(tzinfo=UTC)

# Every outcome with every status that a check can give it.
STATUSES_BY_OUTCOME: dict[Outcome, tuple[Status, ...]] = {
    **dict.fromkeys(Outcome, (Status.ERROR,)),
    **dict.fromkeys((Outcome.JUNKED, Outcome.MISPLACED, Outcome.LOST), (Status.WARNING, Status.ERROR)),
    **dict.fromkeys((Outcome.LATE, Outcome.DUPLICATED, Outcome.SKIPPED), (Status.WARNING,)),
    Outcome.DELIVERED: tuple(Status),
}


@dataclass(frozen=True, slots=True)
class Sighting:
    """A run of a loop that ended, and when: the check by its result, or by what its state alone says.

    `deployment`: the id of that whose schedule has started it.
    """

    at: datetime
    check: Check
    result: LoopResult | None = None
    deployment: str | None = None

    @property
    def loop(self) -> str:
        return self.check.loop

    @property
    def verdict(self) -> tuple[Outcome, Status] | None:
        """None where the run left no verdict, not even one that says nothing about the mail."""
        if self.result is not None:
            return self.result.outcome, self.result.status
        outcome = next((one for one in Outcome if one == self.check.outcome), None)
        return None if outcome is None else (outcome, self.check.status or STATUSES_BY_OUTCOME[outcome][-1])

    @property
    def failure(self) -> str | None:
        """The cause of a warning or an error, _NO_CAUSE where none is known; None where nothing failed."""
        if self.verdict is None or self.verdict[0] is Outcome.SKIPPED or self.verdict[1] is Status.OK:
            return None
        return (self.result.cause if self.result else None) or _NO_CAUSE

    @property
    def end(self) -> str:
        """How a run ended that left no verdict: one of ENDS."""
        return self.check.outcome.replace(" ", "_")

    @property
    def good(self) -> bool | None:
        """Whether mail got through, as a history counts it; None where the run says nothing about the mail."""
        return None if self.check.status is None else self.check.good

    @property
    def stages(self) -> list[tuple[str, str, float]]:
        """Leg, stage and seconds, of the stages that there are."""
        if self.result is None:
            return []
        known = self.result.stages
        times = ((leg, name, known[leg].get(name)) for leg, names in LEG_STAGES.items() for name in names)
        return [(leg, name, seconds) for leg, name, seconds in times if seconds is not None and is_time(seconds)]


def is_time(seconds: float) -> bool:
    """Whether it is a length of time: one that is not would spoil a sum for good."""
    return 0 <= seconds < math.inf


def identity(result: LoopResult) -> bytes:
    """What identifies a result, be it read from an event or from an artifact."""
    return hashlib.blake2b(result.model_dump_json().encode(), digest_size=16).digest()


class Remembered(dict[_Key, datetime]):
    """What has been taken, for as long as it may be met again: with each, when it last was."""

    def add(self, key: _Key, now: datetime) -> bool:
        """Remember `key`; returns whether it is new."""
        new = self.pop(key, None) is None
        self[key] = now
        return new

    def forget(self, before: datetime) -> None:
        """Forget what has not been met since."""
        for key in [key for key, met in self.items() if met < before]:
            del self[key]


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
                # A later check that came as far as TLS has the say; one that did not leaves what is known.
                self.certificates[leg] = max(self.certificates.get(leg, (NEVER, NEVER)), (sighting.at, tls.not_after))

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
        kept = max(_KEPT_INTERVALS * (interval or ASSUMED_INTERVAL), _KEPT_AT_LEAST)
        return now - max(self.last, since or self.last) > kept
