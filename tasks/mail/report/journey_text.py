"""The journey of a message as lines for a terminal: pure."""

from __future__ import annotations

from collections.abc import Iterator

from tasks.mail.model.durations import duration
from tasks.mail.model.journey_record import FilterRecord, HopRecord, JourneyRecord
from tasks.mail.model.safe_text import one_line
from tasks.mail.report.journey_tables import clock


def lines(journey: JourneyRecord) -> Iterator[str]:
    """Hops oldest first, then what the receiver and its filters thought, then what a gateway changed."""
    for number, hop in enumerate(journey.hops, start=1):
        yield one_line(f"hop {number}: {_hop(hop)}", None)
    if (found := journey.authentication) is not None:
        whose = found.authserv_id or "a server without a name"
        guess = ", the top-most" if found.assumed else ""
        results = ", ".join(f"{m.method} {m.result}" + (f" ({m.reason})" if m.reason else "") for m in found.methods)
        ignored = f"; {found.ignored} of others ignored" if found.ignored else ""
        yield one_line(f"authentication, as stated by {whose}{guess}: {results or 'nothing'}{ignored}", None)
    for one in journey.signatures:
        valid = {True: "valid", False: "not valid", None: "not verified"}[one.valid]
        why = f" ({one.reason})" if one.reason else ""
        yield one_line(f"DKIM signature of {one.domain} ({one.selector}), verified here: {valid}{why}", None)
    for rating in journey.filters:
        yield one_line(f"spam filter: {_filter(rating)}", None)
    if journey.body != "unknown":
        yield one_line(f"body: {journey.body}", None)
    if journey.stripped:
        yield one_line(f"removed from the header: {', '.join(journey.stripped)}", None)


def _hop(hop: HopRecord) -> str:
    if hop.raw is not None:
        return f"not readable: {hop.raw}"
    about = "about " if hop.margin_seconds else ""
    took = f"{about}{duration(hop.delay_seconds)}" if hop.delay_seconds else ""
    parts = [
        f"{hop.by or '?'} took it from {hop.from_ or hop.peer or '?'}",
        f"with {hop.with_}" if hop.with_ else "",
        f"as {hop.id}" if hop.id else "",
        f"({hop.tls})" if hop.tls else "",
        f"at {hop.at:%Y-%m-%d %H:%M:%S} UTC" if hop.at else "at no time told",
        f"after {took}" if took else "",
        "<- slow" if hop.slow else "",
        f"({clock(hop)})" if clock(hop) else "",
    ]
    return " ".join(part for part in parts if part)


def _filter(rating: FilterRecord) -> str:
    score = "" if rating.score is None else f" {rating.score:g}"
    limit = "" if rating.threshold is None else f" of {rating.threshold:g}"
    spam = {True: ", spam", False: ", no spam", None: ""}[rating.spam]
    reasons = ", ".join(name + ("" if s is None else f" {s:g}") for name, s in rating.reasons.items())
    return f"{rating.filter}{score}{limit}{spam}" + (f" ({reasons})" if reasons else "")
