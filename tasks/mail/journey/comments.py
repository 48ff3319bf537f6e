"""Comments in structured header fields (RFC 5322, 3.2.2): nested, with quoted pairs. Pure, and in linear time."""

from __future__ import annotations

import re

PIECE = re.compile(r"[^()\\]++|\\.?|[()]", re.DOTALL)


def comment_end(text: str, start: int) -> int:
    """Where the comment that begins at `start` ends; one that does not end takes the rest."""
    depth, place = 0, start
    while match := PIECE.match(text, place):
        place = match.end()
        depth += (match[0] == "(") - (match[0] == ")")
        if not depth:
            break
    return place


def without_comments(text: str) -> str:
    """The text with a blank in the place of each comment."""
    kept, place = [], 0
    while match := PIECE.match(text, place):
        is_comment = match[0] == "("
        place = comment_end(text, place) if is_comment else match.end()
        kept.append(" " if is_comment else match[0])
    return "".join(kept)
