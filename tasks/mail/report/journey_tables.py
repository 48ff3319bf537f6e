"""The journey of a message as Markdown tables: pure."""

from __future__ import annotations

from collections.abc import Iterator

from tasks.mail.model.durations import duration
from tasks.mail.model.journey_record import FilterRecord, HopRecord, JourneyRecord
from tasks.mail.model.result import LoopResult
from tasks.mail.report.markdown import code, escape, table

Row = tuple[str, ...]
VALID = {True: "**yes**", False: "**no**", None: "not known"}


def sections(result: LoopResult) -> list[str]:
    """One table each for hops, authentication, filters and TLS, as far as there is anything to show."""
    parts: list[str] = []
    if (journey := result.journey) is not None:
        if journey.hops:
            hops = [_hop(number, hop) for number, hop in enumerate(journey.hops, start=1)]
            parts += ["### Hops", table(hops, ("", "server", "from", "how", "queue id", "UTC", "took"))]
            parts += _logs(journey)
        parts += _authentication(journey)
        if journey.signatures:
            verified = [
                (code(one.domain), code(one.selector), VALID[one.valid], code(one.reason)) for one in journey.signatures
            ]
            parts += ["### DKIM signatures, verified here", table(verified, ("domain", "selector", "valid", "reason"))]
        if journey.filters:
            ratings = [_filter(rating) for rating in journey.filters]
            parts += ["### Spam filters", table(ratings, ("filter", "server", "score", "threshold", "spam", "reasons"))]
        parts += ["### On the way", table(list(_changes(journey)), ("", ""))]
    if result.tls:
        sessions = [
            (
                escape(leg),
                code(tls.protocol),
                code(tls.cipher),
                code(tls.issuer),
                f"{tls.not_after:%Y-%m-%d}" if tls.not_after else "not verified",
                "" if tls.days_left is None else str(tls.days_left),
            )
            for leg, tls in result.tls.items()
        ]
        parts += ["### TLS", table(sessions, ("leg", "protocol", "cipher", "issuer", "expires", "days left"))]
    return parts


def _logs(journey: JourneyRecord) -> list[str]:
    """What to look for in whose log."""
    looks = [f"{code(f'grep {number}')} on {code(host)}" for host, number in journey.queue_ids]
    return [f"In the logs: {', '.join(looks)}."] if looks else []


def _hop(number: int, hop: HopRecord) -> Row:
    if hop.raw is not None:
        return (str(number), code(hop.raw), "", "", "", "", "")
    took = "" if hop.delay_seconds is None else duration(hop.delay_seconds)
    took = f"about {took}" if took and hop.margin_seconds else took
    return (
        str(number),
        code(hop.by),
        code(f"{hop.from_} ({hop.peer})" if hop.from_ and hop.peer else hop.from_ or hop.peer),
        code(" ".join(part for part in (hop.with_, hop.tls) if part)),
        code(hop.id),
        f"{hop.at:%H:%M:%S}" if hop.at else "",
        " ".join(part for part in (f"**{took}**" if hop.slow else took, escape(clock(hop))) if part),
    )


def clock(hop: HopRecord) -> str:
    """What is to be said of the clock of a hop."""
    if hop.skew_seconds:
        return f"its clock is {duration(abs(hop.skew_seconds))} {'fast' if hop.skew_seconds > 0 else 'slow'} at least"
    if hop.apart_seconds:
        return f"its clock and that of {hop.against} are {duration(hop.apart_seconds)} apart"
    return ""


def _authentication(journey: JourneyRecord) -> list[str]:
    if (found := journey.authentication) is None:
        return []
    rows = [
        (
            escape(m.method),
            f"**{escape(m.result)}**",
            code(", ".join(f"{k}={v}" for k, v in m.properties.items())),
            code(m.reason),
        )
        for m in found.methods
    ]
    whose = f"As stated by {code(found.authserv_id) or 'a server without a name'}"
    whose += ", the top-most, as none is configured" if found.assumed else ""
    ignored = f"; {found.ignored} of others ignored" if found.ignored else ""
    return [
        "### Authentication",
        f"{whose}{ignored}.",
        *([table(rows, ("method", "result", "of", "reason"))] if rows else []),
    ]


def _filter(rating: FilterRecord) -> Row:
    reasons = ", ".join(name + ("" if score is None else f" {score:g}") for name, score in rating.reasons.items())
    return (
        escape(rating.filter + ("" if rating.certain else " (may be another's)")),
        code(rating.server),
        "" if rating.score is None else f"{rating.score:g}",
        "" if rating.threshold is None else f"{rating.threshold:g}",
        {True: "yes", False: "no", None: ""}[rating.spam],
        code(reasons),
    )


def _changes(journey: JourneyRecord) -> Iterator[Row]:
    yield ("body", escape(journey.body))
    if journey.foreign:
        yield ("not of ours", code(journey.foreign))
    if journey.stripped:
        yield ("header fields removed", code(", ".join(journey.stripped)))
