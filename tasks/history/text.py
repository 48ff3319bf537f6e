"""A history as text, for a terminal."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from tasks.history.calendar import SIGN_MEANINGS, Calendar, Sign, calendar
from tasks.history.figures import Figures, Window, percentile
from tasks.history.formats import counted, measured
from tasks.history.report import STILL_OPEN, loop_facts, outage_rows
from tasks.mail.model.safe_text import one_line

_LABEL_WIDTH = 15


def history_lines(history: Sequence[Figures], period: Window) -> list[str]:
    """The whole text; a loop's part begins with its name."""
    if not history:
        return [f"no checks, {period}"]
    return [line for figures in history for line in [*_loop(figures), ""]][:-1]


def _loop(figures: Figures) -> list[str]:
    found = [f"{figures.loop}: {counted(len(figures.checks), 'check')}, {figures.window}"]
    for name, said in loop_facts(figures):
        found.append(f"  {name:<{_LABEL_WIDTH}}{one_line(said, None)}")
        if name == "outages":
            found += [f"    {one_line(_outage(row), None)}" for row in outage_rows(figures)]
    return [*found, *_calendar(calendar(figures.checks, figures.window), _days(figures))]


def _days(figures: Figures) -> dict[str, str]:
    """The delivery times of each day."""
    days: dict[str, list[float]] = defaultdict(list)
    for check in figures.judged:
        if check.delivery_seconds is not None:
            days[f"{check.at:%Y-%m-%d}"].append(check.delivery_seconds)
    return {
        day: f"  p50 {measured(percentile(times, 50))}, longest {measured(max(times))}" for day, times in days.items()
    }


def _outage(row: Sequence[str]) -> str:
    since, until, lasted, checks, cause = row
    return f"{since} {'' if until == STILL_OPEN else 'to '}{until}, {lasted}, checks: {checks}, {cause}"


def _calendar(table: Calendar, days: Mapping[str, str]) -> list[str]:
    """A sign for each hour or day, what the signs mean, and what is known of a row that is a day."""
    signs = ["".join(cell.sign if cell else " " for cell in cells) for _, cells in table.rows]
    if not table.by_day:
        signs = [" ".join(row[six : six + 6] for six in range(0, len(row), 6)) for row in signs]
    rows = [
        f"  {name:<{_LABEL_WIDTH}}|{row}|{days.get(name, '')}" for (name, _), row in zip(table.rows, signs, strict=True)
    ]
    unit = "a week is a column" if table.by_day else "an hour is a column"
    meaning = ", ".join(f"{sign} {text}" for sign, text in SIGN_MEANINGS.items() if sign is not Sign.EMPTY)
    return [f"  {'calendar':<{_LABEL_WIDTH}}{unit}, UTC: {meaning}", *rows]
