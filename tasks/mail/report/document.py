"""What a report is made of, whatever it is written in: blocks of text, tables and pictures.

A plain string is taken for a stranger's, and escaped by whatever writes it; words of ours are `Own`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

Inline: TypeAlias = "str | Code | Strong | Link | tuple[Inline, ...]"
Cells: TypeAlias = "Sequence[Inline]"


class Own(str):
    """Words of ours, which nothing has to be escaped in."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Code:
    """A stranger's text that can be copied as it is."""

    text: object

    def __bool__(self) -> bool:
        return bool(str(self.text))


@dataclass(frozen=True, slots=True)
class Strong:
    text: Inline


@dataclass(frozen=True, slots=True)
class Link:
    """`address` is one of ours; one that begins with # is a heading of the same page."""

    text: str
    address: str


@dataclass(frozen=True, slots=True)
class Heading:
    text: Inline
    level: int = 3
    anchor: str = ""


@dataclass(frozen=True, slots=True)
class Paragraph:
    text: Inline


@dataclass(frozen=True, slots=True)
class Note:
    """What stands beside the text, as a quotation does."""

    text: Inline


@dataclass(frozen=True, slots=True)
class Table:
    """`kinds`: how a page sets each column: text, number, when, or wide."""

    head: Cells
    rows: Sequence[Cells]
    kinds: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Listing:
    """Items, each with a name or not."""

    items: Sequence[tuple[str, Inline]]


@dataclass(frozen=True, slots=True)
class Picture:
    """An SVG; `alt` is what it shows, in words."""

    alt: str
    svg: str


@dataclass(frozen=True, slots=True)
class Tiles:
    """Figures at a glance: name, value, what is to be said of it, and whether it is bad."""

    items: Sequence[tuple[str, str, Sequence[str], bool]]


Block = Heading | Paragraph | Note | Table | Listing | Picture | Tiles


def facts(rows: Iterable[tuple[str, Inline | None]]) -> Table:
    """A table of names of ours and what is known of each; what is not known is left out."""
    return Table(("", ""), [(Own(name), value) for name, value in rows if value])


def section(heading: str, table: Table) -> list[Block]:
    """A table under its heading; nothing where it has no rows."""
    return [Heading(Own(heading)), table] if table.rows else []
