"""Figures of a history as people read them."""

import math
from datetime import datetime

from tasks.mail.model.durations import in_units

NONE = "-"


def percent(share: float | None) -> str:
    """A share to two decimals; rounded down, so that 100 % is said only of all and 0 % of none."""
    if share is None:
        return NONE
    if 0 < share < 0.0001:
        return "< 0.01 %"
    return "100 %" if share == 1 else f"{math.floor(share * 10_000 + 1e-9) / 100:.2f} %"


def measured(seconds: float | None) -> str:
    """A measured time, to two digits or so."""
    if seconds is None:
        return NONE
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 119.5:
        return f"{seconds:.{1 if seconds < 9.95 else 0}f} s"
    return in_units(seconds)


def minute(moment: datetime) -> str:
    """A moment to the minute, without its zone, which is UTC."""
    return f"{moment:%Y-%m-%d %H:%M}"


def counted(number: int, one: str) -> str:
    """A number with its noun."""
    return f"{number:,} {one if number == 1 else f'{one}s'}"
