"""Figures of many, and tables in Markdown: pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def percentile(values: Iterable[float], percent: float) -> float:
    """The value that so many percent of them do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -(-len(ordered) * percent // 100) - 1).__int__())]


def median(values: Iterable[float]) -> float:
    return percentile(values, 50)


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table in Markdown; the first column is text, the others are figures."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines)


def seconds(value: float) -> str:
    """With a unit that fits."""
    return f"{value * 1000:.0f} ms" if abs(value) < 1 else f"{value:.2f} s"


def replaced(text: str, name: str, content: str) -> str:
    """The document with this section made anew: what stands between its two markers."""
    begin, end = f"<!-- bench: {name} -->", "<!-- end -->"
    before, _, rest = text.partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise ValueError(f"the document has no section {begin} ... {end}")
    return f"{before}{begin}\n{content.strip()}\n{end}{after}"
