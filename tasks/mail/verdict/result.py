"""From the facts of a check to its result."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType

from tasks.mail.config.loop import LoopConfig
from tasks.mail.config.secrets import redactor_of
from tasks.mail.journey.journey import Journey, Known, journey
from tasks.mail.model.errors import MailboxFailure, SendFailure
from tasks.mail.model.facts import Arrival, Receipt
from tasks.mail.model.header import in_range
from tasks.mail.model.journey_record import TlsRecord
from tasks.mail.model.moment import Moment, Tried
from tasks.mail.model.outcome import Leg
from tasks.mail.model.redaction.redactor import Redactor
from tasks.mail.model.result import LoopResult, of_copies, of_leg
from tasks.mail.probe.compose import Probe
from tasks.mail.search.cleanup.ledger import earlier_lines
from tasks.mail.search.clocks import delivery_seconds
from tasks.mail.senders.registry import Attempts
from tasks.mail.verdict.judge import judge
from tasks.mail.verdict.notes import arrival_notes, configuration_notes, refusal_notes
from tasks.mail.verdict.remedies import YOU, whoever_runs

_Sent = Receipt | SendFailure
_Found = Arrival | MailboxFailure | None
_Fields = dict[str, object]


def conclude(
    loop: LoopConfig,
    probe: Probe,
    attempts: Attempts,
    sent: _Sent,
    found: _Found,
    flow_run_id: str | None = None,
    notes: tuple[str, ...] = (),
    refresh_ends: Mapping[str, datetime] = MappingProxyType({}),
) -> LoopResult:
    """Judge a check and write down everything its steps returned, passwords hidden. `notes` go before theirs.

    `refresh_ends`: when refresh tokens end, by section.
    """
    redact = redactor_of(loop)  # the relay knows one, and may write it anywhere
    found = redact.whole(found)  # before sentences are made of it, in which it is among words of ours
    way = _journey(loop, probe, sent, found, redact)
    verdict = judge(loop, sent, found, attempts.errors, way, refresh_ends)
    notes = (*verdict.notes, *configuration_notes(loop), *notes)
    if isinstance(sent, Receipt):
        notes += (*refusal_notes(loop, sent, attempts.errors),)
    if isinstance(found, Arrival):
        notes += (*earlier_lines(found.earlier),)
        if isinstance(sent, Receipt):
            notes += (*arrival_notes(loop, sent, found, way),)
    failure = verdict.failure
    result = LoopResult(
        loop=loop.name,
        status=verdict.status,
        outcome=verdict.outcome,
        sentence=verdict.sentence,
        who_acts=verdict.who_acts or _who_acts(loop, sent, attempts, way),
        leg=failure.leg.value if failure else None,
        stage=failure.stage if failure else None,
        error_type=failure.error_type if failure else None,
        error_msg=failure.text if failure else None,
        cause=verdict.cause,
        attempts=attempts.count,
        attempt_errors=tuple(attempts.errors),
        token=probe.token,
        probe_id=probe.id,
        subject=probe.subject,
        message_id=probe.message_id,
        from_=probe.from_addr,
        envelope_from=probe.envelope_from,
        to=probe.to_addr,
        sent_at=attempts.started.utc,
        notes=notes,
        flow_run_id=flow_run_id,
        journey=way.record if way else None,
        attempt_times=tuple(attempts.times),
        **_fields(attempts, sent, found),
    )
    return redact.whole(result)


def _who_acts(loop: LoopConfig, sent: _Sent, attempts: Attempts, way: Journey | None) -> str | None:
    """Who must act on what stands in the notes alone."""
    if isinstance(sent, Receipt) and sent.certain and attempts.errors:
        return f"{whoever_runs(loop.sender.host)}, if that took too long"
    if way is None or way.own_skew:
        return YOU if way else None
    off = list(dict.fromkeys(hop.by for hop in way.record.hops if hop.skew_seconds and hop.by))
    return whoever_runs(" and ".join(off)) if off else None


def _journey(loop: LoopConfig, probe: Probe, sent: _Sent, found: _Found, redact: Redactor) -> Journey | None:
    """How the message came, by the copy that decides, where that could be read."""
    mailbox = loop.mailbox
    if mailbox is None or not (isinstance(sent, Receipt) and isinstance(found, Arrival) and found.message):
        return None
    known = Known(
        sent=sent.started.utc,
        detected=sent.started.utc_at(found.detected),
        accepted=sent.started.utc_at(sent.accepted) if sent.certain else None,
        internaldate=date if in_range(date := found.first.arrived_at) else None,
        body=probe.content.partition(b"\r\n\r\n")[2],
        number=probe.id,
    )
    return journey(found.message, known, mailbox.authserv_id, found.copy, found.signatures, redact)


def _fields(attempts: Attempts, sent: _Sent, found: _Found) -> _Fields:
    fields = _times(attempts, sent, found) | {"response_code": sent.code, "enhanced_code": sent.enhanced_code}
    if isinstance(sent, Receipt):
        fields |= of_leg(Leg.SENDING, stages=dict(sent.stages)) | {
            "response_message": sent.response,
            "queue_id": sent.queue_id,
            "accepted_at": sent.started.utc_at(sent.accepted) if sent.certain else None,
            "send_seconds": sent.accepted.since(sent.started),
            "tls": _agreed(sent, found.tls if isinstance(found, Arrival) else None),
        }
    else:
        fields |= of_leg(Leg.SENDING, stages=sent.stages, code=sent.code) | {"response_message": sent.reply}
    if found is not None:
        fields |= of_leg(Leg.RECEIVING, stages=dict(found.stages))
    if isinstance(found, Arrival):
        fields |= {"earlier_probes": found.earlier} | (_found(sent, found) if isinstance(sent, Receipt) else {})
    return fields


def _times(attempts: Attempts, sent: _Sent, found: _Found) -> _Fields:
    """How long the check took, by the monotonic clock, pauses included.

    It ends with the detection, or else with the last thing that it did.
    """
    started = sent.started if isinstance(sent, Receipt) else attempts.started
    if found is None:
        if isinstance(sent, Receipt):
            return {"total_seconds": sent.accepted.since(started)}
        return {"total_seconds": attempts.times[-1][1]} if attempts.times else {}
    detected = isinstance(found, Arrival) and (found.hits or found.bounce)
    if found.tried is not None:
        return looked(found.tried, started, found.detected if isinstance(found, Arrival) and detected else None)
    return {"total_seconds": found.detected.since(started)} if isinstance(found, Arrival) else {}


def looked(tried: Tried, started: Moment, detected: Moment | None = None) -> _Fields:
    """The tries of the mailbox: those before the last, with their pauses, and the last, in seconds since `started`."""
    ended = (detected or tried.ended).since(started)
    # Once a bounce is seen the message is looked for once more: that look is behind the detection.
    first, last = (min(at.since(started), ended) for at in (tried.first, tried.last))
    spans = ((first, last), (last, ended)) if tried.count > 1 else ((first, ended),)
    return {"total_seconds": ended} | of_leg(Leg.RECEIVING, tries=tried.count, times=spans)


def _agreed(sent: Receipt, received: TlsRecord | None) -> dict[str, TlsRecord]:
    """What was agreed with the servers, by leg, for those that were encrypted."""
    now, legs = sent.started.utc, {Leg.SENDING.value: sent.tls, Leg.RECEIVING.value: received}
    return {
        leg: tls if tls.not_after is None else replace(tls, days_left=(tls.not_after - now).days)
        for leg, tls in legs.items()
        if tls is not None
    }


def _found(sent: Receipt, found: Arrival) -> _Fields:
    fields: _Fields = {"bounce": found.bounce or found.delay}
    if found.hits or found.bounce is not None:
        fields["detected_at"] = sent.started.utc_at(found.detected)
    if found.hits:
        first, dates = found.first, [hit.arrived_at for hit in found.hits if in_range(hit.arrived_at)]
        fields |= {
            "arrived_at": first.arrived_at if in_range(first.arrived_at) else None,
            "delivery_seconds": delivery_seconds(sent, found),
            "folder": first.folder,
            "placement": first.placement,
            **of_copies([hit.ref for hit in found.hits]),
            "latest_internaldate": max(dates, default=None),
        }
    return fields
