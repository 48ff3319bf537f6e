"""Text from servers and strangers, made safe for Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable

from tasks.mail.model.safe_text import one_line

PUNCTUATION = re.compile(r"[\\`*_{}\[\]()<>#+!|~&$^\"'-]")
# GFM makes links out of bare addresses too, but not in a code span, from which they can still be copied.
ADDRESS = re.compile(r"[^\s<>()\[\]|\"',;]*(?:://|www\.|@)[^\s<>()\[\]|\"',;]*", re.IGNORECASE)


def escape(text: object) -> str:
    """Text that Markdown shows as it is: no markup, HTML, table cell or link comes out of it."""
    shown, parts, end = one_line(str(text), None), [], 0
    for address in ADDRESS.finditer(shown):
        parts += [_plain(shown[end : address.start()]), code(address[0])]
        end = address.end()
    return "".join((*parts, _plain(shown[end:])))


def _plain(text: str) -> str:
    return PUNCTUATION.sub(lambda match: f"&#{ord(match[0])};", text)


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
