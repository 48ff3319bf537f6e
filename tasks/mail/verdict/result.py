"""From the facts of a check to its result."""

from __future__ import annotations

from tasks.mail.config.loop import LoopConfig
from tasks.mail.config.secrets import redactor_of
from tasks.mail.journey.journey import Journey, Known, journey
from tasks.mail.model.errors import ImapFailure, SmtpFailure
from tasks.mail.model.facts import Arrival, Receipt
from tasks.mail.model.header import in_range
from tasks.mail.model.redaction.redactor import Redactor
from tasks.mail.model.result import LoopResult
from tasks.mail.probe.compose import Probe
from tasks.mail.search.cleanup.ledger import lines
from tasks.mail.senders.attempts import Attempts
from tasks.mail.verdict.fields import fields_of
from tasks.mail.verdict.judge import judge
from tasks.mail.verdict.notes import arrival_notes, configuration_notes, refusal_notes
from tasks.mail.verdict.remedies import YOU, whoever_runs


def conclude(
    loop: LoopConfig,
    probe: Probe,
    attempts: Attempts,
    sent: Receipt | SmtpFailure,
    found: Arrival | ImapFailure | None,
    flow_run_id: str | None = None,
    notes: tuple[str, ...] = (),
) -> LoopResult:
    """Judge a check and write down everything its steps returned, passwords hidden. `notes` go before theirs."""
    redact = redactor_of(loop)  # the relay knows one, and may write it anywhere
    found = redact.whole(found)  # before sentences are made of it, in which it is among words of ours
    way = _journey(loop, probe, sent, found, redact)
    verdict = judge(loop, sent, found, attempts.errors, way)
    told = [*verdict.notes, *configuration_notes(loop), *notes]
    if isinstance(sent, Receipt):
        told += refusal_notes(loop, sent, attempts.errors)
    if isinstance(found, Arrival):
        told += lines(found.earlier)
        if isinstance(sent, Receipt):
            told += arrival_notes(loop, sent, found, way)
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
        notes=tuple(told),
        flow_run_id=flow_run_id,
        journey=way.record if way else None,
        attempt_times=tuple(attempts.times),
        **fields_of(attempts, sent, found),
    )
    return redact.whole(result)


def _who_acts(loop: LoopConfig, sent: Receipt | SmtpFailure, attempts: Attempts, way: Journey | None) -> str | None:
    """Who must act on what the notes tell alone."""
    if isinstance(sent, Receipt) and sent.certain and attempts.errors:
        return f"{whoever_runs(loop.sender.host)}, if that took too long"
    if way is None or way.own_skew:
        return YOU if way else None
    off = list(dict.fromkeys(hop.by for hop in way.record.hops if hop.skew_seconds and hop.by))
    return whoever_runs(" and ".join(off)) if off else None


def _journey(
    loop: LoopConfig, probe: Probe, sent: Receipt | SmtpFailure, found: Arrival | ImapFailure | None, redact: Redactor
) -> Journey | None:
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
