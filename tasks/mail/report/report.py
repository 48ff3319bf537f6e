"""The report of a check, for the artifact of its run."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from tasks.mail.config.loop import Limits
from tasks.mail.model.durations import duration
from tasks.mail.model.journey_record import FilterRecord, HopRecord, JourneyRecord, TlsRecord
from tasks.mail.model.outcome import FAILED
from tasks.mail.model.result import BounceRecord, LoopResult
from tasks.mail.report.document import (
    Block,
    Cells,
    Code,
    Heading,
    Inline,
    Note,
    Own,
    Paragraph,
    Picture,
    Strong,
    Table,
    facts,
    section,
)
from tasks.mail.report.formats import as_markdown
from tasks.mail.report.svg.timeline import timeline_of
from tasks.mail.report.text import clock_offset, filter_reasons

_VALID: Mapping[bool | None, Inline] = {True: Strong("yes"), False: Strong("no"), None: "not known"}
Configuration = Mapping[str, Mapping[str, object]]  # section, field, value
_SPAM = {True: "yes", False: "no", None: ""}


def markdown(result: LoopResult, configuration: Configuration, limits: Limits | None = None) -> str:
    """The artifact: verdict and picture first, then a table for each thing that may matter, and the configuration."""
    return as_markdown(_blocks(result, configuration, limits))


def _blocks(result: LoopResult, configuration: Configuration, limits: Limits | None) -> Iterator[Block]:
    when = f", {result.sent_at:%Y-%m-%d %H:%M:%S} UTC" if result.sent_at else ""
    yield Paragraph((Strong((result.loop, Own(f": {result.status} ({result.outcome})"))), Own(when)))
    yield Paragraph(result.sentence)
    if result.who_acts:
        yield Paragraph((Strong("Who acts:"), Own(" "), result.who_acts, "."))
    if result.cause:
        yield Paragraph((Strong("Cause:"), Own(" "), Code(result.cause)))
    if (drawn := timeline_of(result, limits)).bars:
        from tasks.mail.report.svg.draw import svg  # a command line starts without it
        from tasks.mail.report.svg.text import alternative

        yield Picture(alternative(drawn), svg(drawn))
    yield from map(Note, result.notes)
    yield from section("Attempts", Table(("attempt", "stage", "outcome", "reply"), _attempts(result)))
    if (journey := result.journey) is not None:
        yield from _journey(journey)
    head = ("leg", "protocol", "cipher", "issuer", "expires", "days left")
    yield from section("TLS", Table(head, [_tls(leg, tls) for leg, tls in result.tls.items()]))
    yield Heading("Times")
    yield facts(_times(result))
    if result.folder is not None:
        places = ", ".join(map(str, result.positions))
        landed = (("folder", Code(result.folder)), ("placement", str(result.placement)), ("copies", str(result.copies)))
        yield from section("Where it landed", facts((*landed, ("UIDs", places))))
    if (bounce := result.bounce) is not None:
        yield Heading("The bounce" if bounce.action == FAILED else "The notice of a delay")
        yield facts(_bounce(bounce))
    yield Heading("The message")
    yield facts((name, Code(value)) for name, value in _message(result).items() if value)
    stages = [
        (leg, stage, Own(f"{value * 1000:.1f} ms" if value < 1 else f"{value:.2f} s"))
        for leg, times in result.stages.items()
        for stage, value in times.items()
    ]
    yield from section("Stages", Table(("leg", "stage", "time"), stages))
    fields = [
        (f"{name}.{field}", Code(str(value).lower() if isinstance(value, bool) else value))
        for name, values in configuration.items()
        for field, value in values.items()
    ]
    yield from section("Configuration", Table(("field", "value"), fields))


def _attempts(result: LoopResult) -> list[Cells]:
    reply = f"{result.response_code or ''} {result.response_message or ''}".strip()
    failed = {one.attempt: (one.stage, one.error_type, Code(one.error_msg)) for one in result.attempt_errors}
    numbers = range(1, result.attempts + 1)
    return [(str(number), *failed.get(number, ("data", "accepted", Code(reply)))) for number in numbers]


def _journey(journey: JourneyRecord) -> Iterator[Block]:
    hops = [_hop(number, hop) for number, hop in enumerate(journey.hops, start=1)]
    yield from section("Hops", Table(("", "server", "from", "how", "queue id", "UTC", "took"), hops))
    if hops and journey.queue_ids:
        commands = [(Code(f"grep {number}"), Own(" on "), Code(host)) for host, number in journey.queue_ids]
        listed = [part for command in commands for part in (Own(", "), *command)][1:]
        yield Paragraph((Own("In the logs: "), *listed, "."))
    if (found := journey.authentication) is not None:
        rows = [
            (m.method, Strong(m.result), Code(", ".join(f"{k}={v}" for k, v in m.properties.items())), Code(m.reason))
            for m in found.methods
        ]
        yield Heading("Authentication")
        whose = Code(found.authserv_id) or "a server without a name"
        guess = ", the top-most, as none is configured" if found.assumed else ""
        ignored = f"; {found.ignored} of others ignored" if found.ignored else ""
        yield Paragraph((Own("As stated by "), whose, Own(f"{guess}{ignored}.")))
        if rows:
            yield Table(("method", "result", "of", "reason"), rows)
    signed = [(Code(one.domain), Code(one.selector), _VALID[one.valid], Code(one.reason)) for one in journey.signatures]
    yield from section("DKIM signatures, verified here", Table(("domain", "selector", "valid", "reason"), signed))
    head = ("filter", "server", "score", "threshold", "spam", "reasons")
    yield from section("Spam filters", Table(head, [_filter(rating) for rating in journey.filters]))
    changes: dict[str, Inline] = {
        "body": journey.body,
        "not of ours": Code(journey.foreign),
        "header fields removed": Code(", ".join(journey.stripped)),
    }
    yield from section("On the way", facts(changes.items()))


def _hop(number: int, hop: HopRecord) -> Cells:
    if hop.raw is not None:
        return (str(number), Code(hop.raw), "", "", "", "", "")
    took = "" if hop.delay_seconds is None else duration(hop.delay_seconds)
    took = f"about {took}" if took and hop.margin_seconds else took
    offset = clock_offset(hop)
    return (
        str(number),
        Code(hop.by),
        Code(f"{hop.from_} ({hop.peer})" if hop.from_ and hop.peer else hop.from_ or hop.peer),
        Code(" ".join(part for part in (hop.with_, hop.tls) if part)),
        Code(hop.id),
        f"{hop.at:%H:%M:%S}" if hop.at else "",
        (Strong(took) if hop.slow else took, Own(" " if took and offset else ""), offset),
    )


def _filter(rating: FilterRecord) -> Cells:
    return (
        rating.filter + ("" if rating.certain else " (may be another's)"),
        Code(rating.server),
        Own("" if rating.score is None else f"{rating.score:g}"),
        Own("" if rating.threshold is None else f"{rating.threshold:g}"),
        _SPAM[rating.spam],
        Code(filter_reasons(rating)),
    )


def _tls(leg: str, tls: TlsRecord) -> Cells:
    return (
        leg,
        Code(tls.protocol),
        Code(tls.cipher),
        Code(tls.issuer),
        Own(f"{tls.not_after:%Y-%m-%d}" if tls.not_after else "not verified"),
        Own("" if tls.days_left is None else str(tls.days_left)),
    )


def _times(result: LoopResult) -> Iterator[tuple[str, Inline]]:
    yield "sent", _moment(result.sent_at)
    yield "accepted by the relay", _moment(result.accepted_at)
    yield "arrived, by the mail server's clock", _moment(result.arrived_at)
    yield "seen", _moment(result.detected_at)
    yield "sending took", hundredths(result.send_seconds)
    yield "delivery took at most", hundredths(result.delivery_seconds)
    yield "in all", hundredths(result.total_seconds)


def _bounce(bounce: BounceRecord) -> Iterator[tuple[str, Inline]]:
    yield "action", Code(bounce.action)
    yield "status", Code(bounce.status)
    yield "diagnostic", Code(bounce.diagnostic)
    yield "recipient", Code(bounce.recipient)
    yield "reporting server", Code(bounce.reporting_mta)
    yield "remote server", Code(bounce.remote_mta)
    yield "found in", Code(bounce.folder)
    yield "of the mailbox", Code(bounce.mailbox)
    yield "arrived, by that server's clock", _moment(bounce.arrived_at)


def _message(result: LoopResult) -> dict[str, str | None]:
    return {
        "loop": result.loop,
        "subject": result.subject,
        "token": result.token,
        "probe id": result.probe_id,
        "Message-ID": result.message_id,
        "from": result.from_,
        "envelope sender": result.envelope_from if result.envelope_from != result.from_ else None,
        "to": result.to,
        "queue id at the relay": result.queue_id,
    }


def _moment(value: datetime | None) -> Own:
    """A time in UTC, to the millisecond unless it is a whole second."""
    if value is None:
        return Own()
    written = value.isoformat(sep=" ", timespec="milliseconds" if value.microsecond else "seconds")
    return Own(written.replace("+00:00", " UTC"))


def hundredths(value: float | None) -> Own:
    """A number of seconds, to the hundredth."""
    return Own("" if value is None else f"{value:.2f} s")
