"""A history as Markdown with pictures, for an artifact in Prefect. Pure."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from tasks.history import tables
from tasks.history.figures import Figures
from tasks.history.svg.calendar import grid
from tasks.history.svg.latency import latency
from tasks.history.window import Window
from tasks.mail.report.markdown import escape, table

NOTHING = "No check was found in this period."


def markdown(history: Sequence[Figures], period: Window) -> str:
    """The whole artifact: all loops in one table, then each with its pictures."""
    parts = [f"**{escape(period)}**"]
    if not history:
        parts.append(NOTHING)
    if len(history) > 1:
        parts.append(table((_escaped(tables.overview(figures)) for figures in history), tables.OVERVIEW))
    for figures in history:
        parts += _loop(figures)
    meanings = "\n".join(f"- **{escape(name)}**: {escape(meaning)}" for name, meaning in tables.MEANINGS)
    return "\n\n".join([*parts, "### What the figures mean", meanings]) + "\n"


def _loop(figures: Figures) -> list[str]:
    parts = [
        f"## {escape(figures.loop)}",
        table((_escaped(row) for row in tables.facts(figures)), ("", "")),
        _picture("Delivery times", latency(figures)),
        _picture("Calendar of outcomes", grid(figures, tooltips=False)),
    ]
    for heading, head, rows in (
        ("Outages", tables.OUTAGES, tables.outages(figures)),
        ("Where messages were found", tables.PLACES, tables.places(figures)),
    ):
        if rows:
            parts += [f"### {heading}", table(map(_escaped, rows), head)]
    return parts


def _picture(name: str, svg: str) -> str:
    return f"![{name}](data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()})"


def _escaped(row: tables.Row) -> tables.Row:
    return tuple(map(escape, row))
