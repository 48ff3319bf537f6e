"""The calendar of outcomes: what the checks found, hour by hour or, over many weeks, day by day."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from tasks.history.formats import counted
from tasks.history.window import Window
from tasks.mail.checks import Check
from tasks.mail.model.durations import MONTHS
from tasks.mail.model.outcome import Status

_HOURLY = timedelta(days=35)  # up to here a day has a row of hours
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


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
    grain = _DAY if by_day else _HOUR
    inside: dict[datetime, list[Check]] = defaultdict(list)
    for check in checks:
        inside[_floor(check.at, by_day)].append(check)
    first = _floor(min([window.start, *inside]), by_day)

    def cell(start: datetime) -> CalendarCell | None:
        if not first <= start <= window.end:
            return None
        outcomes = Counter(check.outcome for check in inside[start]) if start in inside else Counter[str]()
        return CalendarCell(start, _sign(inside.get(start, [])), tuple(outcomes.most_common()))

    midnight = _floor(first, True)
    if by_day:
        monday = midnight - _DAY * midnight.weekday()
        weeks = [monday + 7 * _DAY * number for number in range((window.end - monday) // (7 * _DAY) + 1)]
        return Calendar(
            True,
            tuple((day, tuple(cell(week + _DAY * number) for week in weeks)) for number, day in enumerate(_WEEKDAYS)),
            tuple(_month(week) for week in weeks),
        )
    days = [midnight + _DAY * number for number in range((window.end - midnight) // _DAY + 1)]
    return Calendar(
        False,
        tuple((f"{day:%Y-%m-%d}", tuple(cell(day + grain * hour) for hour in range(24))) for day in days),
        tuple(f"{hour:02}" for hour in range(24)),
    )


def _sign(checks: Sequence[Check]) -> Sign:
    statuses = {check.status for check in checks}
    signs = ((Status.ERROR, Sign.ERROR), (Status.WARNING, Sign.WARNING), (Status.OK, Sign.OK), (None, Sign.SILENT))
    return next((sign for status, sign in signs if status in statuses), Sign.EMPTY)


def _floor(moment: datetime, to_day: bool) -> datetime:
    whole = moment.replace(minute=0, second=0, microsecond=0)
    return whole.replace(hour=0) if to_day else whole


def _month(week: datetime) -> str:
    """The name of a month over the first week that begins in it."""
    return MONTHS[week.month - 1] if week.day <= 7 else ""
