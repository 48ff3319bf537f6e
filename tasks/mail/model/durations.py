"""Durations and months in words, durations as people write them, and the longest and shortest that is drawn."""

import re
from datetime import timedelta

MIN_SECONDS, _MAX_SECONDS = 1e-5, 1e9  # seconds that a picture may span
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")  # in no locale

SPAN = r"^[1-9][0-9]{0,6}[mhdw]$"
MAX_SPAN = timedelta(weeks=520)
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def clamp(seconds: float) -> float:
    """A time that can be reported and drawn: from 0 to MAX_SECONDS."""
    return min(max(0.0, seconds), _MAX_SECONDS)  # in this order, what is no number is 0


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


def in_units(seconds: float, most: int = 2) -> str:
    """A whole number of seconds in its largest units, from the first that counts: `1 d 1 h`, `2 min 5 s`."""
    rest = round(seconds)
    parts: list[str] = []
    for unit, name in ((DAY, "d"), (HOUR, "h"), (MINUTE, "min"), (1.0, "s")):
        number, rest = divmod(rest, round(unit))
        if number or parts:
            parts.append(f"{number} {name}")
    return " ".join(part for part in parts[:most] if not part.startswith("0 ")) or "0 s"


def span(text: str) -> timedelta | None:
    """The length of time that people write as 90m, 24h, 7d or 4w; None where it is none, or one of over ten years."""
    if not re.fullmatch(SPAN, text):
        return None
    length = timedelta(**{_UNITS[text[-1]]: int(text[:-1])})
    return length if length <= MAX_SPAN else None


def _short(value: float, one_decimal_below: float) -> str:
    return f"{value:.1f}".removesuffix(".0") if value < one_decimal_below else f"{value:.0f}"
