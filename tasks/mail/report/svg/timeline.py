"""What the picture of a run shows: bars for what took time, and marks for moments and limits."""

from dataclasses import dataclass, replace
from typing import Literal

from tasks.mail.config.loop import Limits
from tasks.mail.model.durations import clamp, duration
from tasks.mail.model.journey_record import JourneyRecord
from tasks.mail.model.outcome import Leg, Outcome, Status
from tasks.mail.model.result import LoopResult
from tasks.mail.report.svg.bars import HOPS, LANES, Bar, earlier_tries, hop_bars, last_try, sending_bars

MAX_HOPS_DRAWN = 12  # a message may claim to have had any number
_MAX_BARS_IN_A_ROW = 40
_NEAR = 1.25  # a limit is drawn up to this share of the total; one beyond it would squeeze the rest
_SLOW_SECONDS, _SLOW_SHARE = 1.0, 0.3  # a step is called slow when it takes both


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment, or a limit, in seconds since the first attempt began."""

    at: float
    label: str
    kind: Literal["moment", "limit"] = "moment"


@dataclass(frozen=True, slots=True)
class Timeline:
    """A run as a picture shows it. `total`: seconds from the first attempt to the end of the check.

    `failed`: the leg that did, where that is known.
    """

    title: str
    bars: tuple[Bar, ...]
    marks: tuple[Mark, ...]
    total: float
    failed: str | None = None

    @property
    def end(self) -> float:
        """Where the picture ends: behind everything that happened, and behind a limit that is near."""
        happened = [self.total, *(bar.end for bar in self.bars), *(m.at for m in self.marks if m.kind == "moment")]
        last = max(map(clamp, happened))
        return max([last, *(clamp(m.at) for m in self.marks if m.kind == "limit" and clamp(m.at) <= last * _NEAR)])

    @property
    def inside(self) -> list[Mark]:
        """The marks that the picture reaches, from left to right."""
        return sorted((mark for mark in self.marks if clamp(mark.at) <= self.end), key=lambda mark: mark.at)

    @property
    def beyond(self) -> list[Mark]:
        """The limits that are too far away to be drawn."""
        return sorted((mark for mark in self.marks if clamp(mark.at) > self.end), key=lambda mark: mark.at)

    @property
    def rows(self) -> list[list[Bar]]:
        """The bars by row: what follows one another shares one, but each hop has its own."""
        rows: list[list[Bar]] = []
        for bar in sorted(self.bars, key=lambda bar: list(LANES).index(bar.lane)):
            last = rows[-1][-1] if rows else None
            follows = last is not None and last.lane == bar.lane != HOPS and bar.start >= last.end
            if follows and len(rows[-1]) < _MAX_BARS_IN_A_ROW:
                rows[-1].append(bar)
            else:
                rows.append([bar])
        return rows

    @property
    def foremost(self) -> Bar | None:
        """What a reader should look at: what failed at the end, else what took longest.

        Waiting for a message whose hops are known is explained by them.
        """
        ends = [bar for bar in self.bars if self.failed in (None, bar.lane)]
        last = max(ends, key=lambda bar: bar.end, default=None)
        if last is not None and last.kind == "failed":
            return last
        hops = any(bar.lane == HOPS for bar in self.bars)
        bars = [bar for bar in self.bars if not (hops and bar.lane == Leg.RECEIVING and bar.kind == "waiting")]
        return max(bars, key=lambda bar: bar.seconds, default=None)

    @property
    def headline(self) -> str:
        """The picture in one line: how long it took, and what took longest or failed."""
        if (bar := self.foremost) is None:
            return "nothing was sent"
        if bar.kind == "failed":
            return f"{duration(self.total)} in all; failed: {bar.name}, {bar.text}"
        word = "longest" if bar.kind == "waiting" else "slowest"
        return f"{duration(self.total)} in all; {word}: {bar.name} {bar.text}"


def timeline_of(result: LoopResult, limits: Limits | None = None) -> Timeline:
    """The timeline of a check; without `limits`, as an inbound one has none, none is drawn.

    The stages of a leg are known by their lengths: those of sending end with the last attempt, and those that open the
    mailbox are laid from the beginning of its last try on. Earlier attempts whose times are not known are one bar with
    their pauses.
    """
    sending = sending_bars(result)
    sent = result.send_seconds if result.send_seconds is not None else max((bar.end for bar in sending), default=0.0)
    receiving = last_try(result, sent)
    receiving = [*earlier_tries(result), *receiving] if receiving else []
    hops = hop_bars(result.journey, result.send_seconds or 0.0)
    longest = sorted(hops, key=lambda bar: -bar.seconds)[:MAX_HOPS_DRAWN]
    bars = [*sending, *[bar for bar in hops if bar in longest][:MAX_HOPS_DRAWN], *receiving]
    total = result.total_seconds or max((bar.end for bar in bars), default=0.0)
    title = f"{result.loop}: {result.outcome}"
    if result.attempts > 1 and result.send_seconds is None and not result.attempt_times:
        title += f", attempt {result.attempts} of {result.attempts}"
    if len(hops) > MAX_HOPS_DRAWN:
        title += f", the {MAX_HOPS_DRAWN} slowest of {len(hops)} hops"
    failed = result.leg if result.status is Status.ERROR else None
    slow = max(_SLOW_SECONDS, _SLOW_SHARE * total)
    drawn = tuple(replace(bar, kind="slow") if bar.kind == "step" and bar.seconds >= slow else bar for bar in bars)
    return Timeline(title, drawn, tuple(_marks(result, limits, sent, looked=bool(receiving))), total, failed)


def hop_timeline(journey: JourneyRecord) -> Timeline:
    """Of a message of which nothing but its own dates is known: from its first hop on."""
    bars = zip(journey.hops[1:], hop_bars(journey, 0.0), strict=True)
    drawn = tuple(replace(bar, kind="slow") if hop.slow else bar for hop, bar in bars)
    return Timeline("its hops", drawn, (), max((bar.end for bar in drawn), default=0.0))


def _marks(result: LoopResult, limits: Limits | None, sent: float, *, looked: bool) -> list[Mark]:
    marks = [Mark(sent, "accepted")] if result.accepted_at is not None else []
    if result.detected_at is not None and (total := result.total_seconds) is not None:
        seen = "bounced" if result.outcome is Outcome.BOUNCED else "detected"
        arrived = None if result.delivery_seconds is None else min(sent + result.delivery_seconds, max(sent, total))
        if arrived is not None and total - arrived >= 0.001:
            marks += [Mark(arrived, "arrived"), Mark(total, seen)]
        else:
            marks.append(Mark(total, seen if arrived is None else f"arrived, {seen}"))
    if looked and limits is not None:
        known = {"late": limits.warn_after, "lost": limits.max_wait}
        found = [(word, limit) for word, limit in known.items() if limit is not None]
        marks += [Mark(sent + limit, f"{word} after {duration(limit)}", "limit") for word, limit in found]
    return marks
