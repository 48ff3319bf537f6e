"""Durations and months in words, and the longest and shortest duration that is reported or drawn."""

from __future__ import annotations

SHORTEST, LONGEST = 1e-5, 1e9  # seconds that a picture may span
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")  # in no locale


def clamp(seconds: float) -> float:
    """A time that can be reported and drawn: from 0 to LONGEST seconds."""
    return min(max(seconds, 0.0), LONGEST)


def duration(seconds: float) -> str:
    """A duration for people, to two or three digits: `1.2 ms`, `350 ms`, `2.3 s`, `37 min`, `1 h 12 min`."""
    seconds = clamp(seconds)
    if seconds < 0.9995:
        return f"{_short(seconds * 1000, 9.95)} ms"
    if seconds < 99.95 and seconds != MINUTE:
        return f"{_short(seconds, 99.95)} s"
    for unit, name, part, part_name in ((DAY, "d", HOUR, "h"), (HOUR, "h", MINUTE, "min"), (MINUTE, "min", 1.0, "s")):
        if seconds >= unit - part / 2:
            whole, rest = divmod(round(seconds / part), round(unit / part))
            return f"{whole} {name} {rest} {part_name}" if rest else f"{whole} {name}"
    raise AssertionError(seconds)


def _short(value: float, one_decimal_below: float) -> str:
    return f"{value:.1f}".removesuffix(".0") if value < one_decimal_below else f"{value:.0f}"
