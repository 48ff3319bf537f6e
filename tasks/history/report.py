"""What a history says of each loop, and the two reports of it: an artifact in Prefect, and a page in a file."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Any

from tasks.history.calendar import draw_calendar
from tasks.history.draw_latency import PERCENTILES, draw_latency
from tasks.history.figures import Figures, FoundIn, Observed, Window
from tasks.history.formats import NONE, counted, measured, minute, percent
from tasks.mail.model.durations import in_units
from tasks.mail.report.document import (
    Block,
    Cells,
    Heading,
    Link,
    Listing,
    Note,
    Paragraph,
    Picture,
    Strong,
    Table,
    Tiles,
    section,
)
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
    blocks: list[Block] = [Paragraph(Strong(str(period))), *_overview(history)]
    for figures in history:
        blocks += [
            Heading(figures.loop, 2),
            Table(("", ""), loop_facts(figures)),
            Picture("Delivery times", draw_latency(figures)),
            Picture("Calendar of outcomes", draw_calendar(figures, tooltips=False)),
            *_details(figures),
        ]
    return as_markdown([*blocks, Heading("What the figures mean"), Listing(_MEANINGS)])


def history_html(history: Sequence[Figures], period: Window) -> str:
    """The page: the same with the figures of each loop at a glance, in one file that needs nothing beside it."""
    blocks: list[Block] = [Note(str(period)), *_overview(history, Heading("All loops", 2))]
    for number, figures in enumerate(history):
        known = [row for row in loop_facts(figures) if row[0] in ("outcomes", "no verdict")]
        blocks += [
            Heading(figures.loop, 2, f"loop-{number}"),
            _tiles(figures),
            Picture("Delivery times", draw_latency(figures)),
            Picture("Calendar of outcomes", draw_calendar(figures)),
            *_details(figures),
            Heading("Checks"),
            Listing(known),
        ]
    return as_html("Mail Loop Check: history", [*blocks, Heading("What the figures mean", 2), Listing(_MEANINGS)])


def in_short(history: Sequence[Figures], period: Window) -> str:
    """All loops in one line."""
    known = [f"{figures.loop} {percent(figures.availability)}" for figures in history[:_MAX_IN_SHORT]]
    rest = f" and {counted(len(history) - len(known), 'more loop')}" if len(history) > len(known) else ""
    return f"{period}: available {', '.join(known)}{rest}" if known else f"{period}: no checks"


def _overview(history: Sequence[Figures], *heading: Block) -> Iterator[Block]:
    """All loops in one table, where there are several; in a page each name leads to its part."""
    if not history:
        yield Paragraph("No check was found in this period.")
    if len(history) < 2:
        return
    yield from heading
    percentiles = [f"p{name}" for name in PERCENTILES]
    head = ("loop", "availability", *percentiles, "lost", "outages", "coverage")
    rows: list[Cells] = [
        (
            Link(figures.loop, f"#loop-{number}"),
            percent(figures.availability),
            *(measured(figures.delivery_percentile(name)) for name in PERCENTILES),
            str(figures.lost),
            str(len(figures.outages)),
            percent(figures.coverage),
        )
        for number, figures in enumerate(history)
    ]
    yield Table(head, rows, ("text", *["number"] * (len(head) - 1)))


def _details(figures: Figures) -> list[Block]:
    head: Cells = ("from", "to", "lasted at most", "checks", "cause")
    outages = Table(head, outage_rows(figures), ("when", "when", "number", "number", "wide"))
    head = ("folder", "placement", "messages", "share", "first half", "second half", "first seen", "last seen")
    kinds = ("text", "text", "number", "number", "number", "number", "when", "when")
    folders = Table(head, [_folder(place) for place in figures.places], kinds)
    return [*section("Outages", outages), *section("Where messages were found", folders)]


def _tiles(figures: Figures) -> Tiles:
    p50, *higher = (measured(figures.delivery_percentile(name)) for name in PERCENTILES)
    rest = [f"p{name} {value}" for name, value in zip(PERCENTILES[1:], higher, strict=True)]
    open_now = bool(figures.outages) and figures.outages[-1].until is None
    down = [f"{lasted(figures.downtime)} at most"] if figures.outages else []
    judged, checks = len(figures.judged), len(figures.checks)
    return Tiles(
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
    """Words with how often each was said."""
    return ", ".join(f"{number:,} {word}" for word, number in words) or NONE
