"""Text from servers and strangers, for people to see: pure."""

from __future__ import annotations

LONGEST = 300


def one_line(text: str, limit: int | None = LONGEST) -> str:
    """One line of at most `limit` characters; what could move a cursor, forge a line or hide is shown as an escape."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in " ".join(text.split()))
    return shown if limit is None or len(shown) <= limit else f"{shown[: limit - 1]}…"
