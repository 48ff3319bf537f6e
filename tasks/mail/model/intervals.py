"""Lengths of time as people write them: 90m, 24h, 7d or 4w. Pure."""

from __future__ import annotations

import re
from datetime import timedelta

SPAN = r"^[1-9][0-9]{0,6}[mhdw]$"
LONGEST = timedelta(weeks=520)
UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def span(text: str) -> timedelta | None:
    """The length; None where the text is none, or one of over ten years."""
    if not re.fullmatch(SPAN, text):
        return None
    length = timedelta(**{UNITS[text[-1]]: int(text[:-1])})
    return length if length <= LONGEST else None
