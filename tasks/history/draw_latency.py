"""A picture of the delivery times over a period, what did not arrive, outages and checks without verdict."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tasks.history.figures import Figures, Window
from tasks.history.formats import counted, measured, percent
from tasks.mail.checks import Check
from tasks.mail.model.durations import DAY, HOUR, MINUTE, MONTHS
from tasks.mail.model.outcome import Status
from tasks.mail.report.svg import ground
from tasks.mail.report.svg.layout import STEPS, step_for, tick

LEFT, RIGHT, TOP, BOTTOM = 92, 700, 64, 264
FAILED, SILENT = 288, 310  # the base lines of the two lanes
AXIS, HEIGHT = 336, 372
_NAME_HEIGHT = 15  # pixels between two percentiles on the right
_CROWDED = 600  # points
_MARK_WIDTH = 7  # pixels, at the least, between two marks of a lane
PERCENTILES = (50, 95, 99)
_TIME_STEPS = (
    *(timedelta(minutes=minutes) for minutes in (5, 10, 15, 30)),
    *(timedelta(hours=hours) for hours in (1, 2, 3, 6, 12)),
    *(timedelta(days=days) for days in (1, 2, 7, 14, 28, 56, 182, 364)),
)
_MONDAY = datetime(2001, 1, 1, tzinfo=UTC)
MAX_AXIS_TICKS = 7
# Where a logarithmic axis has room for few.
_MAIN_STEPS = (0.001, 0.01, 0.1, 1.0, 10.0, MINUTE, 10 * MINUTE, HOUR, DAY, 10 * DAY)
_LOGARITHMIC = 30  # from here on the largest is so many times the smallest that a linear axis would flatten the rest


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
            step = step_for(high, MAX_AXIS_TICKS - 2)
            steps = math.ceil(high / step - 1e-9)
            return cls(0.0, steps * step, False, tuple(step * number for number in range(steps + 1)))
        bottom = max(step for step in STEPS if step <= low)
        top = min((step for step in STEPS if step >= high), default=high)
        marks = [step for step in STEPS if bottom <= step <= top]
        if len(marks) > MAX_AXIS_TICKS:
            marks = [step for step in _MAIN_STEPS if bottom <= step <= top]
        return cls(bottom, top, True, tuple(marks if len(marks) <= MAX_AXIS_TICKS else marks[::2]))

    def __call__(self, seconds: float) -> float:
        if self.logarithmic:
            return math.log(max(seconds, self.low) / self.low) / math.log(self.high / self.low)
        return (seconds - self.low) / (self.high - self.low)


def draw_latency(figures: Figures) -> str:
    """The picture, a whole SVG document."""
    window = figures.window

    def along(moment: datetime) -> float:
        return LEFT + (RIGHT - LEFT) * min(1.0, max(0.0, (moment - window.start) / window.length))

    ticks = [(along(moment), name) for moment, name in time_ticks(window)]
    parts = [
        _outages(figures, along),
        ground.strokes((f"M{ground.pixels(x)} {TOP}V{SILENT + 10}" for x, _ in ticks), "grid", 1),
        *(ground.label(x, AXIS, name, anchor="middle") for x, name in ticks),
    ]
    about = str(window)
    if figures.delivery:
        upward = Axis.of(figures.delivery)
        parts += [*_second_axis(upward), *_points(figures, along, upward), *_percentiles(figures, upward)]
        about += f" · {counted(len(figures.delivery), 'message')} · {'logarithmic' if upward.logarithmic else 'linear'}"
    else:
        parts.append(ground.label((LEFT + RIGHT) / 2, (TOP + BOTTOM) / 2, "no delivery times", anchor="middle"))
    parts += [*_lanes(figures, along), *_legend()]
    return ground.card(f"Delivery time: {figures.loop}", about, _description(figures), HEIGHT, parts)


def _y(share: float) -> float:
    return BOTTOM - (BOTTOM - TOP) * share


def _outages(figures: Figures, along: Callable[[datetime], float]) -> str:
    bands = [(along(outage.since), along(outage.until or figures.window.end)) for outage in figures.outages]
    high = FAILED + 10 - TOP
    return ground.fills((ground.box(start - 1, TOP, max(3.0, end - start + 2), high) for start, end in bands), "outage")


def time_ticks(window: Window) -> list[tuple[datetime, str]]:
    """The ticks along a period, at full hours, days or Mondays, with their names."""
    step = next((step for step in _TIME_STEPS if window.length / step <= MAX_AXIS_TICKS + 1), _TIME_STEPS[-1])
    at = _MONDAY + math.ceil((window.start - _MONDAY) / step) * step
    found = []
    while at <= window.end:
        day = f"{at.day} {MONTHS[at.month - 1]}"
        whole = step >= timedelta(days=1) or at.hour == at.minute == 0
        year = f" {at.year}" if window.length > timedelta(days=364) else ""
        found.append((at, f"{day}{year}" if whole else f"{at:%H:%M}"))
        at += step
    return found


def _second_axis(upward: Axis) -> Iterable[str]:
    heights = [_y(upward(seconds)) for seconds in upward.ticks]
    yield ground.strokes((f"M{LEFT} {ground.pixels(y)}H{RIGHT}" for y in heights), "grid", 1)
    for seconds, y in zip(upward.ticks, heights, strict=True):
        yield ground.label(LEFT - 10, y + 4, tick(seconds), anchor="end")


def _points(figures: Figures, along: Callable[[datetime], float], upward: Axis) -> Iterable[str]:
    """Points of one status are one path; those that would cover each other are drawn once."""
    shapes: dict[Status, set[str]] = {status: set() for status in Status}
    crowded = len(figures.delivery) > _CROWDED
    draw: dict[Status, Callable[[float, float], str]] = {
        Status.OK: ground.dot,
        Status.WARNING: lambda x, y: ground.triangle(x, y, 2.8 if crowded else 4),
        Status.ERROR: ground.cross,
    }
    for check in figures.judged:
        if check.delivery_seconds is not None and check.status is not None:
            x, y = round(along(check.at) * 2) / 2, round(_y(upward(check.delivery_seconds)) * 2) / 2
            shapes[check.status].add(draw[check.status](x, y))
    yield ground.strokes(sorted(shapes[Status.OK]), "ok", 4 if crowded else 5, 'opacity=".55"' if crowded else "")
    yield ground.fills(sorted(shapes[Status.WARNING]), "warning")
    yield ground.strokes(sorted(shapes[Status.ERROR]), "error", 1.8)


def _percentiles(figures: Figures, upward: Axis) -> Iterable[str]:
    named = [(name, value) for name in PERCENTILES if (value := figures.delivery_percentile(name)) is not None]
    heights = [_y(upward(value)) for _, value in named]
    lines = [f"M{LEFT} {ground.pixels(y)}H{RIGHT + 4}" for y in heights]
    yield ground.strokes(lines, "ink", 1, 'stroke-dasharray="1 4"')
    free = float(BOTTOM + 4)
    for (name, value), y in zip(named, heights, strict=True):  # upward: a higher percentile is never lower
        free = min(free, y + 4)
        yield ground.label(RIGHT + 10, free, f"p{name} {measured(value)}", "ink")
        free -= _NAME_HEIGHT


def _lanes(figures: Figures, along: Callable[[datetime], float]) -> Iterable[str]:
    yield ground.label(LEFT - 10, FAILED + 4, "did not arrive", anchor="end", size=11)
    yield ground.label(LEFT - 10, SILENT + 4, "no verdict", anchor="end", size=11)
    yield ground.strokes([f"M{LEFT} {FAILED}H{RIGHT}", f"M{LEFT} {SILENT}H{RIGHT}"], "grid", 1)
    missing = [check for check in figures.judged if check.missing]

    def marks(checks: Iterable[Check], shape: Callable[[float, float], str], y: float) -> list[str]:
        places: list[float] = []
        for x in (along(check.at) for check in checks):
            if not places or x - places[-1] >= _MARK_WIDTH:
                places.append(x)
        return [shape(x, y) for x in places]

    yield ground.fills(marks((c for c in missing if c.status is Status.WARNING), ground.triangle, FAILED), "warning")
    yield ground.strokes(marks((c for c in missing if c.status is Status.ERROR), ground.cross, FAILED), "error", 1.8)
    silent = (check for check in figures.checks if check.status is None)
    yield ground.strokes(marks(silent, ground.question, SILENT), "silent", 1.4)


def _legend() -> Iterable[str]:
    y = HEIGHT - 15
    signs = (
        (ground.strokes([ground.dot(LEFT, y)], "ok", 5), "ok"),
        (ground.fills([ground.triangle(LEFT + 52, y)], "warning"), "warning"),
        (ground.strokes([ground.cross(LEFT + 142, y)], "error", 1.8), "error"),
        (ground.strokes([ground.question(LEFT + 214, y)], "silent", 1.4), "no verdict"),
        (ground.fills([ground.box(LEFT + 302, y - 6, 12, 12)], "outage"), "outage"),
    )
    for (sign, name), x in zip(signs, (LEFT, LEFT + 52, LEFT + 142, LEFT + 214, LEFT + 308), strict=True):
        yield sign
        yield ground.label(x + 10, y + 4, name)


def _description(figures: Figures) -> str:
    times = ", ".join(f"p{name} {measured(figures.delivery_percentile(name))}" for name in PERCENTILES)
    return (
        f"Delivery times of {counted(len(figures.delivery), 'message')}: {times}. "
        f"Availability {percent(figures.availability)}. {counted(len(figures.outages), 'outage')}. "
        f"{counted(sum(figures.without_verdict.values()), 'check')} without a verdict."
    )
