"""Figures as people read them: pure."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
NONE = "-"


def percent(share: float | None) -> str:
    """A share to two decimals; rounded down, so that 100 % is said only of all and 0 % of none."""
    if share is None:
        return NONE
    if 0 < share < 0.0001:
        return "< 0.01 %"
    return "100 %" if share == 1 else f"{math.floor(share * 10_000 + 1e-9) / 100:.2f} %"


def took(seconds: float | None) -> str:
    """A measured time, to two digits or so."""
    if seconds is None:
        return NONE
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 119.5:
        return f"{seconds:.0f} s"
    return length(timedelta(seconds=round(seconds)))


def length(time: timedelta) -> str:
    """A length of time in its two largest units."""
    seconds = round(time.total_seconds())
    if seconds == 0:
        return "0 s"
    parts: list[str] = []
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, seconds = divmod(seconds, size)
        if count or parts:
            parts.append(f"{count} {unit}")
    return " ".join(part for part in parts[:2] if not part.startswith("0 "))


def minute(moment: datetime) -> str:
    """A moment to the minute, without its zone, which is UTC."""
    return f"{moment:%Y-%m-%d %H:%M}"


def count(number: int, one: str, many: str = "") -> str:
    """A number with its noun."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"
