"""A history as text, for a terminal. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from tasks.history import tables
from tasks.history.calendar import MEANINGS, Calendar, Mark, calendar
from tasks.history.figures import Figures, percentile
from tasks.history.formats import took
from tasks.history.window import Window
from tasks.mail.model.safe_text import one_line

LABEL = 15


def lines(history: Sequence[Figures], period: Window) -> list[str]:
    """The whole text; a loop's part begins with its name."""
    if not history:
        return [f"no checks, {period}"]
    return [line for figures in history for line in [*_loop(figures), ""]][:-1]


def _loop(figures: Figures) -> list[str]:
    found = [f"{figures.loop}: {tables.checks(figures)}, {figures.window}"]
    for name, said in tables.facts(figures):
        found.append(f"  {name:<{LABEL}}{one_line(said, None)}")
        if name == "outages":
            found += [f"    {one_line(_outage(row), None)}" for row in tables.outages(figures)]
    return [*found, *_calendar(calendar(figures.checks, figures.window), _days(figures))]


def _days(figures: Figures) -> dict[str, str]:
    """The delivery times of each day."""
    days: dict[str, list[float]] = defaultdict(list)
    for check in figures.judged:
        if check.delivery_seconds is not None:
            days[f"{check.at:%Y-%m-%d}"].append(check.delivery_seconds)
    return {day: f"  p50 {took(percentile(times, 50))}, longest {took(max(times))}" for day, times in days.items()}


def _outage(row: tables.Row) -> str:
    since, until, lasted, checks, cause = row
    return f"{since} {'' if until == tables.OPEN else 'to '}{until}, {lasted}, checks: {checks}, {cause}"


def _calendar(table: Calendar, days: Mapping[str, str]) -> list[str]:
    """A sign for each hour or day, what the signs mean, and what is known of a row that is a day."""
    signs = ["".join(cell.mark if cell else " " for cell in cells) for _, cells in table.rows]
    if not table.by_day:
        signs = [" ".join(row[six : six + 6] for six in range(0, len(row), 6)) for row in signs]
    rows = [f"  {name:<{LABEL}}|{row}|{days.get(name, '')}" for (name, _), row in zip(table.rows, signs, strict=True)]
    unit = "a week is a column" if table.by_day else "an hour is a column"
    meaning = ", ".join(f"{mark} {text}" for mark, text in MEANINGS.items() if mark is not Mark.EMPTY)
    return [f"  {'calendar':<{LABEL}}{unit}, UTC: {meaning}", *rows]
