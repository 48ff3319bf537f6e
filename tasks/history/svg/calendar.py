"""A picture of the calendar of outcomes. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from html import escape

from tasks.history.calendar import MEANINGS, Cell, Mark, calendar
from tasks.history.figures import Figures
from tasks.history.formats import minute
from tasks.history.svg import card

LEFT, TOP, WIDE = 92, 82, 692
LARGEST, GAP = 28, 3
MOST_DESCRIBED = 40
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def grid(figures: Figures, tooltips: bool = True) -> str:
    """The picture, a whole SVG document; with `tooltips` each cell says what happened in it."""
    table = calendar(figures.checks, figures.window)
    pitch = min(float(LARGEST + 0.8), WIDE / len(table.columns))
    high = 22.0 if pitch > 22 else pitch
    cells = [
        (LEFT + column * pitch, TOP + row * high, cell)
        for row, (_, line) in enumerate(table.rows)
        for column, cell in enumerate(line)
        if cell is not None
    ]
    bottom = TOP + len(table.rows) * high
    parts = [
        *(
            card.text(LEFT + (n + 0.5) * pitch - GAP / 2, TOP - 8, name, "soft", "middle")
            for n, name in enumerate(table.columns)
            if name and not table.by_day
        ),
        *(card.text(LEFT + n * pitch, TOP - 8, name) for n, name in enumerate(table.columns) if name and table.by_day),
        *(
            card.text(LEFT - 10, TOP + row * high + high / 2 + 3, name, anchor="end")
            for row, (name, _) in enumerate(table.rows)
        ),
        *_marks(cells, pitch - GAP, high - GAP),
        *(_tooltips(cells, pitch - GAP, high - GAP) if tooltips else ()),
        *_legend(bottom + 26),
    ]
    window = figures.window
    about = f"the worst of each {'day' if table.by_day else 'hour'}, {window}"
    return card.card(f"Outcomes: {figures.loop}", about, _description(cells, table.by_day), bottom + 44, parts)


def _marks(cells: Iterable[tuple[float, float, Cell]], width: float, height: float) -> Iterable[str]:
    """All cells with one mark are one path, and their signs another."""
    boxes: dict[Mark, list[str]] = defaultdict(list)
    signs: dict[Mark, list[str]] = defaultdict(list)
    shapes = {Mark.WARNING: card.exclamation, Mark.ERROR: card.cross, Mark.SILENT: card.question, Mark.EMPTY: card.dot}
    for x, y, cell in cells:
        boxes[cell.mark].append(card.box(x, y, width, height))
        if (shape := shapes.get(cell.mark)) and width > 8:
            signs[cell.mark].append(shape(x + width / 2, y + height / 2))
    yield card.fills(boxes[Mark.OK], "ok-cell")
    yield card.strokes(boxes[Mark.OK], "ok", 1)
    yield card.fills(boxes[Mark.WARNING], "warning-cell")
    yield card.strokes(boxes[Mark.WARNING], "warning", 1)
    yield card.strokes(signs[Mark.WARNING], "on-warning", 2)
    yield card.fills(boxes[Mark.ERROR], "error-cell")
    yield card.strokes(boxes[Mark.ERROR], "error", 1)
    yield card.strokes(signs[Mark.ERROR], "on-error", 2)
    yield card.strokes(boxes[Mark.SILENT], "silent", 1, 'stroke-dasharray="2 2.5"')
    yield card.strokes(signs[Mark.SILENT], "silent", 1.4)
    yield card.strokes(signs[Mark.EMPTY], "silent", 2)


def _tooltips(cells: Iterable[tuple[float, float, Cell]], width: float, height: float) -> Iterable[str]:
    for x, y, cell in cells:
        if cell.mark is not Mark.EMPTY:
            yield (
                f'<rect x="{card.number(x)}" y="{card.number(y)}" width="{card.number(width)}" '
                f'height="{card.number(height)}" fill-opacity="0">'
                f"<title>{escape(f'{minute(cell.start)} UTC: {cell.text}')}</title></rect>"
            )


def _legend(y: float) -> Iterable[str]:
    x = float(LEFT)
    for mark, meaning in MEANINGS.items():
        yield from _marks([(x, y - 9, _example(mark))], 18, 18)
        yield card.text(x + 24, y + 4, meaning)
        x += 24 + 7 * len(meaning) + 20


def _example(mark: Mark) -> Cell:
    return Cell(EPOCH, mark, ())


def _description(cells: Iterable[tuple[float, float, Cell]], by_day: bool) -> str:
    unit = "day" if by_day else "hour"
    bad = [f"{minute(cell.start)}: {cell.text}" for _, _, cell in cells if cell.mark in (Mark.WARNING, Mark.ERROR)]
    if not bad:
        return f"No {unit} with a warning or an error."
    shown = "; ".join(bad[:MOST_DESCRIBED])
    return f"Each {unit} with a warning or an error: {shown}" + ("; and more." if len(bad) > MOST_DESCRIBED else ".")
