"""What the picture of a run shows: bars for what took time, and marks for moments and limits. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

from tasks.mail.config.loop import Limits
from tasks.mail.model.durations import clamp, duration
from tasks.mail.model.outcome import Outcome
from tasks.mail.model.result import LoopResult

Lane = Literal["smtp", "hops", "imap"]
Kind = Literal["step", "slow", "failed", "waiting"]
LANES: Mapping[Lane, str] = {"smtp": "SMTP", "hops": "hops", "imap": "IMAP"}
MOST_HOPS = 12  # a message may claim to have had any number
MOST_IN_A_ROW = 40
NEAR = 1.25  # a limit is drawn up to this share of the total; one beyond it would squeeze the rest
SLOW_SECONDS, SLOW_SHARE = 1.0, 0.3  # a step is called slow when it takes both
OPENING = ("dns", "connect", "tls", "login")  # what happens once; the other stages of IMAP are sums over many looks


@dataclass(frozen=True, slots=True)
class Bar:
    """What took from `start` to `end`, in seconds since the first attempt began; `text` says how long, in words."""

    lane: Lane
    label: str
    start: float
    end: float
    kind: Kind
    text: str

    @property
    def seconds(self) -> float:
        return self.end - self.start

    @property
    def name(self) -> str:
        """Its label outside of its lane."""
        prefix = {"smtp": "SMTP ", "hops": "hop ", "imap": "IMAP "}[self.lane]
        return self.label if self.kind == "waiting" else prefix + self.label


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment, or a limit, in seconds since the first attempt began."""

    at: float
    label: str
    kind: Literal["moment", "limit"] = "moment"


@dataclass(frozen=True, slots=True)
class Timeline:
    """A run as a picture shows it. `total`: seconds from the first attempt to the end of the check."""

    title: str
    bars: tuple[Bar, ...]
    marks: tuple[Mark, ...]
    total: float

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
        last = max(self.bars, key=lambda bar: bar.end, default=None)
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
    limits: Limits,
    hops: Sequence[tuple[str, float, float]] = (),
    attempts: Sequence[tuple[float, float]] = (),
) -> Timeline:
    """The timeline of a check. `hops` have a label, start and end; `attempts`, where known, start and end of each.

    The stages of a leg are known by their lengths: those of SMTP end with the last attempt, and those that open the
    mailbox are laid from the acceptance on. Earlier attempts whose times are not known are one bar with their pauses.
    """
    smtp = _smtp(result, attempts)
    sent = result.send_seconds if result.send_seconds is not None else max((bar.end for bar in smtp), default=0.0)
    imap = _imap(result, limits, sent)
    longest = sorted(hops, key=lambda hop: hop[1] - hop[2])[:MOST_HOPS]
    relayed = [
        _bar("hops", label, max(start, 0.0), end) for label, start, end in hops if (label, start, end) in longest
    ]
    bars = [*smtp, *relayed[:MOST_HOPS], *imap]
    total = result.total_seconds or max((bar.end for bar in bars), default=0.0)
    title = f"{result.loop}: {result.outcome}"
    if result.attempts > 1 and result.send_seconds is None and not attempts:
        title += f", attempt {result.attempts} of {result.attempts}"
    if len(hops) > MOST_HOPS:
        title += f", the {MOST_HOPS} slowest of {len(hops)} hops"
    return Timeline(title, tuple(_slow(bar, total) for bar in bars), tuple(_marks(result, limits, sent, imap)), total)


def _bar(lane: Lane, label: str, start: float, end: float, kind: Kind = "step") -> Bar:
    end = max(start, end)
    return Bar(lane, label, start, end, kind, duration(end - start))


def _failed(lane: Lane, label: str, start: float, end: float, reason: object) -> Bar:
    return Bar(lane, label, start, end, "failed", f"{reason} after {duration(end - start)}")


def _slow(bar: Bar, total: float) -> Bar:
    slow = bar.kind == "step" and bar.seconds >= max(SLOW_SECONDS, SLOW_SHARE * total)
    return replace(bar, kind="slow") if slow else bar


