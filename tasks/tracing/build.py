"""From the result of a check to its trace."""

from __future__ import annotations

from datetime import datetime, timedelta

from tasks.mail.config.loop import CheckConfig, LoopConfig
from tasks.mail.model.outcome import Leg, Outcome, Status
from tasks.mail.model.result import LoopResult
from tasks.tracing.legs import delivery, searching, sending
from tasks.tracing.spans import Event, Span, Trace, Value, known, within

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


def _facts(result: LoopResult) -> dict[str, Value]:
    return known(
        {
            "mail_loop.loop": result.loop,
            "mail_loop.status": result.status,
            "mail_loop.outcome": result.outcome,
            "mail_loop.sentence": result.sentence,
            "mail_loop.who_acts": result.who_acts,
            "mail_loop.cause": result.cause,
            "mail_loop.leg": result.leg,
            "mail_loop.stage": result.stage,
            "error.type": result.error_type,
            "mail_loop.attempts": result.attempts,
            "mail_loop.token": result.token,
            "mail_loop.probe_id": result.probe_id,
            "mail_loop.queue_id": result.queue_id,
            "mail_loop.send_seconds": result.send_seconds,
            "mail_loop.delivery_seconds": result.delivery_seconds,
            "mail_loop.total_seconds": result.total_seconds,
            "mail_loop.folder": result.folder,
            "mail_loop.placement": result.placement,
            "mail_loop.copies": result.copies,
            "mail_loop.earlier_probes": len(result.earlier_probes) or None,
            "mail_loop.flow_run_id": result.flow_run_id,
            "mail_loop.notes": result.notes,
        }
    )


def _moments(result: LoopResult, sent: float) -> list[Event]:
    moments = []
    if result.accepted_at is not None:
        moments.append(Event("accepted", sent, known({"mail_loop.queue_id": result.queue_id})))
    if result.delivery_seconds is not None:
        moments.append(Event("arrived", sent + result.delivery_seconds, known({"mail_loop.folder": result.folder})))
    if result.detected_at is None or result.total_seconds is None:
        return moments
    if result.outcome is not Outcome.BOUNCED:
        moments.append(Event("detected", result.total_seconds))
    elif bounce := result.bounce:
        said = {
            "mail_loop.bounce.status": bounce.status,
            "mail_loop.bounce.diagnostic": bounce.diagnostic,
            "mail_loop.bounce.reporting_mta": bounce.reporting_mta,
            "mail_loop.bounce.remote_mta": bounce.remote_mta,
        }
        moments.append(Event("bounced", result.total_seconds, known(said)))
    return moments


def _bounded(seconds: float) -> float:
    return min(max(0.0, seconds), _MAX_SECONDS)
