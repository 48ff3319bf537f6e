"""The figures of one loop over a period: availability, delivery times, outages, and what changed."""

import math
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from itertools import groupby, zip_longest
from typing import Generic, TypeVar

from tasks.history.formats import minute
from tasks.mail.checks import Check
from tasks.mail.model.durations import span
from tasks.mail.model.errors import ConfigError
from tasks.mail.model.outcome import Outcome, Placement

Fact = TypeVar("Fact", bound=Hashable)
FoundIn = tuple[str, Placement]


def period_length(text: str) -> timedelta:
    """A length of time such as 90m, 24h, 7d or 4w. Raises ConfigError."""
    if (length := span(text)) is not None:
        return length
    raise ConfigError(f"since: must be a length of time such as 90m, 24h, 7d or 4w, at most 520w, not {text[:40]!r}")


@dataclass(frozen=True, slots=True)
class Window:
    """From `start` to `end`, both UTC."""

    start: datetime
    end: datetime

    @property
    def length(self) -> timedelta:
        return self.end - self.start

    @property
    def middle(self) -> datetime:
        return self.start + self.length / 2

    def __str__(self) -> str:
        return f"{minute(self.start)} to {minute(self.end)} UTC"


def window(since: str, now: datetime) -> Window:
    """The period that began `since` ago and ends now. Raises ConfigError."""
    return Window(now - period_length(since), now)


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
        return dict(Counter(check.outcome for check in self.checks if check.status is None).most_common())

    @cached_property
    def outcomes(self) -> Mapping[str, int]:
        """How many of the checks that say something about the mail ended in which outcome."""
        return dict(Counter(check.outcome for check in self.judged).most_common())

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
        """The runs of consecutive error verdicts. Checks without a verdict change nothing."""
        runs = [(good, [*run]) for good, run in groupby(self.judged, key=lambda check: check.good)]
        ends = [run[0].at for _, run in runs[1:]]
        found = enumerate(zip_longest(runs, ends))
        return tuple(_outage(failed, until, number == 0) for number, ((good, failed), until) in found if not good)

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


def percentile(values: Sequence[float], percent: float) -> float | None:
    """The smallest of the values that at least `percent` of them do not exceed (nearest rank); None without values."""
    if not values:
        return None
    return sorted(values)[max(1, math.ceil(len(values) * percent / 100)) - 1]


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