def _chain(
    lane: Lane, stages: Mapping[str, float], start: float, end: float, failed: str | None, why: object
) -> list[Bar]:
    """Stages one after the other; the one that failed comes last and ends at `end`, as the last does in any case."""
    order = sorted(stages, key=lambda stage: stage == failed)
    bars = []
    for number, stage in enumerate(order, start=1):
        until = end if number == len(order) else min(start + stages[stage], end)
        bars.append(_failed(lane, stage, start, until, why) if stage == failed else _bar(lane, stage, start, until))
        start = until
    return bars


def _smtp(result: LoopResult, attempts: Sequence[tuple[float, float]]) -> list[Bar]:
    errors = {error.attempt: error for error in result.attempt_errors}
    last = errors.get(result.attempts)
    stages = dict(result.smtp_stages)
    if last is not None:
        stages.setdefault(last.stage, 0.0)
    took = sum(stages.values())
    end = attempts[-1][1] if attempts else took
    if result.send_seconds is not None:
        end = result.send_seconds
    start = max(0.0, end - took)
    why = (last.smtp_code or last.error_type) if last is not None else None
    chain = _chain("smtp", stages, start, end, last.stage if last is not None else None, why)
    if result.attempts > 1 and chain:
        chain[0] = replace(chain[0], label=f"attempt {result.attempts}: {chain[0].label}")
    if not attempts:
        return [*_earlier(result, start), *chain]
    bars = []
    for number, ((begun, ended), (again, _)) in enumerate(pairwise(attempts), start=1):
        error = errors.get(number)
        reason = f"{error.smtp_code or error.error_type} at {error.stage}" if error is not None else "failed"
        bars += [
            _failed("smtp", f"attempt {number}", begun, ended, reason),
            _bar("smtp", "pause", ended, again, "waiting"),
        ]
    return [*bars, *chain]


def _earlier(result: LoopResult, until: float) -> list[Bar]:
    """What is known of the attempts before the last: together with the pauses they took the rest of the time."""
    if result.attempts < 2 or result.send_seconds is None:
        return []
    label = "attempt 1 and pause" if result.attempts == 2 else f"attempts 1 to {result.attempts - 1} and pauses"
    codes = dict.fromkeys(str(error.smtp_code or error.error_type) for error in result.attempt_errors)
    return [Bar("smtp", f"{label} ({', '.join(codes)})", 0.0, until, "waiting", duration(until))]


def _imap(result: LoopResult, limits: Limits, sent: float) -> list[Bar]:
    stages = {stage: seconds for stage, seconds in result.imap_stages.items() if stage in OPENING}
    if result.outcome is Outcome.UNVERIFIED and result.leg == "imap" and result.stage is not None:
        stages[result.stage] = result.imap_stages.get(result.stage, 0.0)
        return _chain("imap", stages, sent, sent + sum(stages.values()), result.stage, result.error_type)
    if not result.imap_stages:
        return []
    found = result.total_seconds is not None
    end = max(sent, result.total_seconds if result.total_seconds is not None else sent + limits.max_wait)
    opened = min(sent + sum(stages.values()), end)
    bars = _chain("imap", stages, sent, opened, None, None)
    arrived = end if result.delivery_seconds is None else min(sent + result.delivery_seconds, end)
    if arrived > opened:
        bars.append(_bar("imap", "waiting" if found else "waiting, not found", opened, arrived, "waiting"))
    if end > max(arrived, opened):
        bars.append(_bar("imap", "detection", max(arrived, opened), end))
    return bars


def _marks(result: LoopResult, limits: Limits, sent: float, imap: Sequence[Bar]) -> list[Mark]:
    marks = [Mark(sent, "accepted")] if result.accepted_at is not None else []
    if (total := result.total_seconds) is not None:
        seen = "bounced" if result.outcome is Outcome.BOUNCED else "detected"
        arrived = None if result.delivery_seconds is None else min(sent + result.delivery_seconds, max(sent, total))
        if arrived is not None and total - arrived >= 0.001:
            marks.append(Mark(arrived, "arrived"))
            marks.append(Mark(total, seen))
        else:
            marks.append(Mark(total, seen if arrived is None else f"arrived, {seen}"))
    if imap:
        for word, limit in (("late", limits.warn_after), ("lost", limits.max_wait)):
            if limit is not None:
                marks.append(Mark(sent + limit, f"{word} after {duration(limit)}", "limit"))
    return marks
