"""Text from servers and strangers, for people to see: pure."""

from __future__ import annotations

import re

LONGEST = 300
LINK = re.compile(r"(https?):(?=//)", re.IGNORECASE)


def printable(text: str) -> str:
    """The text with what is not printable (control characters, direction marks, lone surrogates) shown as escapes."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def one_line(text: str, limit: int | None = LONGEST) -> str:
    """One line of at most `limit` characters; what could move a cursor, forge a line or hide is shown as an escape."""
    shown = printable(" ".join(text.split()))
    return shown if limit is None or len(shown) <= limit else f"{shown[: limit - 1]}…"


def unlinked(text: str) -> str:
    """The text with a blank in its addresses: Prefect's UI makes links of all that begin with http in a log."""
    return LINK.sub(r"\1: ", text)
