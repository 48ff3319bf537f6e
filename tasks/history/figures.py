"""The figures of one loop over a period: availability, delivery times, outages, and what changed."""

import math
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Generic, TypeVar

from tasks.history.window import Window
from tasks.mail.checks import Check
from tasks.mail.model.outcome import Outcome, Placement

Fact = TypeVar("Fact", bound=Hashable)
FoundIn = tuple[str, Placement]


@dataclass(frozen=True, slots=True)
class Outage:
    """Consecutive error verdicts of one loop, with the most frequent outcome among them as the cause.

    `since` is when the first of them was sent, `until` when the first good one after them was, None as long as there
    is none. `open_start`: no good check of the period came before, so it may have begun earlier.
    """

    since: datetime
    until: datetime | None
    checks: int
    outcome: str
    stage: str | None
    sentence: str
    open_start: bool

    @property
    def cause(self) -> str:
        return f"{self.outcome} at {self.stage}" if self.stage else self.outcome

    def length(self, now: datetime) -> timedelta:
        """How long it lasted at the most, or has lasted by now."""
        return (self.until or now) - self.since


@dataclass(frozen=True, slots=True)
class Observed(Generic[Fact]):
    """One value of the fact: how often and when it was seen.

    `share` is its part of all observations; `earlier` and `later` are its parts of those in the first and in the second
    half of the period, None where there were none.
    """

    value: Fact
    count: int
    first: datetime
    last: datetime
    share: float
    earlier: float | None
    later: float | None


@dataclass(frozen=True)
class Figures:
    """What the checks of one loop, in their order, say about a period."""

    loop: str
    window: Window
    checks: tuple[Check, ...]

    @cached_property
    def judged(self) -> tuple[Check, ...]:
        """The checks that say something about the mail, which every figure below but `coverage` is about."""
        return tuple(check for check in self.checks if check.status is not None)

    @property
    def good(self) -> int:
        """How many of them found that mail gets through: ok or warning."""
        return sum(check.good for check in self.judged)

    @property
    def availability(self) -> float | None:
        """The share of ok and warning among the checks that say something about the mail."""
        return self.good / len(self.judged) if self.judged else None

    @property
    def coverage(self) -> float | None:
        """The share of checks that say something about the mail among all that ran, or should have run."""
        return len(self.judged) / len(self.checks) if self.checks else None

    @cached_property
    def without_verdict(self) -> Mapping[str, int]:
        """How many checks say nothing about the mail, by what was the matter with them."""
        return _counted(check.outcome for check in self.checks if check.status is None)

    @cached_property
    def outcomes(self) -> Mapping[str, int]:
        """How many of the checks that say something about the mail ended in which outcome."""
        return _counted(check.outcome for check in self.judged)

    @property
    def lost(self) -> int:
        """How many messages were accepted and not found: they have no delivery time, and are in no percentile."""
        return self.outcomes.get(Outcome.LOST, 0)

    @cached_property
    def delivery(self) -> tuple[float, ...]:
        """The delivery times, in seconds, of the messages that arrived."""
        return tuple(check.delivery_seconds for check in self.judged if check.delivery_seconds is not None)

    def delivery_percentile(self, percent: float) -> float | None:
        """The delivery time that `percent` of the messages that arrived did not exceed, by nearest rank."""
        return percentile(self.delivery, percent)

    @cached_property
    def outages(self) -> tuple[Outage, ...]:
        """The runs of consecutive error verdicts."""
        return outages_in(self.checks)

    @property
    def downtime(self) -> timedelta:
        """How long the outages lasted together at the most, an open one up to the end of the period."""
        return sum((outage.length(self.window.end) for outage in self.outages), timedelta())

    @cached_property
    def places(self) -> tuple[Observed[FoundIn], ...]:
        """Where the messages that arrived were found, with how that changed over the period."""
        observed = [
            (check.at, (check.folder, check.placement))
            for check in self.judged
            if check.folder is not None and check.placement is not None
        ]
        return observed_values(observed, self.window.middle)

    @cached_property
    def authentications(self) -> tuple[Observed[str], ...]:
        """What the receiver stated of the sender's authentication, with how that changed over the period."""
        stated = [(check.at, check.authentication) for check in self.judged if check.authentication is not None]
        return observed_values(stated, self.window.middle)


def histories(checks: Iterable[Check], window: Window) -> list[Figures]:
    """The figures of every loop among the checks, by name."""
    ordered = sorted(checks, key=lambda check: check.at)
    loops = sorted({check.loop for check in ordered})
    return [Figures(loop, window, tuple(check for check in ordered if check.loop == loop)) for loop in loops]


def _counted(words: Iterable[str]) -> Mapping[str, int]:
    return dict(Counter(words).most_common())


def percentile(values: Sequence[float], percent: float) -> float | None:
    """The smallest of the values that at least `percent` of them do not exceed (nearest rank); None without values."""
    if not values:
        return None
    return sorted(values)[max(1, math.ceil(len(values) * percent / 100)) - 1]


def outages_in(checks: Sequence[Check]) -> tuple[Outage, ...]:
    """The outages among the checks of one loop, given in their order. Checks without a verdict change nothing."""
    found: list[Outage] = []
    failed: list[Check] = []
    seen_good = False
    for check in checks:
        if check.status is None:
            continue
        if not check.good:
            failed.append(check)
            continue
        if failed:
            found.append(_outage(failed, check.at, not seen_good))
            failed = []
        seen_good = True
    if failed:
        found.append(_outage(failed, None, not seen_good))
    return tuple(found)


def _outage(failed: Sequence[Check], until: datetime | None, open_start: bool) -> Outage:
    """Of causes equally frequent the first counts; the sentence is that of the first check with it."""
    (cause, _) = Counter((check.outcome, check.stage) for check in failed).most_common(1)[0]
    sentence = next(check.sentence for check in failed if (check.outcome, check.stage) == cause)
    return Outage(failed[0].at, until, len(failed), *cause, sentence, open_start)


def observed_values(facts: Iterable[tuple[datetime, Fact]], middle: datetime) -> tuple[Observed[Fact], ...]:
    """Every value that was observed, in the order of appearance; `middle` is where the second half begins."""
    moments: dict[Fact, list[datetime]] = defaultdict(list)
    for at, fact in sorted(facts, key=lambda pair: pair[0]):
        moments[fact].append(at)
    every = [at for times in moments.values() for at in times]

    def part(times: list[datetime], late: bool) -> float | None:
        among = sum((at >= middle) is late for at in every)
        return sum((at >= middle) is late for at in times) / among if among else None

    return tuple(
        Observed(fact, len(times), times[0], times[-1], len(times) / len(every), part(times, False), part(times, True))
        for fact, times in moments.items()
    )
