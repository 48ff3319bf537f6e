"""Text from servers and strangers, made safe for Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable

from tasks.mail.visible import one_line

PUNCTUATION = re.compile(r"[\\`*_{}\[\]()<>#+!|~&$^\"'-]")
# GFM makes links out of bare addresses too; an invisible character inside keeps it from that.
BARE_LINK = re.compile(r"(?<=:)(?=//)|(?<=www)(?=\.)|(?<=\S)(?=@)", re.IGNORECASE)
ZERO_WIDTH_SPACE = "\N{ZERO WIDTH SPACE}"


def escape(text: object) -> str:
    """Text that Markdown shows as it is: no markup, HTML, table cell or link comes out of it."""
    unlinked = BARE_LINK.sub(ZERO_WIDTH_SPACE, one_line(str(text), None))
    return PUNCTUATION.sub(lambda match: f"&#{ord(match[0])};", unlinked)


def code(text: object) -> str:
    """Text as a code span inside a table cell: it can be copied as it is."""
    shown = one_line(str(text), None).replace("|", r"\|")
    fence = "`" * (max((len(run) for run in re.findall(r"`+", shown)), default=0) + 1)
    pad = " " if shown.startswith("`") or shown.endswith("`") else ""
    return f"{fence}{pad}{shown}{pad}{fence}" if shown else ""


def table(rows: Iterable[tuple[str, ...]], head: tuple[str, ...]) -> str:
    """A GFM table of cells that are Markdown already."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
