"""What a history says of each loop: as text for a terminal, as an artifact in Prefect, and as a page in a file."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from tasks.history.calendar import SIGN_MEANINGS, Calendar, Sign, calendar, draw_calendar
from tasks.history.draw_latency import PERCENTILES, draw_latency
from tasks.history.figures import Figures, FoundIn, Observed, Window, percentile
from tasks.history.formats import NONE, counted, measured, minute, percent
from tasks.mail.model.durations import in_units
from tasks.mail.model.safe_text import one_line
from tasks.mail.report import document as doc
from tasks.mail.report.formats import as_html, as_markdown

_MAX_IN_SHORT = 10
STILL_OPEN = "still open"
_MINUTE, _SECOND = timedelta(minutes=1), timedelta(seconds=1)

_MEANINGS = (
    ("availability", "ok and warning among the checks that say something about the mail."),
    (
        "coverage",
        "the checks that say something about the mail among all that ran or should have run. The others, such as an "
        "unreadable mailbox, a wrong configuration or a crash, neither raise nor lower the availability.",
    ),
    (
        "p50, p95, p99",
        "the delivery time that so many per cent of the messages that arrived did not exceed (nearest rank). "
        "Lost messages have none and are counted by themselves.",
    ),
    (
        "outage",
        "consecutive checks that found an error, from the first of them to the first good one after; "
        "its cause is the most frequent one among them.",
    ),
)


def history_markdown(history: Sequence[Figures], period: Window) -> str:
    """The artifact: all loops in one table, then each with its pictures."""
    return as_markdown(_blocks(history, period, page=False))


def history_html(history: Sequence[Figures], period: Window) -> str:
    """The page: the same with the figures of each loop at a glance, in one file that needs nothing beside it."""
    return as_html("Mail Loop Check: history", _blocks(history, period, page=True))


def _blocks(history: Sequence[Figures], period: Window, *, page: bool) -> Iterator[doc.Block]:
    yield doc.Note(str(period)) if page else doc.Paragraph(doc.Strong(str(period)))
    if not history:
        yield doc.Paragraph("No check was found in this period.")
    if len(history) > 1:
        if page:
            yield doc.Heading("All loops", 2)
        yield _overview(history)
    for number, figures in enumerate(history):
        known = loop_facts(figures)
        yield doc.Heading(figures.loop, 2, f"loop-{number}")
        yield _tiles(figures) if page else doc.Table(("", ""), known)
        yield doc.Picture("Delivery times", draw_latency(figures))
        yield doc.Picture("Calendar of outcomes", draw_calendar(figures, tooltips=page))
        yield from _details(figures)
        if page:
            yield doc.Heading("Checks")
            yield doc.Listing([row for row in known if row[0] in ("outcomes", "no verdict")])
    yield doc.Heading("What the figures mean", 2 if page else 3)
    yield doc.Listing(_MEANINGS)


def in_short(history: Sequence[Figures], period: Window) -> str:
    """All loops in one line."""
    known = [f"{figures.loop} {percent(figures.availability)}" for figures in history[:_MAX_IN_SHORT]]
    rest = f" and {counted(len(history) - len(known), 'more loop')}" if len(history) > len(known) else ""
    return f"{period}: available {', '.join(known)}{rest}" if known else f"{period}: no checks"


def _overview(history: Sequence[Figures]) -> doc.Table:
    """All loops in one table; in a page each name leads to its part."""
    percentiles = [f"p{name}" for name in PERCENTILES]
    head = ("loop", "availability", *percentiles, "lost", "outages", "coverage")
    rows: list[doc.Cells] = [
        (
            doc.Link(figures.loop, f"#loop-{number}"),
            percent(figures.availability),
            *(measured(figures.delivery_percentile(name)) for name in PERCENTILES),
            str(figures.lost),
            str(len(figures.outages)),
            percent(figures.coverage),
        )
        for number, figures in enumerate(history)
    ]
    return doc.Table(head, rows, ("text", *["number"] * (len(head) - 1)))


def _details(figures: Figures) -> list[doc.Block]:
    head: doc.Cells = ("from", "to", "lasted at most", "checks", "cause")
    outages = doc.Table(head, outage_rows(figures), ("when", "when", "number", "number", "wide"))
    head = ("folder", "placement", "messages", "share", "first half", "second half", "first seen", "last seen")
    kinds = ("text", "text", "number", "number", "number", "number", "when", "when")
    folders = doc.Table(head, [_folder(place) for place in figures.places], kinds)
    return [*doc.section("Outages", outages), *doc.section("Where messages were found", folders)]


def _tiles(figures: Figures) -> doc.Tiles:
    p50, *higher = (measured(figures.delivery_percentile(name)) for name in PERCENTILES)
    rest = [f"p{name} {value}" for name, value in zip(PERCENTILES[1:], higher, strict=True)]
    open_now = bool(figures.outages) and figures.outages[-1].until is None
    down = [f"{lasted(figures.downtime)} at most"] if figures.outages else []
    judged, checks = len(figures.judged), len(figures.checks)
    return doc.Tiles(
        (
            ("availability", percent(figures.availability), [f"{figures.good:,} of {judged:,} checks"], False),
            ("median delivery time", p50, [*rest, f"{figures.lost:,} lost"], False),
            ("outages", f"{len(figures.outages):,}", ["one still open"] * open_now + down, open_now),
            ("coverage", percent(figures.coverage), [f"{checks - judged:,} without verdict"], False),
        )
    )


def loop_facts(figures: Figures) -> list[tuple[str, str]]:
    """The figures of a loop, each in words."""
    judged, checks = len(figures.judged), len(figures.checks)
    times = ", ".join(f"p{name} {measured(figures.delivery_percentile(name))}" for name in PERCENTILES)
    still = ", the last still open" if figures.outages and figures.outages[-1].until is None else ""
    outages = f"{len(figures.outages)}, {lasted(figures.downtime)} in all at most{still}" if figures.outages else "none"
    delivery = f"{times} of {counted(len(figures.delivery), 'message')}" if figures.delivery else "not measured"
    rows = [
        ("availability", f"{percent(figures.availability)}: mail got through in {figures.good:,} of {judged:,} checks"),
        ("coverage", f"{percent(figures.coverage)}: {judged:,} of {checks:,} checks say something about the mail"),
        ("delivery time", f"{delivery}; {figures.lost:,} lost"),
        ("outages", outages),
        ("outcomes", _counted(figures.outcomes.items())),
    ]
    if figures.without_verdict:
        rows.append(("no verdict", _counted(figures.without_verdict.items())))
    if len(figures.places) > 1:
        rows.append(("placement", "; ".join(_change(one, "{} ({})".format(*one.value)) for one in figures.places)))
    if figures.authentications:
        rows.append(("authentication", "; ".join(_change(one, one.value) for one in figures.authentications)))
    return rows


def outage_rows(figures: Figures) -> list[tuple[str, str, str, str, str]]:
    """Of each outage when it began and ended, how long it lasted, its checks and its cause; the latest first."""
    return [
        (
            ("before " if outage.open_start else "") + minute(outage.since),
            minute(outage.until) if outage.until else STILL_OPEN,
            lasted(outage.length(figures.window.end)),
            str(outage.checks),
            f"{outage.cause}: {outage.sentence}" if outage.sentence else outage.cause,
        )
        for outage in reversed(figures.outages)
    ]


def _folder(place: Observed[FoundIn]) -> tuple[str, ...]:
    shares = map(percent, (place.share, place.earlier, place.later))
    return (place.value[0], str(place.value[1]), f"{place.count:,}", *shares, minute(place.first), minute(place.last))


def _change(one: Observed[Any], name: str) -> str:
    """A value that was seen, with how its share has changed."""
    change = f"{percent(one.earlier)} in the first half of the period, {percent(one.later)} in the second"
    return f"{name} {percent(one.share)}, first seen {minute(one.first)} ({change})"


def lasted(time: timedelta) -> str:
    """The length of an outage; that of checks minutes apart is not known to the second."""
    if timedelta() < time < _SECOND:
        return "< 1 s"
    return in_units(60 * round(time / _MINUTE) if time > 2 * _MINUTE else time.total_seconds())


def _counted(words: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{number:,} {word}" for word, number in words) or NONE


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
    days: dict[str, list[float]] = defaultdict(list)
    for check in figures.judged:
        if check.delivery_seconds is not None:
            days[f"{check.at:%Y-%m-%d}"].append(check.delivery_seconds)
    return {day: f"  p50 {measured(percentile(of, 50))}, longest {measured(max(of))}" for day, of in days.items()}


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
