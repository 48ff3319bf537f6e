"""The results of a fleet as rows: what is wrong first. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from tasks.correlation.matrix_table import GRAVITY, STATUSES
from tasks.mail.model.result import LoopResult
from tasks.mail.model.safe_text import one_line
from tasks.mail.report.markdown import code, escape, table

Row = dict[str, str | float | None]


def rows(results: Sequence[LoopResult]) -> list[Row]:
    """A row for each check, the worst first, and by name among equals; the delivery time is in seconds."""
    order = sorted(results, key=lambda one: (STATUSES.index(one.status), GRAVITY.index(one.outcome), one.loop))
    return [
        {
            "loop": one_line(one.loop, None),
            "status": str(one.status),
            "outcome": str(one.outcome),
            "delivery": None if one.delivery_seconds is None else round(one.delivery_seconds, 2),
            "sentence": one_line(one.sentence, None),
        }
        for one in order
    ]


def markdown(shown: Sequence[Row]) -> str:
    """The same rows as Markdown."""
    cells = [
        (
            code(row["loop"]),
            escape(row["outcome"]),
            "" if row["delivery"] is None else f"{row['delivery']} s",
            escape(row["sentence"]),
        )
        for row in shown
    ]
    return f"{table(cells, ('loop', 'outcome', 'delivery', 'what to do'))}\n"
