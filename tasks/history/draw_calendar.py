"""A picture of the calendar of outcomes."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from html import escape

from tasks.history.calendar import SIGN_MEANINGS, CalendarCell, Sign, calendar
from tasks.history.figures import Figures
from tasks.history.formats import minute
from tasks.mail.report.svg import ground

LEFT, TOP, WIDE = 92, 82, 692
_LARGEST, _GAP = 28, 3
_MAX_DESCRIBED = 40
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def draw_calendar(figures: Figures, tooltips: bool = True) -> str:
    """The picture, a whole SVG document; with `tooltips` each cell says what happened in it."""
    table = calendar(figures.checks, figures.window)
    pitch = min(float(_LARGEST + 0.8), WIDE / len(table.columns))
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
            ground.label(LEFT + (n + 0.5) * pitch - _GAP / 2, TOP - 8, name, "soft", "middle")
            for n, name in enumerate(table.columns)
            if name and not table.by_day
        ),
        *(
            ground.label(LEFT + n * pitch, TOP - 8, name)
            for n, name in enumerate(table.columns)
            if name and table.by_day
        ),
        *(
            ground.label(LEFT - 10, TOP + row * high + high / 2 + 3, name, anchor="end")
            for row, (name, _) in enumerate(table.rows)
        ),
        *_marks(cells, pitch - _GAP, high - _GAP),
        *(_tooltips(cells, pitch - _GAP, high - _GAP) if tooltips else ()),
        *_legend(bottom + 26),
    ]
    window = figures.window
    about = f"the worst of each {'day' if table.by_day else 'hour'}, {window}"
    return ground.card(f"Outcomes: {figures.loop}", about, _description(cells, table.by_day), bottom + 44, parts)


def _marks(cells: Iterable[tuple[float, float, CalendarCell]], width: float, height: float) -> Iterable[str]:
    """All cells with one mark are one path, and their signs another."""
    boxes: dict[Sign, list[str]] = defaultdict(list)
    signs: dict[Sign, list[str]] = defaultdict(list)
    shapes = {
        Sign.WARNING: ground.exclamation,
        Sign.ERROR: ground.cross,
        Sign.SILENT: ground.question,
        Sign.EMPTY: ground.dot,
    }
    for x, y, cell in cells:
        boxes[cell.sign].append(ground.box(x, y, width, height))
        if (shape := shapes.get(cell.sign)) and width > 8:
            signs[cell.sign].append(shape(x + width / 2, y + height / 2))
    for sign, role in ((Sign.OK, "ok"), (Sign.WARNING, "warning"), (Sign.ERROR, "error")):
        yield ground.fills(boxes[sign], f"{role}-cell")
        yield ground.strokes(boxes[sign], role, 1)
        yield ground.strokes(signs[sign], f"on-{role}", 2)
    yield ground.strokes(boxes[Sign.SILENT], "silent", 1, 'stroke-dasharray="2 2.5"')
    yield ground.strokes(signs[Sign.SILENT], "silent", 1.4)
    yield ground.strokes(signs[Sign.EMPTY], "silent", 2)


def _tooltips(cells: Iterable[tuple[float, float, CalendarCell]], width: float, height: float) -> Iterable[str]:
    for x, y, cell in cells:
        if cell.sign is not Sign.EMPTY:
            yield (
                f'<rect x="{ground.pixels(x)}" y="{ground.pixels(y)}" width="{ground.pixels(width)}" '
                f'height="{ground.pixels(height)}" fill-opacity="0">'
                f"<title>{escape(f'{minute(cell.start)} UTC: {cell.text}')}</title></rect>"
            )


def _legend(y: float) -> Iterable[str]:
    x = float(LEFT)
    for sign, meaning in SIGN_MEANINGS.items():
        yield from _marks([(x, y - 9, CalendarCell(_EPOCH, sign, ()))], 18, 18)
        yield ground.label(x + 24, y + 4, meaning)
        x += 24 + 7 * len(meaning) + 20


def _description(cells: Iterable[tuple[float, float, CalendarCell]], by_day: bool) -> str:
    unit = "day" if by_day else "hour"
    bad = [f"{minute(cell.start)}: {cell.text}" for _, _, cell in cells if cell.sign in (Sign.WARNING, Sign.ERROR)]
    if not bad:
        return f"No {unit} with a warning or an error."
    shown = "; ".join(bad[:_MAX_DESCRIBED])
    return f"Each {unit} with a warning or an error: {shown}" + ("; and more." if len(bad) > _MAX_DESCRIBED else ".")
