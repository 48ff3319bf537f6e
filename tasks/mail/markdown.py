"""Text from servers and strangers, made safe for Markdown and for a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterable

PUNCTUATION = re.compile(r"[\\`*_{}\[\]()<>#+!|~&$^\"'-]")
# GFM makes links out of bare addresses too; an invisible character inside keeps it from that.
BARE_LINK = re.compile(r"(?<=:)(?=//)|(?<=www)(?=\.)|(?<=\S)(?=@)", re.IGNORECASE)
ZERO_WIDTH_SPACE = "\N{ZERO WIDTH SPACE}"


def printable(text: str) -> str:
    """One line in which everything that could move a cursor, forge a line or hide is visible."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in " ".join(text.split()))


def escape(text: object) -> str:
    """Text that Markdown shows as it is: no markup, HTML, table cell or link comes out of it."""
    unlinked = BARE_LINK.sub(ZERO_WIDTH_SPACE, printable(str(text)))
    return PUNCTUATION.sub(lambda match: f"&#{ord(match[0])};", unlinked)


def code(text: object) -> str:
    """Text as a code span inside a table cell: it can be copied as it is."""
    shown = printable(str(text)).replace("|", r"\|")
    fence = "`" * (max((len(run) for run in re.findall(r"`+", shown)), default=0) + 1)
    pad = " " if shown.startswith("`") or shown.endswith("`") else ""
    return f"{fence}{pad}{shown}{pad}{fence}" if shown else ""


def table(rows: Iterable[tuple[str, ...]], head: tuple[str, ...]) -> str:
    """A GFM table of cells that are Markdown already."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
