"""What the picture of a run shows: bars for what took time, and marks for moments and limits. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from tasks.mail.config.loop import Limits
from tasks.mail.model.durations import clamp, duration
from tasks.mail.model.outcome import Outcome, Status
from tasks.mail.model.result import LoopResult
from tasks.mail.report.svg.bars import LANES, Bar, bar_of, imap_bars, smtp_bars

MOST_HOPS = 12  # a message may claim to have had any number
MOST_IN_A_ROW = 40
NEAR = 1.25  # a limit is drawn up to this share of the total; one beyond it would squeeze the rest
SLOW_SECONDS, SLOW_SHARE = 1.0, 0.3  # a step is called slow when it takes both


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
        return max([last, *(clamp(m.at) for m in self.marks if m.kind == "limit" and clamp(m.at) <= last * NEAR)])

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
            follows = last is not None and last.lane == bar.lane != "hops" and bar.start >= last.end
            if follows and len(rows[-1]) < MOST_IN_A_ROW:
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
        hops = any(bar.lane == "hops" for bar in self.bars)
        bars = [bar for bar in self.bars if not (hops and bar.lane == "imap" and bar.kind == "waiting")]
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


def of_result(
    result: LoopResult,
    limits: Limits | None,
    hops: Sequence[tuple[str, float, float]] = (),
    attempts: Sequence[tuple[float, float]] = (),
) -> Timeline:
    """The timeline of a check; an inbound one has no `limits`. `hops` have a label, start and end; `attempts`, where
    known, start and end of each.

    The stages of a leg are known by their lengths: those of SMTP end with the last attempt, and those that open the
    mailbox are laid from the beginning of its last try on. Earlier attempts whose times are not known are one bar with
    their pauses.
    """
    smtp = smtp_bars(result, attempts)
    sent = result.send_seconds if result.send_seconds is not None else max((bar.end for bar in smtp), default=0.0)
    imap = imap_bars(result, sent)
    longest = sorted(hops, key=lambda hop: hop[1] - hop[2])[:MOST_HOPS]
    relayed = [
        bar_of("hops", label, max(start, 0.0), end) for label, start, end in hops if (label, start, end) in longest
    ]
    bars = [*smtp, *relayed[:MOST_HOPS], *imap]
    total = result.total_seconds or max((bar.end for bar in bars), default=0.0)
    title = f"{result.loop}: {result.outcome}"
    if result.attempts > 1 and result.send_seconds is None and not attempts:
        title += f", attempt {result.attempts} of {result.attempts}"
    if len(hops) > MOST_HOPS:
        title += f", the {MOST_HOPS} slowest of {len(hops)} hops"
    failed = result.leg if result.status is Status.ERROR else None
    drawn = tuple(_slow(bar, total) for bar in bars)
    return Timeline(title, drawn, tuple(_marks(result, limits, sent, imap)), total, failed)


def _slow(bar: Bar, total: float) -> Bar:
    slow = bar.kind == "step" and bar.seconds >= max(SLOW_SECONDS, SLOW_SHARE * total)
    return replace(bar, kind="slow") if slow else bar


def _marks(result: LoopResult, limits: Limits | None, sent: float, imap: Sequence[Bar]) -> list[Mark]:
    marks = [Mark(sent, "accepted")] if result.accepted_at is not None else []
    if result.detected_at is not None and (total := result.total_seconds) is not None:
        seen = "bounced" if result.outcome is Outcome.BOUNCED else "detected"
        arrived = None if result.delivery_seconds is None else min(sent + result.delivery_seconds, max(sent, total))
        if arrived is not None and total - arrived >= 0.001:
            marks.append(Mark(arrived, "arrived"))
            marks.append(Mark(total, seen))
        else:
            marks.append(Mark(total, seen if arrived is None else f"arrived, {seen}"))
    if imap and limits is not None:
        for word, limit in (("late", limits.warn_after), ("lost", limits.max_wait)):
            if limit is not None:
                marks.append(Mark(sent + limit, f"{word} after {duration(limit)}", "limit"))
    return marks
