"""What took time in a run, as bars: the attempts to send it, and the tries to read the mailbox. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

from tasks.mail.model.durations import duration
from tasks.mail.model.outcome import Outcome
from tasks.mail.model.result import LoopResult

Lane = Literal["smtp", "hops", "imap"]
Kind = Literal["step", "slow", "failed", "waiting"]
LANES: Mapping[Lane, str] = {"smtp": "SMTP", "hops": "hops", "imap": "IMAP"}
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


def bar_of(lane: Lane, label: str, start: float, end: float, kind: Kind = "step") -> Bar:
    end = max(start, end)
    return Bar(lane, label, start, end, kind, duration(end - start))


def failed_bar(lane: Lane, label: str, start: float, end: float, reason: object) -> Bar:
    return Bar(lane, label, start, end, "failed", f"{reason} after {duration(end - start)}")


def _chain(
    lane: Lane, stages: Mapping[str, float], start: float, end: float, failed: str | None, why: object
) -> list[Bar]:
    """Stages one after the other; the one that failed comes last and ends at `end`, as the last does in any case."""
    order = sorted(stages, key=lambda stage: stage == failed)
    bars = []
    for number, stage in enumerate(order, start=1):
        until = end if number == len(order) else min(start + stages[stage], end)
        bars.append(
            failed_bar(lane, stage, start, until, why) if stage == failed else bar_of(lane, stage, start, until)
        )
        start = until
    return bars


def smtp_bars(result: LoopResult, attempts: Sequence[tuple[float, float]]) -> list[Bar]:
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
            failed_bar("smtp", f"attempt {number}", begun, ended, reason),
            bar_of("smtp", "pause", ended, again, "waiting"),
        ]
    return [*bars, *chain]


def _earlier(result: LoopResult, until: float) -> list[Bar]:
    """What is known of the attempts before the last: together with the pauses they took the rest of the time."""
    if result.attempts < 2 or result.send_seconds is None:
        return []
    label = "attempt 1 and pause" if result.attempts == 2 else f"attempts 1 to {result.attempts - 1} and pauses"
    codes = dict.fromkeys(str(error.smtp_code or error.error_type) for error in result.attempt_errors)
    return [Bar("smtp", f"{label} ({', '.join(codes)})", 0.0, until, "waiting", duration(until))]


def imap_bars(result: LoopResult, sent: float) -> list[Bar]:
    """The tries to read the mailbox: those before the last in one bar, and the stages of the last."""
    broken = result.stage if result.leg == "imap" and result.outcome is Outcome.UNVERIFIED else None
    if not result.imap_stages and broken is None:
        return []
    stages = {stage: seconds for stage, seconds in result.imap_stages.items() if stage in OPENING}
    if broken is not None:
        stages[broken] = result.imap_stages.get(broken, 0.0)
    began, end = looking(result, sent)
    earlier = earlier_tries(result)
    if broken is not None:
        return [*earlier, *_chain("imap", stages, began, end, broken, result.error_type)]
    opened = min(began + sum(stages.values()), end)
    bars = [*earlier, *_chain("imap", stages, began, opened, None, None)]
    if result.sent_at is None and not result.attempts:  # an inbound check waits for nothing
        return [*bars, bar_of("imap", "search" if result.detected_at else "search, nothing found", opened, end)]
    arrived = end if result.delivery_seconds is None else min(sent + result.delivery_seconds, end)
    if arrived > opened:
        bars.append(
            bar_of("imap", "waiting" if result.detected_at else "waiting, not found", opened, arrived, "waiting")
        )
    if end > max(arrived, opened):
        bars.append(bar_of("imap", "detection", max(arrived, opened), end))
    return bars


def looking(result: LoopResult, sent: float) -> tuple[float, float]:
    """When the last try to read the mailbox began and ended; from what is known otherwise, where no times are told."""
    if result.imap_times:
        began, end = result.imap_times[-1]
        return max(sent, began), max(sent, began, end)
    took = sum(seconds for stage, seconds in result.imap_stages.items() if stage in (*OPENING, result.stage))
    return sent, max(sent, result.total_seconds if result.total_seconds is not None else sent + took)


def earlier_tries(result: LoopResult) -> list[Bar]:
    """Those before the last, each of which came to nothing, with their pauses: one bar, or none."""
    if result.imap_tries < 2 or len(result.imap_times) < 2:
        return []
    begun, ended = result.imap_times[0]
    label = "try 1 and pause" if result.imap_tries == 2 else f"tries 1 to {result.imap_tries - 1} and pauses"
    return [bar_of("imap", label, begun, ended, "waiting")]
