"""The figures of one loop over a period: pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property

from tasks.history.drift import Seen, seen
from tasks.history.outages import Outage, outages
from tasks.history.window import Window
from tasks.mail.checks import Check
from tasks.mail.model.outcome import Outcome, Placement

Place = tuple[str, Placement]


def percentile(values: Sequence[float], percent: float) -> float | None:
    """The smallest of the values that at least `percent` of them do not exceed (nearest rank); None without values."""
    if not values:
        return None
    return sorted(values)[max(1, math.ceil(len(values) * percent / 100)) - 1]


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
        return outages(self.checks)

    @property
    def downtime(self) -> timedelta:
        """How long the outages lasted together at the most, an open one up to the end of the period."""
        return sum((outage.length(self.window.end) for outage in self.outages), timedelta())

    @cached_property
    def places(self) -> tuple[Seen[Place], ...]:
        """Where the messages that arrived were found, with how that changed over the period."""
        observed = [
            (check.at, (check.folder, check.placement))
            for check in self.judged
            if check.folder is not None and check.placement is not None
        ]
        return seen(observed, self.window.middle)

    @cached_property
    def authentications(self) -> tuple[Seen[str], ...]:
        """What the receiver stated of the sender's authentication, with how that changed over the period."""
        stated = [(check.at, check.authentication) for check in self.judged if check.authentication is not None]
        return seen(stated, self.window.middle)


def histories(checks: Iterable[Check], window: Window) -> list[Figures]:
    """The figures of every loop among the checks, by name."""
    ordered = sorted(checks, key=lambda check: check.at)
    loops = sorted({check.loop for check in ordered})
    return [Figures(loop, window, tuple(check for check in ordered if check.loop == loop)) for loop in loops]


def _counted(words: Iterable[str]) -> Mapping[str, int]:
    return dict(Counter(words).most_common())
