"""The hops of a message as bars of a picture: pure."""

from __future__ import annotations

from itertools import pairwise

from tasks.mail.model.durations import duration
from tasks.mail.model.journey_record import HopRecord, JourneyRecord
from tasks.mail.report.svg.bars import Bar
from tasks.mail.report.svg.timeline import Timeline


def hop_bars(journey: JourneyRecord | None, start: float) -> list[tuple[str, float, float]]:
    """Label, start and end of each hop behind the first, which took the message at `start`; all in seconds.

    One whose time is not known takes none.
    """
    bars: list[tuple[str, float, float]] = []
    for before, hop in pairwise(journey.hops if journey else ()):
        end = start + (hop.delay_seconds or 0.0)
        bars.append((f"{_name(before)} -> {_name(hop)}", start, end))
        start = end
    return bars


def hop_timeline(journey: JourneyRecord) -> Timeline:
    """Of a message of which nothing but its own dates is known: from its first hop on."""
    bars = tuple(
        Bar("hops", label, start, end, "slow" if hop.slow else "step", duration(end - start))
        for hop, (label, start, end) in zip(journey.hops[1:], hop_bars(journey, 0.0), strict=True)
    )
    return Timeline("its hops", bars, (), max((bar.end for bar in bars), default=0.0))


def _name(hop: HopRecord) -> str:
    return hop.by or hop.from_ or "?"
