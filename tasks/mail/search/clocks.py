"""How long it took, by clocks that may be wrong."""

from datetime import timedelta

from tasks.mail.model.facts import Arrival, Receipt
from tasks.mail.model.header import in_range

INTERNALDATE_GRAIN = timedelta(seconds=1)  # it is cut off to the whole second, so the truth lies up to one later
CLOCK_SLACK = 2 * INTERNALDATE_GRAIN  # two clocks that are no further apart are not said to be


def delivery_seconds(sent: Receipt, found: Arrival) -> float:
    """Seconds from the acceptance to the mailbox, never less than the truth if the mail server's clock is right.

    The mail server's clock is believed only within the time that passed here; otherwise detection is the bound.
    """
    elapsed = found.detected.since(sent.accepted)
    if clock_skew(sent, found) or not (found.hits and in_range(found.first.arrived_at)):
        return elapsed
    by_server = found.first.arrived_at + INTERNALDATE_GRAIN - sent.started.utc_at(sent.accepted)
    return max(0.0, min(elapsed, by_server.total_seconds()))


def clock_skew(sent: Receipt, found: Arrival) -> float:
    """Seconds by which the mail server's clock is recognisably off: positive if it is fast; 0.0 if it may be right."""
    if not (found.hits and in_range(found.first.arrived_at)):
        return 0.0
    arrived = found.first.arrived_at
    earliest, latest = sent.started.utc, sent.started.utc_at(found.detected)
    if arrived < earliest - CLOCK_SLACK:
        return (arrived - earliest).total_seconds()
    if arrived > latest + CLOCK_SLACK:
        return (arrived - latest).total_seconds()
    return 0.0


def clock_step(sent: Receipt, found: Arrival) -> float:
    """Seconds by which this machine's clock was set during the check: positive if forward; 0.0 if it just went on."""
    step = found.detected.utc - sent.started.utc_at(found.detected)
    return step.total_seconds() if abs(step) > CLOCK_SLACK else 0.0
