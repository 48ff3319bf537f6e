"""The calendar of outcomes, and its picture: what the checks found, hour by hour or, over many weeks, day by day."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from html import escape

from tasks.history.figures import Figures, Window
from tasks.history.formats import counted, minute
from tasks.mail.checks import Check
from tasks.mail.model.durations import MONTHS
from tasks.mail.model.outcome import Status
from tasks.mail.report.svg import ground

_HOURLY = timedelta(days=35)  # up to here a day has a row of hours
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

LEFT, TOP, WIDE = 92, 82, 692
_LARGEST, _GAP = 28, 3
_MAX_DESCRIBED = 40
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Sign(StrEnum):
    """What is said of an hour or a day: the worst that its checks found. The value is its sign in a text."""

    OK = "·"
    WARNING = "!"
    ERROR = "x"
    SILENT = "?"
    EMPTY = " "


SIGN_MEANINGS = {
    Sign.OK: "mail gets through",
    Sign.WARNING: "a warning",
    Sign.ERROR: "mail does not get through",
    Sign.SILENT: "no verdict",
    Sign.EMPTY: "no check",
}
# The worst first.
_SIGNS = ((Status.ERROR, Sign.ERROR), (Status.WARNING, Sign.WARNING), (Status.OK, Sign.OK), (None, Sign.SILENT))


@dataclass(frozen=True, slots=True)
class CalendarCell:
    """An hour or a day, UTC."""

    start: datetime
    sign: Sign
    outcomes: tuple[tuple[str, int], ...]

    @property
    def text(self) -> str:
        """What happened in it, in words."""
        checks = sum(number for _, number in self.outcomes)
        return f"{counted(checks, 'check')}: {', '.join(f'{number} {outcome}' for outcome, number in self.outcomes)}"


@dataclass(frozen=True, slots=True)
class Calendar:
    """Rows of cells: a row is a day of hours, or, where `by_day`, a weekday over the weeks. None: not in the period."""

    by_day: bool
    rows: tuple[tuple[str, tuple[CalendarCell | None, ...]], ...]
    columns: tuple[str, ...]


def calendar(checks: Sequence[Check], window: Window) -> Calendar:
    """The calendar of one loop's checks."""
    by_day = window.length > _HOURLY
    inside: dict[datetime, list[Check]] = defaultdict(list)
    for check in checks:
        inside[_floor(check.at, by_day)].append(check)
    first = _floor(min([window.start, *inside]), by_day)

    def cell(start: datetime) -> CalendarCell | None:
        if not first <= start <= window.end:
            return None
        found = inside.get(start, [])
        worst = next((sign for status, sign in _SIGNS if any(check.status is status for check in found)), Sign.EMPTY)
        return CalendarCell(start, worst, tuple(Counter(check.outcome for check in found).most_common()))

    midnight = _floor(first, True)
    if by_day:
        monday = midnight - _DAY * midnight.weekday()
        weeks = [monday + 7 * _DAY * number for number in range((window.end - monday) // (7 * _DAY) + 1)]
        rows = [(day, [week + _DAY * number for week in weeks]) for number, day in enumerate(_WEEKDAYS)]
        # The name of a month is over the first week that begins in it.
        columns = [MONTHS[week.month - 1] if week.day <= 7 else "" for week in weeks]
    else:
        days = [midnight + _DAY * number for number in range((window.end - midnight) // _DAY + 1)]
        rows = [(f"{day:%Y-%m-%d}", [day + _HOUR * hour for hour in range(24)]) for day in days]
        columns = [f"{hour:02}" for hour in range(24)]
    return Calendar(by_day, tuple((name, tuple(map(cell, starts))) for name, starts in rows), tuple(columns))


def _floor(moment: datetime, to_day: bool) -> datetime:
    whole = moment.replace(minute=0, second=0, microsecond=0)
    return whole.replace(hour=0) if to_day else whole


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
            ground.label(LEFT + n * pitch, TOP - 8, name)
            if table.by_day
            else ground.label(LEFT + (n + 0.5) * pitch - _GAP / 2, TOP - 8, name, anchor="middle")
            for n, name in enumerate(table.columns)
            if name
        ),
        *(
            ground.label(LEFT - 10, TOP + row * high + high / 2 + 3, name, anchor="end")
            for row, (name, _) in enumerate(table.rows)
        ),
        *_marks(cells, pitch - _GAP, high - _GAP),
        *(_tooltip(x, y, cell, pitch - _GAP, high - _GAP) for x, y, cell in cells if tooltips and cell.outcomes),
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


def _tooltip(x: float, y: float, cell: CalendarCell, width: float, height: float) -> str:
    place = f'x="{ground.pixels(x)}" y="{ground.pixels(y)}"'
    size = f'width="{ground.pixels(width)}" height="{ground.pixels(height)}"'
    title = escape(f"{minute(cell.start)} UTC: {cell.text}")
    return f'<rect {place} {size} fill-opacity="0"><title>{title}</title></rect>'


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
