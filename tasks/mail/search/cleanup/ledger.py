r"""The mailbox is the ledger: what a probe says of itself, and the flags that say whether it was reported.

Each probe that its own check did not collect is reported by a later run, in its result:

1. That run claims it (`$MailLoopTelling`), and reports only what the server shows to be claimed: where no flag can be
   set nothing is reported, or each run would report it anew.
2. The result is published.
3. Only then, on another connection, the probe is marked as reported (`$MailLoopTold`), or deleted if it is old enough.

So nothing is lost, whenever a run is killed. One that is killed, or loses the mail server, between 2 and 3 leaves a
claim, and the next run reports it again: with the same `probe_id`, by which a reader knows it, and in Prefect as
the same event. Where a folder keeps no keywords a probe is reported when it is old enough to be deleted: `\Deleted` is
the claim, UID EXPUNGE the third step. Without UID EXPUNGE there is no third step, and a kill between 1 and 2 loses it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from uuid import UUID

from tasks.mail.config.loop import TOKEN_LENGTH
from tasks.mail.model.durations import MINUTE, duration
from tasks.mail.model.header import Header, in_range
from tasks.mail.model.outcome import Reported
from tasks.mail.model.result import EarlierProbe, place_of
from tasks.mail.probe.match import HEADERS
from tasks.mail.probe.ownership import is_signed, probe_id
from tasks.mail.search.clocks import CLOCK_SLACK, INTERNALDATE_GRAIN

CLAIM_FLAG = "$MailLoopTelling"
REPORTED_FLAG = "$MailLoopTold"
DELETED_FLAG = r"\Deleted"

CHECK_MARGIN = timedelta(minutes=2)  # for the sending, its retries, and the end of a check
_MAX_DELAY = timedelta(days=31)  # no mail server tries for so long: a Date before that is not believed
MAX_EARLIER_LINES = 10  # in a report; the result has all


@dataclass(frozen=True, slots=True)
class Terms:
    """What a run goes by.

    `now` is by the clock that is furthest behind, `ours` by our own. `ahead`: how far the mail server's is recognisably
    ahead of it. `lost_after`: how long a check of the loop waits; `retention`: how long a probe stays. `keep`: all stay
    in the mailbox on purpose. `sure`: no check had to leave one that it had found, unmarked. `key`: what our probes are
    signed with.
    """

    now: datetime
    ours: datetime
    lost_after: timedelta
    ahead: timedelta = timedelta()
    retention: timedelta = timedelta(days=1)
    keep: bool = False
    sure: bool = True
    key: bytes = field(default=b"", repr=False)


def sent_at(header: Header) -> datetime | None:
    """The Date of a message, if it has one that may be true."""
    dates = HEADERS.parsebytes(header.raw).get_all("Date", [])
    try:
        (date,) = dates
        moment = parsedate_to_datetime(str(date))
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return moment.astimezone(UTC) if in_range(moment) else None
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def sender_is_done(header: Header, terms: Terms) -> bool:
    """Whether the check that sent it is surely over: by its Date, or by INTERNALDATE where it is of the future."""
    sent = sent_at(header)
    begun = sent if sent is not None and sent <= terms.now else header.arrived_at
    return terms.now - begun > terms.lost_after + CHECK_MARGIN


def earlier_probe(header: Header, terms: Terms) -> EarlierProbe:
    """What is reported of a probe."""
    sent, number = sent_at(header), probe_id(header)
    took = None if sent is None else _believable(sent, header.arrived_at - sent - terms.ahead, terms)
    return EarlierProbe(
        probe_id=number,
        token=number[:TOKEN_LENGTH],
        flow_run_id=_run(header),
        sent_at=sent,
        arrived_at=header.arrived_at,
        delivery_seconds=None if took is None else max(0.0, (took + INTERNALDATE_GRAIN).total_seconds()),
        reported=Reported.LOST if took is not None and took > terms.lost_after else Reported.UNCOLLECTED,
        signed=is_signed(header, terms.key),
        **place_of(header.ref),
    )


def _believable(sent: datetime, took: timedelta, terms: Terms) -> timedelta | None:
    """The delay, where it is not less than none, nor more than there was time for."""
    return took if -CLOCK_SLACK <= took <= min(_MAX_DELAY, terms.ours - sent + CHECK_MARGIN) else None


def _run(header: Header) -> str | None:
    runs = HEADERS.parsebytes(header.raw).get_all("X-Mail-Loop-Run", [])
    try:
        (run,) = runs
        return str(UUID(str(run).strip()))
    except ValueError:
        return None


def earlier_lines(probes: Sequence[EarlierProbe]) -> Iterator[str]:
    """What the record of a run says of them, the longest delays first."""
    ordered = sorted(probes, key=lambda probe: -(probe.delivery_seconds or 0.0))
    for probe in ordered[:MAX_EARLIER_LINES]:
        yield earlier_line(probe)
    if (more := len(ordered) - MAX_EARLIER_LINES) > 0:
        yield f"So did {more} more earlier probes: see earlier_probes."


def earlier_line(probe: EarlierProbe) -> str:
    """One sentence."""
    if not probe.signed:
        return (
            f"A probe of this loop without our signature ({probe.token}) arrived in {probe.folder} at "
            f"{probe.arrived_at:%Y-%m-%d %H:%M} UTC: an older version or another installation sent it, "
            "or it is forged; it counts for nothing."
        )
    sent = f"The probe of {probe.sent_at:%Y-%m-%d %H:%M} UTC" if probe.sent_at else "A probe without a Date"
    known = "reported lost" if probe.reported is Reported.LOST else "that its check did not collect"
    if probe.delivery_seconds is None:
        when = f"at {probe.arrived_at:%Y-%m-%d %H:%M} by the mail server's clock; how long it took is not certain"
    else:
        seconds = probe.delivery_seconds
        when = f"after {duration(round(seconds / MINUTE) * MINUTE if seconds >= 10 * MINUTE else seconds)}"
    return f"{sent} ({probe.token}) {known} arrived in {probe.folder} {when}."
