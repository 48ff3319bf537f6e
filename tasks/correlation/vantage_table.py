"""Loops by places, as Markdown. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from tasks.correlation.matrix_table import SIGNS
from tasks.correlation.vantage import Says, Together
from tasks.mail.config.fleet import seen_from
from tasks.mail.model.durations import duration
from tasks.mail.report.markdown import escape, table


def in_short(found: Sequence[Together]) -> str:
    """One sentence on all of them: what is proved first."""
    told = [one.text for one in sorted(found, key=lambda one: not one.differs) if one.text]
    return "; ".join(told) or f"{len(found)} loop{'s' if len(found) != 1 else ''} alike from everywhere"


def markdown(found: Sequence[Together], now: datetime) -> str:
    """The artifact: the sentences, then a row for each loop and a column for each place."""
    places = list(dict.fromkeys(place for one in found for place in one.watched.places))
    lines = [f"- {escape(one.text)}" for one in sorted(found, key=lambda one: not one.differs) if one.text]
    rows = [
        (f"**{escape(one.watched.loop)}**", *(_cell(one, place, now) for place in places))
        for one in sorted(found, key=lambda one: (one.text is None, one.watched.loop))
    ]
    head = "\n".join(lines) if lines else "All loops are alike from everywhere."
    return "\n\n".join([head, table(rows, ("loop / from", *map(escape, places)))]) + "\n"


def _cell(found: Together, place: str, now: datetime) -> str:
    if place not in found.watched.places:
        return "not from here"
    last = found.last[place]
    if last is None or found.says[place] is Says.SILENT:
        return "silent"
    key = f"mail-loop-{seen_from(found.watched.loop, place)}"
    age = duration(max(0.0, (now - last.at).total_seconds()))
    return f"{SIGNS[last.result.status]} [{escape(str(last.result.outcome))}](/v2/artifacts/key/{key}), {age} ago"
