"""From the result of a check to its trace: a span for each leg, and one for the way of the message between them.

The steps of a leg are made from the bars of the picture of a run, so that the two never contradict each other.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import pairwise

from tasks.mail.config.loop import CheckConfig, LoopConfig, SenderSection
from tasks.mail.config.mailbox import MailboxConfig
from tasks.mail.model.durations import clamp
from tasks.mail.model.journey_record import HopRecord, TlsRecord
from tasks.mail.model.outcome import Leg, Outcome, Status
from tasks.mail.model.result import AttemptRecord, LoopResult
from tasks.mail.report.svg.bars import Bar, earlier_tries, hop_bars, last_try, sending_stages
from tasks.tracing.spans import Attributes, Event, Span, Trace, attributes_of, within

# Fields of a result that are attributes of the root, as mail_loop.<name>.
_FACTS = (
    *("loop", "status", "outcome", "sentence", "who_acts", "cause", "leg", "stage", "notes", "flow_run_id"),
    *("attempts", "token", "probe_id", "queue_id", "send_seconds", "delivery_seconds", "total_seconds"),
    *("folder", "placement", "copies"),
)
MAX_HOP_SPANS = 50  # a message may claim to have had any number
MAX_ATTEMPT_SPANS = 100
_LOOKS = ("detection", "search, nothing found")  # what the picture calls them


def trace_of(result: LoopResult, config: CheckConfig | None, ended: datetime) -> Trace:
    """The trace of a check that `ended` by this machine's clock; `config` says whom it talked to.

    It begins with the first attempt, and ends when the message was seen, or when it was given up. All that is known is
    laid from its beginning on, by the lengths that were measured: only `ended` is a time of day, and serves where
    nothing was sent.
    """
    loop = config if isinstance(config, LoopConfig) else None
    opened = sum(result.stages[Leg.RECEIVING].values())
    sent = result.send_seconds or 0.0
    send = _sending(result, loop.sender if loop else None)
    way = _delivery(result, sent)
    happened = max([sent + opened, *(span.end for span in (send, way) if span)])
    began = result.sent_at or ended - timedelta(seconds=clamp(result.total_seconds or opened))
    end = clamp(happened if result.total_seconds is None else result.total_seconds)
    search = _searching(result, config.mailbox if config else None, sent, end)
    own = {"error.type": result.error_type, "mail_loop.earlier_probes": len(result.earlier_probes) or None}
    root = Span(
        f"check {result.loop}",
        0.0,
        end,
        attributes_of({f"mail_loop.{name}": getattr(result, name) for name in _FACTS} | own),
        children=tuple(span for span in (send, way, search) if span),
        events=tuple(_moments(result, sent)),
        failed=result.sentence if result.status is Status.ERROR else None,
    )
    return Trace(began, within(root, 0.0, end))


def _moments(result: LoopResult, sent: float) -> list[Event]:
    moments = []
    if result.accepted_at is not None:
        moments.append(Event("accepted", sent, attributes_of({"mail_loop.queue_id": result.queue_id})))
    if result.delivery_seconds is not None:
        found_in = attributes_of({"mail_loop.folder": result.folder})
        moments.append(Event("arrived", sent + result.delivery_seconds, found_in))
    if result.detected_at is None or result.total_seconds is None:
        return moments
    if result.outcome is not Outcome.BOUNCED:
        moments.append(Event("detected", result.total_seconds))
    elif bounce := result.bounce:
        names = ("status", "diagnostic", "reporting_mta", "remote_mta")
        stated = {f"mail_loop.bounce.{name}": getattr(bounce, name) for name in names}
        moments.append(Event("bounced", result.total_seconds, attributes_of(stated)))
    return moments


def _sending(result: LoopResult, server: SenderSection | None) -> Span | None:
    """The sending leg: its attempts with the pauses between them, and the stages of the last one."""
    if not result.attempts:
        return None
    times = result.attempt_times or ((0.0, sum(result.stages[Leg.SENDING].values())),)
    errors = {error.attempt: error for error in result.attempt_errors}
    last, ended = len(times), times[-1][1]
    accepted = ended if result.send_seconds is None else result.send_seconds
    stages = tuple(_stage(bar, errors.get(result.attempts)) for bar in sending_stages(result))
    spans = [
        Span(
            f"attempt {number}",
            begun,
            until,
            {"mail_loop.attempt": number} | _refusal(errors.get(number)),
            children=stages if number == last else (),
            failed=_reason(errors.get(number)),
        )
        for number, (begun, until) in [*enumerate(times, start=1)][-MAX_ATTEMPT_SPANS:]
    ]
    pauses = [Span("pause", before.end, after.start) for before, after in pairwise(spans)]
    failed = result.send_seconds is None
    facts = {
        "mail_loop.attempts": result.attempts,
        f"mail_loop.{Leg.SENDING}.reply_code": result.response_code,
        f"mail_loop.{Leg.SENDING}.enhanced_code": result.enhanced_code,
        f"mail_loop.{Leg.SENDING}.reply": result.response_message,
        "mail_loop.queue_id": result.queue_id,
        "error.type": result.error_type if failed else None,
    }
    return Span(
        "send",
        0.0,
        max(ended, accepted),
        _dialogue(Leg.SENDING, server, result.tls) | attributes_of(facts),
        children=tuple(sorted([*spans, *pauses], key=lambda span: span.start)),
        failed=(result.error_msg or result.sentence) if failed else None,
        client=True,
    )


def _delivery(result: LoopResult, sent: float) -> Span | None:
    """From the acceptance to the mailbox, with the hops on the way; the first one is the server that accepted it."""
    hops = result.journey.hops if result.journey else ()
    if result.delivery_seconds is None and not hops:
        return None
    bars = hop_bars(result.journey, sent)
    times = [(sent, sent), *((bar.start, bar.end) for bar in bars)]
    spans = tuple(
        Span(f"hop {number}", start, end, _hop(hop))
        for number, (hop, (start, end)) in enumerate(zip(hops, times, strict=False), start=1)
    )
    arrived = sent + (result.delivery_seconds or 0.0)
    facts = {"mail_loop.delivery_seconds": result.delivery_seconds, "mail_loop.hops": len(hops)}
    return Span(
        "delivery",
        sent,
        max([arrived, *(span.end for span in spans)]),
        attributes_of(facts),
        children=spans[:MAX_HOP_SPANS],
    )


def _searching(result: LoopResult, server: MailboxConfig | None, sent: float, end: float) -> Span | None:
    """The receiving leg: the mailbox is opened, the message waited for and found.

    The stages that come after the opening are sums over many looks: they have no place of their own in time.
    """
    failed = result.leg == Leg.RECEIVING and result.status is Status.ERROR  # lost may be a warning
    bars = last_try(result, sent)
    if not bars:
        return None
    unread = _failure(result) if failed and result.outcome is Outcome.UNVERIFIED else None
    spans = [Span(bar.label, bar.start, bar.end) for bar in earlier_tries(result)]
    for bar in bars:
        if bar.kind == "waiting":
            wait = attributes_of({"error.type": result.error_type if failed else None})
            spans.append(Span("wait", bar.start, bar.end, wait, failed=_why(result) if failed else None))
        else:
            spans.append(_stage(bar, unread))
    facts = {
        "error.type": result.error_type if failed else None,
        **{
            f"mail_loop.{Leg.RECEIVING}.{stage}_seconds": seconds
            for stage, seconds in result.stages[Leg.RECEIVING].items()
        },
        f"mail_loop.{Leg.RECEIVING}.tries": result.tries or None,
        "mail_loop.folder": result.folder,
        "mail_loop.placement": result.placement,
        "mail_loop.copies": result.copies,
    }
    return Span(
        "search",
        sent,
        end,
        _dialogue(Leg.RECEIVING, server, result.tls) | attributes_of(facts),
        children=tuple(spans),
        failed=_why(result) if failed else None,
        client=True,
    )


def _stage(bar: Bar, error: AttemptRecord | None) -> Span:
    """A stage of a leg; `error` is why it failed, if it is the one that did."""
    label = "search" if bar.label in _LOOKS else bar.label
    cause = error if bar.kind == "failed" else None
    return Span(f"{bar.lane} {label}", bar.start, bar.end, _refusal(cause), failed=_reason(cause))


def _failure(result: LoopResult) -> AttemptRecord | None:
    """What made the receiving leg fail, in the words of an attempt."""
    if result.error_type is None or result.stage is None:
        return None
    return AttemptRecord(1, result.error_type, None, error_msg=_why(result), stage=result.stage)


def _why(result: LoopResult) -> str:
    return result.error_msg or result.sentence


def _reason(error: AttemptRecord | None) -> str | None:
    return f"{error.error_type} at {error.stage}: {error.error_msg}" if error else None


def _refusal(error: AttemptRecord | None) -> Attributes:
    if error is None:
        return {}
    facts = {
        "error.type": error.error_type,
        "mail_loop.stage": error.stage,
        f"mail_loop.{Leg.SENDING}.reply_code": error.code,
        "mail_loop.error_msg": error.error_msg,
    }
    return attributes_of(facts)


def _dialogue(leg: str, server: SenderSection | MailboxConfig | None, tls: Mapping[str, TlsRecord]) -> Attributes:
    agreed = tls.get(leg)
    facts = {
        "network.protocol.name": leg,
        "network.transport": "tcp",
        "server.address": server.host if server else None,
        "server.port": server.port if server else None,
        "tls.protocol.name": "tls" if agreed else None,
        "tls.protocol.version": agreed.protocol.removeprefix("TLSv") if agreed else None,
        "tls.cipher": agreed.cipher if agreed else None,
    }
    return attributes_of(facts)


def _hop(hop: HopRecord) -> Attributes:
    """Whatever a Received field says is a stranger's word."""
    facts = {
        "from": hop.from_,
        "with": hop.with_,
        "at": hop.at.isoformat() if hop.at else None,
        "delay_seconds": hop.delay_seconds,
        **{name: getattr(hop, name) or None for name in ("by", "id", "tls", "margin_seconds", "skew_seconds", "slow")},
    }
    return attributes_of({f"mail_loop.hop.{name}": value for name, value in facts.items()})
