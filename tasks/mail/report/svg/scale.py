"""Time to scale: round ticks, where a moment lies on a line of given length, and an axis of seconds."""

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from tasks.mail.model.durations import DAY, HOUR, MIN_SECONDS, MINUTE, clamp, duration

_STEPS = (
    *(factor * 10.0**power for power in range(-7, 1) for factor in (1, 2, 5)),
    *(10.0, 20.0, 30.0, MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 20 * MINUTE, 30 * MINUTE),
    *(HOUR, 2 * HOUR, 6 * HOUR, 12 * HOUR),
    *(factor * 10.0**power * DAY for power in range(5) for factor in (1, 2, 5)),
)
# Where a logarithmic axis has room for few.
_MAIN_STEPS = (0.001, 0.01, 0.1, 1.0, 10.0, MINUTE, 10 * MINUTE, HOUR, DAY, 10 * DAY)
_LOGARITHMIC = 30  # from here on the largest is so many times the smallest that a linear axis would flatten the rest
MAX_AXIS_TICKS = 7


def ticks(end: float, most: int) -> list[float]:
    """Round moments from 0 to `end`, at most `most` of them besides 0."""
    step = _step(end, most)
    return [step * number for number in range(int(end / step * (1 + 1e-9)) + 1)]


def _step(end: float, most: int) -> float:
    return next((step for step in _STEPS if end / step <= most), _STEPS[-1])


def tick(seconds: float) -> str:
    """A tick in words, exact."""
    if seconds == 0:
        return "0"
    if seconds < 0.9995:
        return f"{seconds * 1000:.6g} ms"
    return duration(seconds) if seconds % MINUTE == 0 else f"{seconds:.6g} s"


@dataclass(frozen=True, slots=True)
class Scale:
    """Where moments lie. Proportional, but for a least distance between any two that matter."""

    moments: Sequence[float]
    places: Sequence[float]

    @classmethod
    def of(cls, moments: Iterable[float], end: float, left: float, width: float, least: float) -> "Scale":
        """A scale from 0 to `end` over `width`; these moments are `least` apart, or as far as half of it allows."""
        end = max(clamp(end), MIN_SECONDS)
        inner = sorted({moment for moment in map(clamp, moments) if 0 < moment < end})
        known = [0.0, *(b for a, b in pairwise([0.0, *inner]) if b - a > end * 1e-9), end]
        spans = [b - a for a, b in pairwise(known)]
        widths = _widths(spans, width, min(least, width / 2 / len(spans)))
        return cls(known, [left + place for place in accumulate(widths, initial=0.0)])

    def at(self, moment: float) -> float:
        """The place of a moment; before the first and after the last it is theirs."""
        index = min(max(bisect_right(self.moments, moment), 1), len(self.moments) - 1)
        (a, b), (left, right) = self.moments[index - 1 : index + 1], self.places[index - 1 : index + 1]
        return left + (right - left) * min(max((moment - a) / (b - a), 0.0), 1.0)

    @property
    def left(self) -> float:
        return self.places[0]

    @property
    def right(self) -> float:
        return self.places[-1]


def _widths(spans: Sequence[float], width: float, least: float) -> list[float]:
    """Widths that add up to `width`: in proportion to the spans, and none under `least`."""
    small: set[int] = set()
    while True:
        rest = sum(span for index, span in enumerate(spans) if index not in small)
        each = (width - least * len(small)) / rest
        more = {index for index, span in enumerate(spans) if index not in small and span * each < least}
        if not more:
            return [least if index in small else span * each for index, span in enumerate(spans)]
        small |= more


@dataclass(frozen=True, slots=True)
class Axis:
    """Where a number of seconds lies between 0, the bottom, and 1, the top."""

    low: float
    high: float
    logarithmic: bool
    ticks: tuple[float, ...]

    @classmethod
    def of(cls, values: Sequence[float]) -> "Axis":
        """The axis for these times, of which there is at least one."""
        low, high = max(min(values), _MAIN_STEPS[0]), max(*values, _MAIN_STEPS[0])
        if high / low < _LOGARITHMIC:
            step = _step(high, MAX_AXIS_TICKS - 2)
            steps = math.ceil(high / step - 1e-9)
            return cls(0.0, steps * step, False, tuple(step * number for number in range(steps + 1)))
        bottom = max(step for step in _STEPS if step <= low)
        top = min((step for step in _STEPS if step >= high), default=high)
        marks = [step for step in _STEPS if bottom <= step <= top]
        if len(marks) > MAX_AXIS_TICKS:
            marks = [step for step in _MAIN_STEPS if bottom <= step <= top]
        return cls(bottom, top, True, tuple(marks if len(marks) <= MAX_AXIS_TICKS else marks[::2]))

    def __call__(self, seconds: float) -> float:
        if self.logarithmic:
            return math.log(max(seconds, self.low) / self.low) / math.log(self.high / self.low)
        return (seconds - self.low) / (self.high - self.low)
