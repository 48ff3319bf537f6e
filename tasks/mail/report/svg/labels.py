"""Words in the picture: strangers' labels made harmless, and how much room a text takes."""

from __future__ import annotations

import unicodedata

from tasks.mail.model.safe_text import one_line

_MAX_CHARS = 120  # characters of a label, before it is cut to the room that it has
ELLIPSIS = "…"

# Widths in em, none below those of DejaVu Sans, the widest of the common fonts.
_SLIM, _NARROW, _BROAD = frozenset(" ',-./:;ijl|\\I"), frozenset("!()[]frt"), frozenset("%@MWmw")
_WIDE = frozenset("#&+<=>^~×→ABCDEFGHJKLNOPQRSTUVXYZ")  # noqa: RUF001  # the signs that the picture itself uses
_BOLD = 1.12


def as_label(text: str, limit: int = _MAX_CHARS) -> str:
    """One line of bounded length, without what is invisible, moves text about, or stacks over other lines."""
    return one_line("".join(c if unicodedata.category(c) not in ("Mn", "Me") else _escape(c) for c in text), limit)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode()


def is_plain(text: str) -> bool:
    """Whether the width of each character is known."""
    return all(c.isascii() or c in _WIDE or c == ELLIPSIS for c in text)


def ems(text: str, *, bold: bool = False) -> float:
    """Width of a text in a proportional font, in em: an upper bound if it is plain."""
    return sum(map(_em, text)) * (_BOLD if bold else 1.0)


def _em(character: str) -> float:
    if character in _SLIM:
        return 0.38
    if character in _NARROW:
        return 0.45
    if character in _WIDE:
        return 0.85
    return 1.0 if character in _BROAD or not character.isascii() else 0.64


def columns(text: str) -> int:
    """Width of a shown text on a terminal."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def fit(text: str, room: float, *, bold: bool = False) -> str:
    """The text, or as much of it as has room (in em), with an ellipsis."""
    if ems(text, bold=bold) <= room:
        return text
    room -= ems(ELLIPSIS, bold=bold)
    end = 0
    while end < len(text) and (room := room - ems(text[end], bold=bold)) >= 0:
        end += 1
    return text[:end].rstrip() + ELLIPSIS


def fit_columns(text: str, room: int) -> str:
    """The text, or as much of it as has room on a terminal, with an ellipsis."""
    if columns(text) <= room:
        return text
    end, left = 0, room - 1
    while end < len(text) and (left := left - columns(text[end])) >= 0:
        end += 1
    return text[:end].rstrip() + ELLIPSIS if room > 0 else ""
