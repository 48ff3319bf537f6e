"""How long a message took from hop to hop, by servers' clocks that may be wrong."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from tasks.mail.journey.received.clock_offsets import GRAIN, TOLERANCE, Reckoning, reckon
from tasks.mail.model.journey_record import HopRecord

_MIN_SLOW_SECONDS = 1.0  # that a hop must take to be called slow
NAMELESS = {"", "localhost", "localhost.localdomain"}  # each may be another server

# One hop in time. `delay_seconds` is the time since the dated hop before it (for the first, since the sending), spent
# there or on the way. It is None where it is not known, and else right within the grain of the dates plus
# `margin_seconds`. `skew_seconds` is by how much this server's clock is off at least: positive if it is fast, 0.0 if it
# may be right. `apart_seconds` is by how much its clock and that of the earlier server `against` differ at least, where
# it is not known which of them is off. `slow` is said of a hop that took more than a second, and more than half of
# the time from sending to detection.
Step = HopRecord


def steps(
    hops: Sequence[HopRecord],
    *,
    sent: datetime,
    detected: datetime,
    accepted: datetime | None = None,
    internaldate: datetime | None = None,
) -> tuple[Step, ...]:
    """The steps of a message: one for each of its `hops`, oldest first as those are.

    `sent`, `accepted` (the relay's 250) and `detected` are by our own clock, `internaldate` is by the mail server's.
    Some servers date a message from its MAIL command, so `sent` must not be later than that.
    """

    def since(moment: datetime) -> float:
        return (moment - sent).total_seconds()

    dated = [(hop, hop.at) for hop in hops if hop.at is not None]
    reckoning = reckon(
        [name if (name := hop.by.lower()) not in NAMELESS else place for place, (hop, _) in enumerate(dated)],
        [since(at) for _, at in dated],
        max(0.0, since(detected)),
        None if accepted is None else since(accepted),
        None if internaldate is None else since(internaldate),
    )
    timed = _timed([hop for hop, _ in dated], reckoning)
    return tuple(hop if hop.at is None else next(timed) for hop in hops)


def slowest(steps: Sequence[Step]) -> Step | None:
    """The step that took most of the time; None if no single one did."""
    return next((step for step in steps if step.slow), None)


def own_skew(steps: Sequence[Step]) -> float:
    """By how many seconds our own clock is off at least, positive if it is fast: where several servers agree on it."""
    dated = [step for step in steps if step.at is not None]
    skews, servers = {step.skew_seconds for step in dated}, {step.by.lower() for step in dated}
    return 0.0 - skews.pop() if len(skews) == 1 and len(servers) > 1 else 0.0


def _timed(dated: Sequence[HopRecord], reckoning: Reckoning) -> Iterator[Step]:
    """The hops that have a date, with their times."""
    delays, clocks = _delays(reckoning), reckoning.clocks
    for place, hop in enumerate(dated):
        delay, clock = delays.get(place), clocks[place]
        margin = 0.0
        if delay is not None and not _same_clock(reckoning, place):
            margin = clock.margin + (clocks[place - 1].margin if place else 0.0)
        apart, against = _apart(dated, reckoning, place)
        slow = delay is not None and delay - margin > max(_MIN_SLOW_SECONDS, reckoning.whole / 2)
        yield replace(
            hop,
            delay_seconds=delay,
            margin_seconds=margin,
            skew_seconds=clock.skew,
            apart_seconds=apart,
            against=against,
            slow=slow,
        )


def _same_clock(reckoning: Reckoning, place: int) -> bool:
    """Whether the date before this one is by the same clock."""
    return place > 0 and reckoning.clocks[place] is reckoning.clocks[place - 1]


def _delays(reckoning: Reckoning) -> dict[int, float]:
    """The time before each date, where it is known. Whatever dates say, no more is given out than there was.

    What one clock has measured is the surest, so it comes first.
    """
    dates, times = reckoning.dates, reckoning.times
    measured = {place: dates[place] - dates[place - 1] for place in range(len(dates)) if _same_clock(reckoning, place)}
    between = {
        place: time - (times[place - 1] if place else 0.0)
        for place, time in sorted(times.items())
        if place not in measured and (not place or place - 1 in times)
    }
    left, delays = reckoning.whole, dict[int, float]()
    for place, delay in [*measured.items(), *between.items()]:
        delays[place] = max(0.0, min(delay, left))
        left -= delays[place]
    return delays


def _apart(dated: Sequence[HopRecord], reckoning: Reckoning, place: int) -> tuple[float, str]:
    """How far behind an earlier hop this one is, where it is in doubt whose clock is off, and that hop's server."""
    rivals = reckoning.clocks[place].rivals
    earlier = [other for other in range(place) if reckoning.clocks[other] in rivals]
    if not earlier:
        return 0.0, ""
    first = max(earlier, key=lambda other: reckoning.dates[other])
    apart = reckoning.dates[first] - reckoning.dates[place] - GRAIN
    return (apart, dated[first].by) if apart > TOLERANCE else (0.0, "")
