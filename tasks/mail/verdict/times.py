"""How long a check took, and when it looked into the mailbox: by the monotonic clock of its facts, pauses included."""

from __future__ import annotations

from tasks.mail.model.errors import ImapFailure, SmtpFailure
from tasks.mail.model.facts import Arrival, Receipt
from tasks.mail.model.moment import Moment, Tried
from tasks.mail.senders.attempts import Attempts


def times(attempts: Attempts, sent: Receipt | SmtpFailure, found: Arrival | ImapFailure | None) -> dict[str, object]:
    """The fields of the result. The check ends with the detection, or else with the last thing that it did."""
    started = sent.started if isinstance(sent, Receipt) else attempts.started
    if found is None:
        if isinstance(sent, Receipt):
            return {"total_seconds": sent.accepted.since(started)}
        return {"total_seconds": attempts.times[-1][1]} if attempts.times else {}
    detected = isinstance(found, Arrival) and (found.hits or found.bounce)
    if found.tried is not None:
        return looked(found.tried, started, found.detected if isinstance(found, Arrival) and detected else None)
    return {"total_seconds": found.detected.since(started)} if isinstance(found, Arrival) else {}


def looked(tried: Tried, started: Moment, detected: Moment | None = None) -> dict[str, object]:
    """The tries of the mailbox: those before the last, with their pauses, and the last, in seconds since `started`."""
    ended = (detected or tried.ended).since(started)
    # Once a bounce is seen the message is looked for once more: that look is behind the detection.
    first, last = (min(at.since(started), ended) for at in (tried.first, tried.last))
    return {
        "total_seconds": ended,
        "imap_tries": tried.count,
        "imap_times": ((first, last), (last, ended)) if tried.count > 1 else ((first, ended),),
    }
