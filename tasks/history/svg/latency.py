"""A picture of the delivery times over a period, what did not arrive, outages and checks without verdict. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from tasks.history.figures import Figures
from tasks.history.formats import count, percent, took
from tasks.history.svg import card
from tasks.history.svg.axes import Scale, moments, scale, unit
from tasks.mail.checks import Check
from tasks.mail.model.outcome import Status

LEFT, RIGHT, TOP, BOTTOM = 92, 700, 64, 264
FAILED, SILENT = 288, 310  # the base lines of the two lanes
AXIS, HEIGHT = 336, 372
LABEL = 15  # between two names on the right
CROWDED = 600  # points
APART = 7  # between two marks of a lane
PERCENTILES = (50, 95, 99)


def latency(figures: Figures) -> str:
    """The picture, a whole SVG document."""
    window = figures.window

    def along(moment: datetime) -> float:
        return LEFT + (RIGHT - LEFT) * min(1.0, max(0.0, (moment - window.start) / window.length))

    parts = [_outages(figures, along), *_time_axis(figures, along)]
    about = str(window)
    if figures.delivery:
        upward = scale(figures.delivery)
        parts += [*_second_axis(upward), *_points(figures, along, upward), *_percentiles(figures, upward)]
        about += f" · {count(len(figures.delivery), 'message')} · {'logarithmic' if upward.logarithmic else 'linear'}"
    else:
        parts.append(card.text((LEFT + RIGHT) / 2, (TOP + BOTTOM) / 2, "no delivery times", anchor="middle"))
    parts += [*_lanes(figures, along), *_legend()]
    return card.card(f"Delivery time: {figures.loop}", about, _description(figures), HEIGHT, parts)


def _y(share: float) -> float:
    return BOTTOM - (BOTTOM - TOP) * share


def _outages(figures: Figures, along: Callable[[datetime], float]) -> str:
    bands = []
    for outage in figures.outages:
        start, end = along(outage.since), along(outage.until or figures.window.end)
        bands.append(card.box(start - 1, TOP, max(3.0, end - start + 2), FAILED + 10 - TOP))
    return card.fills(bands, "outage")


def _time_axis(figures: Figures, along: Callable[[datetime], float]) -> Iterable[str]:
    ticks = [(along(moment), name) for moment, name in moments(figures.window)]
    yield card.strokes((f"M{card.number(x)} {TOP}V{SILENT + 10}" for x, _ in ticks), "grid", 1)
    for x, name in ticks:
        yield card.text(x, AXIS, name, anchor="middle")


def _second_axis(upward: Scale) -> Iterable[str]:
    heights = [_y(upward(tick)) for tick in upward.ticks]
    yield card.strokes((f"M{LEFT} {card.number(y)}H{RIGHT}" for y in heights), "grid", 1)
    for tick, y in zip(upward.ticks, heights, strict=True):
        yield card.text(LEFT - 10, y + 4, unit(tick), anchor="end")


def _points(figures: Figures, along: Callable[[datetime], float], upward: Scale) -> Iterable[str]:
    """Points of one status are one path; those that would cover each other are drawn once."""
    shapes: dict[Status, set[str]] = {status: set() for status in Status}
    crowded = len(figures.delivery) > CROWDED
    draw: dict[Status, Callable[[float, float], str]] = {
        Status.OK: card.dot,
        Status.WARNING: lambda x, y: card.triangle(x, y, 2.8 if crowded else 4),
        Status.ERROR: card.cross,
    }
    for check in figures.judged:
        if check.delivery_seconds is not None and check.status is not None:
            x, y = round(along(check.at) * 2) / 2, round(_y(upward(check.delivery_seconds)) * 2) / 2
            shapes[check.status].add(draw[check.status](x, y))
    yield card.strokes(sorted(shapes[Status.OK]), "ok", 4 if crowded else 5, 'opacity=".55"' if crowded else "")
    yield card.fills(sorted(shapes[Status.WARNING]), "warning")
    yield card.strokes(sorted(shapes[Status.ERROR]), "error", 1.8)


def _percentiles(figures: Figures, upward: Scale) -> Iterable[str]:
    named = [(name, value) for name in PERCENTILES if (value := figures.delivery_percentile(name)) is not None]
    heights = [_y(upward(value)) for _, value in named]
    yield card.strokes((f"M{LEFT} {card.number(y)}H{RIGHT + 4}" for y in heights), "ink", 1, 'stroke-dasharray="1 4"')
    free = float(BOTTOM + 4)
    for (name, value), y in zip(named, heights, strict=True):  # upward: a higher percentile is never lower
        free = min(free, y + 4)
        yield card.text(RIGHT + 10, free, f"p{name} {took(value)}", "ink")
        free -= LABEL


def _lanes(figures: Figures, along: Callable[[datetime], float]) -> Iterable[str]:
    yield card.text(LEFT - 10, FAILED + 4, "did not arrive", anchor="end", size=11)
    yield card.text(LEFT - 10, SILENT + 4, "no verdict", anchor="end", size=11)
    yield card.strokes([f"M{LEFT} {FAILED}H{RIGHT}", f"M{LEFT} {SILENT}H{RIGHT}"], "grid", 1)
    missing = [check for check in figures.judged if check.missing]

    def marks(checks: Iterable[Check], shape: Callable[[float, float], str], y: float) -> list[str]:
        places: list[float] = []
        for x in (along(check.at) for check in checks):
            if not places or x - places[-1] >= APART:
                places.append(x)
        return [shape(x, y) for x in places]

    yield card.fills(marks((c for c in missing if c.status is Status.WARNING), card.triangle, FAILED), "warning")
    yield card.strokes(marks((c for c in missing if c.status is Status.ERROR), card.cross, FAILED), "error", 1.8)
    silent = (check for check in figures.checks if check.status is None)
    yield card.strokes(marks(silent, card.question, SILENT), "silent", 1.4)


def _legend() -> Iterable[str]:
    y = HEIGHT - 15
    signs = (
        (card.strokes([card.dot(LEFT, y)], "ok", 5), "ok"),
        (card.fills([card.triangle(LEFT + 52, y)], "warning"), "warning"),
        (card.strokes([card.cross(LEFT + 142, y)], "error", 1.8), "error"),
        (card.strokes([card.question(LEFT + 214, y)], "silent", 1.4), "no verdict"),
        (card.fills([card.box(LEFT + 302, y - 6, 12, 12)], "outage"), "outage"),
    )
    for (sign, name), x in zip(signs, (LEFT, LEFT + 52, LEFT + 142, LEFT + 214, LEFT + 308), strict=True):
        yield sign
        yield card.text(x + 10, y + 4, name)


def _description(figures: Figures) -> str:
    times = ", ".join(f"p{name} {took(figures.delivery_percentile(name))}" for name in PERCENTILES)
    return (
        f"Delivery times of {count(len(figures.delivery), 'message')}: {times}. "
        f"Availability {percent(figures.availability)}. {count(len(figures.outages), 'outage')}. "
        f"{count(sum(figures.without_verdict.values()), 'check')} without a verdict."
    )
