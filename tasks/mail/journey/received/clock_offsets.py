"""Whose clock is off, and by how much, where the dates along a message's way contradict each other or us.

All times are seconds since the sending by our own clock. A message cannot arrive before it was sent or after it was
found (`whole`), nor at a server before it was at the one before. Where dates say so, a clock is off:

1. A clock with a date outside of our own bounds is wrong. But if all are, and agree with each other, ours is.
2. Of the others, one that disagrees with more clocks than each of those does. The relay's acceptance and the mailbox's
   INTERNALDATE are witnesses: each counts as one more clock that disagrees.
3. Where that does not decide, the clocks that disagree are in doubt, and nothing is corrected.

A wrong clock is taken to be off by a constant: all its dates are moved together, into the middle of where they can
have been. So what lies between two dates of one server is right though its clock is not.
"""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field

GRAIN = 1.0  # seconds; a date is cut off to the second, so the truth lies up to one later
TOLERANCE = 1.0  # seconds beyond the grain that a clock may be off and still be called right
_ROUNDS = 10  # of looking for wrong clocks; honest mail needs one or two


@dataclass(slots=True, eq=False)
class Clock:
    """One server's clock: `places` are those of its dates among all, oldest first.

    `skew` is by how much it is off at least (positive: fast; 0.0 if it may be right), `margin` by how much its dates as
    corrected may be off either way, beyond their grain. `rivals` are the clocks that it cannot be right together with,
    if it is not known which of them is off; it is its own rival if it was set back on the way.
    """

    places: list[int] = field(default_factory=list)
    skew: float = 0.0
    margin: float = 0.0
    wrong: bool = False
    rivals: "set[Clock]" = field(default_factory=set)
    votes: int = 0

    @property
    def against(self) -> int:
        return len(self.rivals) + self.votes


@dataclass(slots=True)
class Reckoning:
    """The dates and the clock of each; and the times, which are the dates corrected, where no clock is in doubt."""

    dates: list[float]
    clocks: list[Clock]
    whole: float
    times: dict[int, float] = field(default_factory=dict)

    def shifts(self, places: Iterable[int]) -> tuple[float, float]:
        """By how much these dates are too late: at least and at most, by our bounds and the times settled so far."""
        rooms = [(self.dates[place], *self.room(place)) for place in places]
        return max(date - latest for date, _, latest in rooms), min(date - earliest for date, earliest, _ in rooms)

    def room(self, place: int) -> tuple[float, float]:
        """The earliest and the latest time that is left for a place."""
        before = (time for other, time in self.times.items() if other < place)
        after = (time for other, time in self.times.items() if other > place)
        return max(before, default=0.0), min(after, default=self.whole)


def reckon(
    servers: Sequence[Hashable],
    dates: Sequence[float],
    whole: float,
    accepted: float | None = None,
    internaldate: float | None = None,
) -> Reckoning:
    """What to make of `dates`, oldest first, each by the clock of one of `servers`."""
    known = {server: Clock() for server in servers}
    clocks = [known[server] for server in servers]
    for place, clock in enumerate(clocks):
        clock.places.append(place)
    found = Reckoning(list(dates), clocks, whole)
    own = _take_out_own_skew(found)
    _compare(found)
    _hear(found, accepted, internaldate)
    _outvote(found)
    for clock in sorted(known.values(), key=lambda clock: (clock.wrong, clock.places[0])):
        if not clock.rivals:
            _settle(found, clock, accepted)
        clock.skew += own
    return found


def _skew_of(low: float, high: float) -> float:
    """By how much a clock is off at least whose dates are too late by `low` at least and by `high` at most.

    With `low` above `high` no constant explains the dates, and the larger counts.
    """
    if low <= 0 <= high:
        return 0.0
    skew = low - GRAIN if low > -high else high + GRAIN
    return skew if abs(skew) > TOLERANCE else 0.0


def _take_out_own_skew(found: Reckoning) -> float:
    """Move all dates if no clock may be right by ours, but all may be by another, and say by how much at least."""
    clocks = set(found.clocks)
    if len(clocks) < 2 or not all(_skew_of(*found.shifts(clock.places)) for clock in clocks):
        return 0.0
    low, high = found.shifts(range(len(found.dates)))
    if low > high:
        return 0.0
    found.dates = [date - (low + high) / 2 for date in found.dates]
    return _skew_of(low, high)


def _compare(found: Reckoning) -> None:
    """Find the clocks that our bounds prove wrong, and who disagrees with whom among the others."""
    for clock in found.clocks:
        clock.wrong = bool(_skew_of(*found.shifts(clock.places)))
    rest = [pair for pair in zip(found.clocks, found.dates, strict=True) if not pair[0].wrong]
    for place, (later, late) in enumerate(rest):
        for earlier, early in rest[:place]:
            if early - late > GRAIN + TOLERANCE:
                earlier.rivals.add(later)
                later.rivals.add(earlier)


def _hear(found: Reckoning, accepted: float | None, internaldate: float | None) -> None:
    """Count for each clock the witnesses by whom it is fast.

    The oldest hop is before the acceptance, if it is the relay's: some hide theirs. All are before INTERNALDATE, where
    a server sets it on arrival: some take it from a hop. So neither proves anything alone.
    """
    if accepted is not None and found.dates and found.dates[0] > accepted + TOLERANCE:
        found.clocks[0].votes += 1
    if internaldate is not None and not _skew_of(internaldate - found.whole, internaldate):
        latest = internaldate + GRAIN + TOLERANCE
        for clock in {clock for clock, date in zip(found.clocks, found.dates, strict=True) if date > latest}:
            clock.votes += 1


def _outvote(found: Reckoning) -> None:
    """Call wrong each clock that disagrees with more than each of its rivals does, while there is one."""
    for _ in range(_ROUNDS):
        doubtful = {clock for clock in found.clocks if clock.rivals}
        worst = [clock for clock in doubtful if all(clock.against > rival.against for rival in clock.rivals)]
        for clock in worst:
            clock.wrong = True
            for rival in clock.rivals:
                rival.rivals.discard(clock)
            clock.rivals.clear()
        if not worst:
            return


def _settle(found: Reckoning, clock: Clock, accepted: float | None) -> None:
    """Correct the dates of one clock, within what those before it have left."""
    low, high = found.shifts(clock.places)
    clock.skew = _skew_of(low, high)
    if low <= 0 <= high + GRAIN:
        shift = 0.0
    elif clock.skew:
        if accepted is not None and clock is found.clocks[0]:
            low = max(low, min(found.dates[0] - accepted, high))
        shift, clock.margin = (low + high) / 2, abs(high - low) / 2
    else:
        shift = low if low > 0 else high
    for place in clock.places:
        earliest, latest = found.room(place)
        found.times[place] = max(earliest, min(found.dates[place] - shift, latest))
