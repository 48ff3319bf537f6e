"""From the result of a check to its trace."""

from __future__ import annotations

from datetime import datetime, timedelta

from tasks.mail.config.loop import CheckConfig, LoopConfig
from tasks.mail.model.outcome import Leg, Outcome, Status
from tasks.mail.model.result import LoopResult
from tasks.tracing.legs import delivery, searching, sending
from tasks.tracing.spans import AttributeValue, Event, Span, Trace, attributes_of, within

# Fields of a result that are attributes of the root, as mail_loop.<name>.
_FACTS = (
    *("loop", "status", "outcome", "sentence", "who_acts", "cause", "leg", "stage", "notes", "flow_run_id"),
    *("attempts", "token", "probe_id", "queue_id", "send_seconds", "delivery_seconds", "total_seconds"),
    *("folder", "placement", "copies"),
)
_MAX_SECONDS = 1e8  # longer than any check may take


def trace_of(result: LoopResult, config: CheckConfig | None, ended: datetime) -> Trace:
    """The trace of a check that `ended` by this machine's clock; `config` says whom it talked to.

    It begins with the first attempt, and ends when the message was seen, or when it was given up. All that is known is
    laid from its beginning on, by the lengths that were measured: only `ended` is a time of day, and serves where
    nothing was sent.
    """
    loop = config if isinstance(config, LoopConfig) else None
    opened = sum(result.stages[Leg.RECEIVING].values())
    sent = result.send_seconds or 0.0
    send = sending(result, loop.smtp if loop else None)
    way = delivery(result, sent)
    happened = max([sent + opened, *(span.end for span in (send, way) if span)])
    if result.sent_at is not None:
        began = result.sent_at
    else:
        began = ended - timedelta(seconds=_bounded(result.total_seconds or opened))
    end = _bounded(happened if result.total_seconds is None else result.total_seconds)
    search = searching(result, config.imap if config else None, sent, end)
    root = Span(
        f"check {result.loop}",
        0.0,
        end,
        _facts(result),
        children=tuple(span for span in (send, way, search) if span),
        events=tuple(_moments(result, sent)),
        failed=result.sentence if result.status is Status.ERROR else None,
    )
    return Trace(began, within(root, 0.0, end))


def _facts(result: LoopResult) -> dict[str, AttributeValue]:
    own = {"error.type": result.error_type, "mail_loop.earlier_probes": len(result.earlier_probes) or None}
    return attributes_of({f"mail_loop.{name}": getattr(result, name) for name in _FACTS} | own)


def _moments(result: LoopResult, sent: float) -> list[Event]:
    moments = []
    if result.accepted_at is not None:
        moments.append(Event("accepted", sent, attributes_of({"mail_loop.queue_id": result.queue_id})))
    if result.delivery_seconds is not None:
        moments.append(
            Event("arrived", sent + result.delivery_seconds, attributes_of({"mail_loop.folder": result.folder}))
        )
    if result.detected_at is None or result.total_seconds is None:
        return moments
    if result.outcome is not Outcome.BOUNCED:
        moments.append(Event("detected", result.total_seconds))
    elif bounce := result.bounce:
        names = ("status", "diagnostic", "reporting_mta", "remote_mta")
        stated = {f"mail_loop.bounce.{name}": getattr(bounce, name) for name in names}
        moments.append(Event("bounced", result.total_seconds, attributes_of(stated)))
    return moments


def _bounded(seconds: float) -> float:
    return min(max(0.0, seconds), _MAX_SECONDS)
