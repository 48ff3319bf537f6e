"""The measured matrix as a table: for a terminal, and for the documentation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.faults.cells import Measured

HEAD = ("leg", "stage", "fault", "outcome", "error type", "at", "tries", "seconds", "")
RIGHT_ALIGNED = ("tries", "seconds")
BEGIN, END = "<!-- faults: begin -->", "<!-- faults: end -->"
TITLES = {"smtp": "SMTP", "imap": "IMAP"}


def text(measured: Sequence[Measured]) -> str:
    """For a terminal: one line for each cell, then what is wrong, then the totals."""
    rows = [HEAD, *map(_row, measured)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    lines = ["  ".join(_padded(row, widths)).rstrip() for row in rows]
    lines[1:1] = ["  ".join("-" * width for width in widths)]
    return "\n".join([*lines, "", *_complaints(measured), *(f"{name}: {value}" for name, value in totals(measured))])


def markdown(measured: Sequence[Measured]) -> str:
    """For the documentation: the totals, then a table for each leg."""
    lines = ["| figure | all | " + " | ".join(TITLES.values()) + " |", "|---|--:|" + "--:|" * len(TITLES)]
    columns = [totals(measured), *(totals([m for m in measured if m.cell.leg == leg]) for leg in TITLES)]
    for row in zip(*columns, strict=True):
        lines += [f"| {row[0][0]} | " + " | ".join(value for _, value in row) + " |"]
    for leg, title in TITLES.items():
        found = [m for m in measured if m.cell.leg == leg]
        lines += ["", f"### {title}", "", *_grid(found)] if found else []
    return "\n".join([*lines, "", *(f"- {line}" for line in _complaints(measured))]).rstrip() + "\n"


def placed(text: str, file: Path) -> str:
    """The text of `file` with the table in its place, or the table alone where there is no place for it."""
    before, begin, rest = (file.read_text(encoding="utf-8") if file.exists() else "").partition(BEGIN)
    _, end, after = rest.partition(END)
    return f"{before}{begin}\n{text}{end}{after}" if end else text


def totals(measured: Sequence[Measured]) -> list[tuple[str, str]]:
    """The figures that count."""
    counts = {
        "cells": len(measured),
        "wrong": sum(bool(m.wrong) for m in measured),
        "false OK": sum(m.false_ok for m in measured),
        "false alarms": sum(m.false_alarm for m in measured),
        "hangs": sum(m.hung for m in measured),
        "leaks": sum(bool(m.left) for m in measured),
    }
    seconds = [m.seconds for m in measured]
    return [
        *((name, str(count)) for name, count in counts.items()),
        ("longest check, seconds", f"{max(seconds, default=0):.1f}"),
        ("all checks, seconds", f"{sum(seconds):.0f}"),
    ]


def _grid(measured: Sequence[Measured]) -> Iterator[str]:
    """Stage by stage; faults that end the same way share a line."""
    yield "| stage | outcome | attempts | slowest, s | faults |"
    yield "|---|---|--:|--:|---|"
    groups: dict[tuple[str, str, str], list[Measured]] = {}
    for m in measured:
        _, stage, _, outcome, kind, at, tries, _, _ = _row(m)
        ending = f"{outcome}, `{kind}` at `{at}`" if kind else outcome
        groups.setdefault((stage, ending, tries), []).append(m)
    order = list(dict.fromkeys(m.cell.stage for m in measured))
    for (stage, ending, tries), found in sorted(groups.items(), key=lambda group: order.index(group[0][0])):
        faults = "; ".join(m.cell.fault + ("" if m.right else " **(wrong)**") for m in found)
        yield f"| {stage} | {ending} | {tries} | {max(m.seconds for m in found):.2f} | {faults} |"


def _row(m: Measured) -> tuple[str, ...]:
    """What was found, not what was expected: the last column says whether that is the same."""
    cell, found = (m.cell.leg, m.cell.stage, m.cell.fault), m.result
    seconds, verdict = f"{m.seconds:.2f}", "ok" if m.right else "WRONG"
    if found is None:
        return (*cell, "hang" if m.hung else "none", "", "", "", seconds, verdict)
    at = f"{found.leg}.{found.stage}" if found.leg else ""
    return (*cell, found.outcome.value, found.error_type or "", at, str(found.attempts), seconds, verdict)


def _padded(row: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    for name, value, width in zip(HEAD, row, widths, strict=True):
        yield value.rjust(width) if name in RIGHT_ALIGNED else value.ljust(width)


def _complaints(measured: Sequence[Measured]) -> Iterator[str]:
    for m in measured:
        if not m.right:
            yield f"{m.cell.name}: {'; '.join(m.wrong + m.left)}"
