"""Drift: a fact that each check observes, such as where the message landed, and how it changed over a period. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

Fact = TypeVar("Fact", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Seen(Generic[Fact]):
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


def seen(observed: Iterable[tuple[datetime, Fact]], middle: datetime) -> tuple[Seen[Fact], ...]:
    """Every value that was observed, in the order of appearance; `middle` is where the second half begins."""
    moments: dict[Fact, list[datetime]] = defaultdict(list)
    for at, fact in sorted(observed, key=lambda pair: pair[0]):
        moments[fact].append(at)
    every = [at for times in moments.values() for at in times]

    def part(times: list[datetime], late: bool) -> float | None:
        among = sum((at >= middle) is late for at in every)
        return sum((at >= middle) is late for at in times) / among if among else None

    return tuple(
        Seen(fact, len(times), times[0], times[-1], len(times) / len(every), part(times, False), part(times, True))
        for fact, times in moments.items()
    )
