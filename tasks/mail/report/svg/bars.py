"""What took time in a run, as bars: the attempts to send it, the hops, and the tries to read the mailbox."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

from tasks.mail.model.durations import duration
from tasks.mail.model.journey_record import JourneyRecord
from tasks.mail.model.outcome import Leg, Outcome
from tasks.mail.model.result import LoopResult

BarKind = Literal["step", "slow", "failed", "waiting"]
HOPS = "hops"
LANES: Mapping[str, str] = {Leg.SENDING: "SMTP", HOPS: "hops", Leg.RECEIVING: "IMAP"}
# What happens once; the other stages there are sums over many looks.
_OPENING = ("token", "dns", "connect", "tls", "login")


@dataclass(frozen=True, slots=True)
class Bar:
    """What took from `start` to `end`, in seconds since the first attempt began; `text` says how long, in words."""

    lane: str
    label: str
    start: float
    end: float
    kind: BarKind
    text: str

    @classmethod
    def of(cls, lane: str, label: str, start: float, end: float, kind: BarKind = "step") -> "Bar":
        end = max(start, end)
        return cls(lane, label, start, end, kind, duration(end - start))

    @classmethod
    def failed(cls, lane: str, label: str, start: float, end: float, reason: object) -> "Bar":
        return cls(lane, label, start, end, "failed", f"{reason} after {duration(end - start)}")

    @property
    def seconds(self) -> float:
        return self.end - self.start

    @property
    def name(self) -> str:
        """Its label outside of its lane."""
        lane = "hop" if self.lane == HOPS else LANES[self.lane]
        return self.label if self.kind == "waiting" else f"{lane} {self.label}"


def _chain(
    lane: str, stages: Mapping[str, float], start: float, end: float, failed: str | None, why: object
) -> list[Bar]:
    """Stages one after the other; the one that failed comes last and ends at `end`, as the last does in any case."""
    order = sorted(stages, key=lambda stage: stage == failed)
    bars = []
    for number, stage in enumerate(order, start=1):
        until = end if number == len(order) else min(start + stages[stage], end)
        step = Bar.failed(lane, stage, start, until, why) if stage == failed else Bar.of(lane, stage, start, until)
        bars.append(step)
        start = until
    return bars


def sending_stages(result: LoopResult) -> list[Bar]:
    """The stages of the last attempt to send, which end with it."""
    last = next((error for error in result.attempt_errors if error.attempt == result.attempts), None)
    stages = dict(result.stages[Leg.SENDING])
    if last is not None:
        stages.setdefault(last.stage, 0.0)
    took = sum(stages.values())
    end = result.attempt_times[-1][1] if result.attempt_times else took
    if result.send_seconds is not None:
        end = result.send_seconds
    failed, why = (last.stage, last.reason) if last is not None else (None, None)
    return _chain(Leg.SENDING, stages, max(0.0, end - took), end, failed, why)


def sending_bars(result: LoopResult) -> list[Bar]:
    """The attempts to send with the pauses between them, and the stages of the last one."""
    chain = sending_stages(result)
    start = chain[0].start if chain else result.send_seconds or 0.0
    if result.attempts > 1 and chain:
        chain[0] = replace(chain[0], label=f"attempt {result.attempts}: {chain[0].label}")
    if not result.attempt_times:
        return [*_earlier(result, start), *chain]
    errors = {error.attempt: error for error in result.attempt_errors}
    bars = []
    for number, ((begun, ended), (again, _)) in enumerate(pairwise(result.attempt_times), start=1):
        error = errors.get(number)
        reason = f"{error.reason} at {error.stage}" if error is not None else "failed"
        bars += [
            Bar.failed(Leg.SENDING, f"attempt {number}", begun, ended, reason),
            Bar.of(Leg.SENDING, "pause", ended, again, "waiting"),
        ]
    return [*bars, *chain]


def _earlier(result: LoopResult, until: float) -> list[Bar]:
    """What is known of the attempts before the last: together with the pauses they took the rest of the time."""
    if result.attempts < 2 or result.send_seconds is None:
        return []
    label = "attempt 1 and pause" if result.attempts == 2 else f"attempts 1 to {result.attempts - 1} and pauses"
    codes = dict.fromkeys(error.reason for error in result.attempt_errors)
    return [Bar(Leg.SENDING, f"{label} ({', '.join(codes)})", 0.0, until, "waiting", duration(until))]


def hop_bars(journey: JourneyRecord | None, start: float) -> list[Bar]:
    """The hops behind the first, which took the message at `start`; one whose time is not known takes none."""
    bars: list[Bar] = []
    for before, hop in pairwise(journey.hops if journey else ()):
        names = (one.by or one.from_ or "?" for one in (before, hop))
        end = start + (hop.delay_seconds or 0.0)
        bars.append(Bar.of(HOPS, " -> ".join(names), max(start, 0.0), end))
        start = end
    return bars


def earlier_tries(result: LoopResult) -> list[Bar]:
    """The tries to read the mailbox before the last, which came to nothing, with their pauses: one bar, or none."""
    if result.tries < 2 or len(result.try_times) < 2:
        return []
    begun, ended = result.try_times[0]
    label = "try 1 and pause" if result.tries == 2 else f"tries 1 to {result.tries - 1} and pauses"
    return [Bar.of(Leg.RECEIVING, label, begun, ended, "waiting")]


def last_try(result: LoopResult, sent: float) -> list[Bar]:
    """The last try to read the mailbox: it is opened, the message waited for and found."""
    known = result.stages[Leg.RECEIVING]
    broken = result.stage if result.leg == Leg.RECEIVING and result.outcome is Outcome.UNVERIFIED else None
    if not known and broken is None:
        return []
    stages = {stage: seconds for stage, seconds in known.items() if stage in _OPENING}
    if broken is not None:
        stages[broken] = known.get(broken, 0.0)
    began, end = _last_try_times(result, sent)
    if broken is not None:
        return _chain(Leg.RECEIVING, stages, began, end, broken, result.error_type)
    opened = min(began + sum(stages.values()), end)
    bars = _chain(Leg.RECEIVING, stages, began, opened, None, None)
    if result.sent_at is None and not result.attempts:  # an inbound check waits for nothing
        label = "search" if result.detected_at else "search, nothing found"
        return [*bars, Bar.of(Leg.RECEIVING, label, opened, end)]
    arrived = end if result.delivery_seconds is None else min(sent + result.delivery_seconds, end)
    if arrived > opened:
        label = "waiting" if result.detected_at else "waiting, not found"
        bars.append(Bar.of(Leg.RECEIVING, label, opened, arrived, "waiting"))
    if end > max(arrived, opened):
        bars.append(Bar.of(Leg.RECEIVING, "detection", max(arrived, opened), end))
    return bars


def _last_try_times(result: LoopResult, sent: float) -> tuple[float, float]:
    """When it began and ended; from what is known otherwise, where a result does not have the times."""
    if result.try_times:
        began, end = result.try_times[-1]
        return max(sent, began), max(sent, began, end)
    stages = result.stages[Leg.RECEIVING]
    took = sum(seconds for stage, seconds in stages.items() if stage in (*_OPENING, result.stage))
    return sent, max(sent, result.total_seconds if result.total_seconds is not None else sent + took)
