"""Scales and their ticks: time along, seconds upward, linear or logarithmic. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tasks.history.formats import MONTHS
from tasks.history.window import Window

# Seconds that people count in.
ROUND = (
    *(base * 10.0**power for power in (-3, -2, -1, 0) for base in (1, 2, 5)),
    *(10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 28800, 43200, 86400, 172800, 604800),
)
MAIN = (
    0.001,
    0.01,
    0.1,
    1.0,
    10.0,
    60.0,
    600.0,
    3600.0,
    86400.0,
    604800.0,
)  # where a logarithmic scale has room for few
LOGARITHMIC = 30  # from here on the largest is so many times the smallest that a linear scale would flatten the rest
MOST_TICKS = 7
STEPS = [
    *(timedelta(minutes=minutes) for minutes in (5, 10, 15, 30)),
    *(timedelta(hours=hours) for hours in (1, 2, 3, 6, 12)),
    *(timedelta(days=days) for days in (1, 2, 7, 14, 28, 56, 182, 364)),
]
MONDAY = datetime(2001, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Scale:
    """Where a number of seconds lies between 0, the bottom, and 1, the top."""

    low: float
    high: float
    logarithmic: bool
    ticks: tuple[float, ...]

    def __call__(self, seconds: float) -> float:
        if self.logarithmic:
            seconds = max(seconds, self.low)
            return math.log(seconds / self.low) / math.log(self.high / self.low)
        return (seconds - self.low) / (self.high - self.low)


def scale(values: Sequence[float]) -> Scale:
    """The scale for these times, of which there is at least one."""
    low, high = max(min(values), ROUND[0]), max(*values, ROUND[0])
    if high / low >= LOGARITHMIC:
        bottom = max(mark for mark in ROUND if mark <= low)
        top = min((mark for mark in ROUND if mark >= high), default=high)
        ticks = [mark for mark in ROUND if bottom <= mark <= top]
        if len(ticks) > MOST_TICKS:
            ticks = [mark for mark in MAIN if bottom <= mark <= top]
        if len(ticks) > MOST_TICKS:
            ticks = ticks[::2]
        return Scale(bottom, top, True, tuple(ticks))
    step = next((mark for mark in ROUND if high / mark <= MOST_TICKS - 2), high)
    steps = math.ceil(high / step - 1e-9)
    return Scale(0.0, steps * step, False, tuple(step * number for number in range(steps + 1)))


def unit(seconds: float) -> str:
    """A tick's name."""
    if seconds == 0:
        return "0"
    for size, name in ((86400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        if seconds >= size:
            return f"{seconds / size:g} {name}"
    return f"{seconds * 1000:g} ms"


def moments(window: Window) -> list[tuple[datetime, str]]:
    """The ticks along a period, at full hours, days or Mondays, with their names."""
    step = next((step for step in STEPS if window.length / step <= MOST_TICKS + 1), STEPS[-1])
    tick = MONDAY + math.ceil((window.start - MONDAY) / step) * step
    found = []
    while tick <= window.end:
        day = f"{tick.day} {MONTHS[tick.month - 1]}"
        whole = step >= timedelta(days=1) or tick.hour == tick.minute == 0
        year = f" {tick.year}" if window.length > timedelta(days=364) else ""
        found.append((tick, f"{day}{year}" if whole else f"{tick:%H:%M}"))
        tick += step
    return found
