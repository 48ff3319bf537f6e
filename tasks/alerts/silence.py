"""For how long a loop may be silent: as long as its rule says, but never less than its schedule needs. Pure."""

from __future__ import annotations

from datetime import timedelta

from tasks.mail.model.intervals import span

LONGER = ("3h", "26h", "8d", "33d")  # of loops that are due more rarely than their rule says: each an automation more
ALLOWED = timedelta(minutes=5)  # from the moment a check is due to its verdict, or its interval, if that is less
UNWATCHED = "longer"  # in place of a span where no span is long enough


def spans(within: str) -> tuple[str, ...]:
    """All spans that a rule may take, the shortest first: its own, and longer ones."""
    own = span(within) or timedelta()
    return (within, *(one for one in LONGER if (span(one) or own) > own))


def span_for(within: str, needed: timedelta | None) -> str | None:
    """The shortest of them that is no shorter than what a loop needs; None where there is none, or nothing is due."""
    if needed is None:
        return None
    return next((one for one in spans(within) if (span(one) or timedelta()) >= needed), None)


def needed(until_due: timedelta, interval: timedelta) -> timedelta:
    """For how long a loop is silent that is well: until its next check is due, and has had the time to find mail."""
    return until_due + min(interval, ALLOWED)
