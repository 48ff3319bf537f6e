"""What a history says, as plain rows of text that each form of it lays out and escapes in its own way. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from tasks.history.drift import Seen
from tasks.history.figures import Figures, Place
from tasks.history.formats import NONE, count, length, minute, percent, took
from tasks.history.svg.latency import PERCENTILES
from tasks.history.window import Window

Row = tuple[str, ...]
MOST_IN_SHORT = 10
OPEN = "still open"
MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)

OUTAGES: Row = ("from", "to", "lasted at most", "checks", "cause")
PLACES: Row = ("folder", "placement", "messages", "share", "first half", "second half", "first seen", "last seen")
OVERVIEW: Row = ("loop", "availability", *(f"p{name}" for name in PERCENTILES), "lost", "outages", "coverage")

MEANINGS = (
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


def in_short(history: Sequence[Figures], period: Window) -> str:
    """All loops in one line."""
    said = [f"{figures.loop} {percent(figures.availability)}" for figures in history[:MOST_IN_SHORT]]
    rest = f" and {count(len(history) - len(said), 'more loop')}" if len(history) > len(said) else ""
    return f"{period}: available {', '.join(said)}{rest}" if said else f"{period}: no checks"


def overview(figures: Figures) -> Row:
    """One loop in one row, under OVERVIEW."""
    return (
        figures.loop,
        percent(figures.availability),
        *(took(figures.delivery_percentile(name)) for name in PERCENTILES),
        str(figures.lost),
        str(len(figures.outages)),
        percent(figures.coverage),
    )


def facts(figures: Figures) -> list[tuple[str, str]]:
    """The figures of a loop, each in words."""
    judged, checks = len(figures.judged), len(figures.checks)
    times = ", ".join(f"p{name} {took(figures.delivery_percentile(name))}" for name in PERCENTILES)
    measured = f"{times} of {count(len(figures.delivery), 'message')}" if figures.delivery else "not measured"
    rows = [
        ("availability", f"{percent(figures.availability)}: mail got through in {figures.good:,} of {judged:,} checks"),
        ("coverage", f"{percent(figures.coverage)}: {judged:,} of {checks:,} checks say something about the mail"),
        ("delivery time", f"{measured}; {figures.lost:,} lost"),
        ("outages", outages_in_short(figures)),
        ("outcomes", counted(figures.outcomes.items())),
    ]
    if figures.without_verdict:
        rows.append(("no verdict", counted(figures.without_verdict.items())))
    if len(figures.places) > 1:
        rows.append(("placement", "; ".join(drift(place) for place in figures.places)))
    if figures.authentications:
        rows.append(("authentication", "; ".join(changed(one, one.value) for one in figures.authentications)))
    return rows


def outages_in_short(figures: Figures) -> str:
    if not figures.outages:
        return "none"
    still = ", the last still open" if figures.outages[-1].until is None else ""
    return f"{len(figures.outages)}, {lasted(figures.downtime)} in all at most{still}"


def outages(figures: Figures) -> list[Row]:
    """The outages in rows under OUTAGES, the latest first."""
    return [
        (
            ("before " if outage.open_start else "") + minute(outage.since),
            minute(outage.until) if outage.until else OPEN,
            lasted(outage.length(figures.window.end)),
            str(outage.checks),
            f"{outage.cause}: {outage.sentence}" if outage.sentence else outage.cause,
        )
        for outage in reversed(figures.outages)
    ]


def places(figures: Figures) -> list[Row]:
    """Where messages were found, in rows under PLACES."""
    return [
        (
            place.value[0],
            str(place.value[1]),
            f"{place.count:,}",
            percent(place.share),
            percent(place.earlier),
            percent(place.later),
            minute(place.first),
            minute(place.last),
        )
        for place in figures.places
    ]


def drift(place: Seen[Place]) -> str:
    """One place, with how its share has changed."""
    folder, placement = place.value
    return changed(place, f"{folder} ({placement})")


def changed(one: Seen[Any], name: str) -> str:
    """A value that was seen, with how its share has changed."""
    change = f"{percent(one.earlier)} in the first half of the period, {percent(one.later)} in the second"
    return f"{name} {percent(one.share)}, first seen {minute(one.first)} ({change})"


def lasted(time: timedelta) -> str:
    """The length of an outage; that of checks minutes apart is not known to the second."""
    if timedelta() < time < SECOND:
        return "< 1 s"
    return length(timedelta(minutes=round(time / MINUTE)) if time > 2 * MINUTE else time)


def counted(words: Iterable[tuple[str, int]]) -> str:
    """Words with how often each was said."""
    return ", ".join(f"{number:,} {word}" for word, number in words) or NONE


def checks(figures: Figures) -> str:
    return count(len(figures.checks), "check")
