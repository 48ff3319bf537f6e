"""One loop, checked from several places: what their last results show together, and a table of it.

Nothing is compared that is not of the same time. That a loop fails only from one place is said when it got through
from each other one after a failure there and before the next one: an outage of all that has just begun, or just ended,
looks the same until then. All times are those at which the server learnt of a result: no clock of a place counts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from tasks.correlation.sentences import names
from tasks.correlation.tables import SIGNS
from tasks.mail.config.fleet import seen_from
from tasks.mail.model.durations import duration
from tasks.mail.model.outcome import ErrorType, Outcome, Status
from tasks.mail.model.result import LoopResult
from tasks.mail.report.document import Block, Inline, Link, Listing, Own, Paragraph, Strong, Table
from tasks.mail.report.formats import as_markdown

_MARGIN = timedelta(minutes=2)  # for a late start, the sending with its retries, and the way to the server


class Says(StrEnum):
    """What a result, or a place, says of a loop."""

    GOOD = "good"
    BAD = "bad"
    NOTHING = "nothing"  # the check did not take place, or broke
    SILENT = "silent"  # there is no check


@dataclass(frozen=True, slots=True)
class PlaceResult:
    """One result, and when the server learnt of it."""

    at: datetime
    result: LoopResult

    @property
    def says(self) -> Says:
        outcome = self.result.outcome
        if outcome in (Outcome.SKIPPED, Outcome.MISCONFIGURED) or self.result.error_type is ErrorType.UNEXPECTED:
            return Says.NOTHING
        return Says.BAD if self.result.status is Status.ERROR else Says.GOOD


@dataclass(frozen=True, slots=True)
class Watched:
    """How a loop is checked: from where, how often, and how long a check may wait."""

    loop: str
    places: tuple[str, ...]
    every: timedelta
    longest: timedelta

    @property
    def silence(self) -> timedelta:
        """How old the last result of a place may be: one check may fail to take place, two may not."""
        return 2 * self.every + self.longest + _MARGIN

    @property
    def window(self) -> timedelta:
        """How far back there is anything to see."""
        return self.silence + 2 * self.every


@dataclass(frozen=True, slots=True)
class Together:
    """What the places show of one loop. `differs`: it fails only from some of them, which is proved."""

    watched: Watched
    last: Mapping[str, PlaceResult | None]
    says: Mapping[str, Says]
    differs: bool
    text: str | None


def compare_places(watched: Watched, seen: Mapping[str, Sequence[PlaceResult]], now: datetime) -> Together:
    """Judge the results of each place, the oldest first. `text` is None where all is well."""
    recent = {place: [one for one in seen.get(place, ()) if one.at > now - watched.window] for place in watched.places}
    last: dict[str, PlaceResult | None] = {}
    says: dict[str, Says] = {}
    for place, results in recent.items():
        young = [one for one in results if one.at > now - watched.silence]
        judged = [one for one in young if one.says is not Says.NOTHING]
        last[place] = judged[-1] if judged else young[-1] if young else None
        says[place] = judged[-1].says if judged else Says.NOTHING if young else Says.SILENT
    by = {kind: [place for place in watched.places if says[place] is kind] for kind in Says}
    pairs = [(bad, good) for bad in by[Says.BAD] for good in by[Says.GOOD]]
    differs = bool(pairs) and all(_proved(recent[bad], recent[good]) for bad, good in pairs)
    return Together(watched, last, says, differs, _text(watched.loop, by, last, differs))


def _proved(bad: Sequence[PlaceResult], good: Sequence[PlaceResult]) -> bool:
    """Whether the other place was good, and never bad, between two failures that follow each other."""
    streak: list[PlaceResult] = []
    for one in bad:
        if one.says is not Says.NOTHING:
            streak = [*streak, one] if one.says is Says.BAD else []
    if len(streak) < 2:
        return False
    between = [one.says for one in good if streak[0].at < one.at < streak[-1].at]
    return Says.GOOD in between and Says.BAD not in between


def _text(
    loop: str, by: Mapping[Says, Sequence[str]], last: Mapping[str, PlaceResult | None], differs: bool
) -> str | None:
    bad, good = by[Says.BAD], by[Says.GOOD]
    are = "is" if len(by[Says.SILENT]) == 1 else "are"
    quiet = [f"{names(by[Says.SILENT])} {are} silent"] if by[Says.SILENT] else []
    quiet += [f"the checks from {names(by[Says.NOTHING])} say nothing"] if by[Says.NOTHING] else []
    outcomes = names(str(one.result.outcome) for place in bad if (one := last[place]))
    if not bad:
        return f"{loop}: {'; '.join(quiet)}" if quiet else None
    if differs:
        said = f"fails only from {names(bad)} ({outcomes}), while it gets through from {names(good)}"
    elif good:
        said = f"fails from {names(bad)} ({outcomes}); whether only from there, the next checks tell"
    elif len(bad) > 1:
        said = f"fails from {names(bad)} ({outcomes}), and gets through from nowhere"
    else:
        said = f"fails from {names(bad)} ({outcomes}), and nowhere else is anything known"
    return f"{loop}: {'; '.join([said, *quiet])}"


def places_in_short(found: Sequence[Together]) -> str:
    """One sentence on all of them: what is proved first."""
    texts = [one.text for one in sorted(found, key=lambda one: not one.differs) if one.text]
    return "; ".join(texts) or f"{len(found)} loop{'s' if len(found) != 1 else ''} alike from everywhere"


def places_markdown(found: Sequence[Together], now: datetime) -> str:
    """The artifact: the sentences, then a row for each loop and a column for each place."""
    places = list(dict.fromkeys(place for one in found for place in one.watched.places))
    texts = [("", one.text) for one in sorted(found, key=lambda one: not one.differs) if one.text]
    head: Block = Listing(texts) if texts else Paragraph("All loops are alike from everywhere.")
    rows = [
        (Strong(one.watched.loop), *(_cell(one, place, now) for place in places))
        for one in sorted(found, key=lambda one: (one.text is None, one.watched.loop))
    ]
    return as_markdown([head, Table(("loop / from", *places), rows)])


def _cell(found: Together, place: str, now: datetime) -> Inline:
    if place not in found.watched.places:
        return "not from here"
    last = found.last[place]
    if last is None or found.says[place] is Says.SILENT:
        return "silent"
    link = Link(str(last.result.outcome), f"/v2/artifacts/key/mail-loop-{seen_from(found.watched.loop, place)}")
    age = duration(max(0.0, (now - last.at).total_seconds()))
    return (Own(f"{SIGNS[last.result.status]} "), link, Own(f", {age} ago"))
