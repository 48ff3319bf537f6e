"""From the facts of a check to its result: pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from tasks.mail.config.loop import ImapConfig, LoopConfig, SmtpConfig
from tasks.mail.config.mailbox import BounceMailbox
from tasks.mail.config.secrets import has_line_end, redactor_of
from tasks.mail.journey.journey import Journey, Known, journey
from tasks.mail.model.cause import Cause
from tasks.mail.model.errors import ImapFailure, SmtpFailure
from tasks.mail.model.facts import Arrival, Receipt
from tasks.mail.model.header import in_range
from tasks.mail.model.journey_record import TlsRecord
from tasks.mail.model.outcome import ErrorType, Outcome, Status
from tasks.mail.model.redaction.redactor import NOTHING, Redactor
from tasks.mail.model.result import LoopResult
from tasks.mail.probe.compose import Probe
from tasks.mail.search.cleanup.ledger import lines
from tasks.mail.search.clocks import clock_skew, clock_step, delivery_seconds
from tasks.mail.senders.attempts import Attempts
from tasks.mail.verdict import bounce
from tasks.mail.verdict.journey import clock_notes, signature_notes, wrong_clocks
from tasks.mail.verdict.judge import judge
from tasks.mail.verdict.phrases import refusal_notes
from tasks.mail.verdict.remedies import YOU, whoever_runs
from tasks.mail.verdict.times import times


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
    facts = times(attempts, sent, found)
    notes = configuration_notes(loop.smtp, loop.imap, loop.bounce_mailbox) + notes
    if isinstance(sent, Receipt):
        facts |= _sent(sent)
        notes += refusal_notes(loop.smtp, sent, attempts.errors)
    else:
        facts |= {
            "response_code": sent.smtp_code,
            "smtp_code": sent.smtp_code,
            "response_message": sent.reply,
            "enhanced_code": sent.enhanced_code,
            "smtp_stages": sent.stages,
        }
    if found is not None:
        facts |= {"imap_stages": dict(found.stages)}
    if isinstance(found, Arrival):
        facts |= {"earlier_probes": found.earlier}
        notes += tuple(lines(found.earlier))
    if isinstance(sent, Receipt) and isinstance(found, Arrival):
        facts |= _found(sent, found) | {"bounce": found.bounce or found.delay}
        notes += (*bounce.notes(found), *found.notes, *bounce.unread_notes(loop, found))
        notes += _clock_note(sent, found, way)
        notes += (*clock_notes(way), *signature_notes(way)) if way else ()
    if isinstance(sent, Receipt):
        legs = {"smtp": sent.tls, "imap": found.tls if isinstance(found, Arrival) else None}
        facts |= {"tls": {leg: _with_days_left(tls, sent.started.utc) for leg, tls in legs.items() if tls is not None}}
    result = LoopResult(
        loop=loop.name,
        status=verdict.status,
        outcome=verdict.outcome,
        sentence=verdict.sentence,
        who_acts=verdict.who_acts or _who_acts(loop, sent, attempts, way),
        leg=verdict.leg,
        stage=verdict.stage,
        error_type=verdict.error_type,
        error_msg=verdict.error_msg,
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
        notes=verdict.notes + notes,
        flow_run_id=flow_run_id,
        journey=way.record if way else None,
        attempt_times=tuple(attempts.times),
        **facts,
    )
    return redact.whole(result)


def _who_acts(loop: LoopConfig, sent: Receipt | SmtpFailure, attempts: Attempts, way: Journey | None) -> str | None:
    """Who must act on what the notes tell alone."""
    if isinstance(sent, Receipt) and sent.certain and attempts.errors:
        return f"{whoever_runs(loop.smtp.host)}, if that took too long"
    if way and way.own_skew:
        return YOU
    return whoever_runs(" and ".join(off)) if way and (off := wrong_clocks(way)) else None


def _journey(
    loop: LoopConfig, probe: Probe, sent: Receipt | SmtpFailure, found: Arrival | ImapFailure | None, redact: Redactor
) -> Journey | None:
    if loop.imap is None or not (isinstance(sent, Receipt) and isinstance(found, Arrival) and found.message):
        return None
    known = Known(
        sent=sent.started.utc,
        detected=sent.started.utc_at(found.detected),
        accepted=sent.started.utc_at(sent.accepted) if sent.certain else None,
        internaldate=date if in_range(date := found.first.internaldate) else None,
        body=probe.content.partition(b"\r\n\r\n")[2],
        number=probe.id,
    )
    return journey(found.message, known, loop.imap.authserv_id, found.copy, found.signatures, redact)


def _with_days_left(tls: TlsRecord, now: datetime) -> TlsRecord:
    return tls if tls.not_after is None else replace(tls, days_left=(tls.not_after - now).days)


def misconfigured(name: str, reason: str, flow_run_id: str | None = None, cause: Cause | None = None) -> LoopResult:
    """The result of a check whose configuration is wrong: nothing was sent."""
    return LoopResult(
        loop=name,
        status=Status.ERROR,
        outcome=Outcome.MISCONFIGURED,
        sentence=f"The configuration is wrong, so nothing was sent: {reason}" + ("" if reason.endswith("?") else "."),
        who_acts=YOU,
        error_type=ErrorType.CONFIGURATION,
        error_msg=reason,
        cause=cause,
        flow_run_id=flow_run_id,
    )


def skipped(name: str, reason: str, flow_run_id: str | None = None, cause: Cause | None = None) -> LoopResult:
    """The result of a check that did not begin. A warning: it is no failure of mail, and no proof of the contrary."""
    return LoopResult(
        loop=name,
        status=Status.WARNING,
        outcome=Outcome.SKIPPED,
        sentence=f"Nothing was sent: {reason}.",
        error_msg=reason,
        cause=cause,
        flow_run_id=flow_run_id,
    )


def broken(name: str, error: BaseException, redact: Redactor = NOTHING, flow_run_id: str | None = None) -> LoopResult:
    """The result of a check that broke: the tool has failed, and nothing is known of the mail."""
    reason = redact.line(f"{type(error).__name__}: {error}")
    return LoopResult(
        loop=name,
        status=Status.ERROR,
        outcome=Outcome.UNVERIFIED,
        sentence=f"The check itself failed ({reason}), so whether the mail arrived is not known: see its log.",
        who_acts=YOU,
        error_type=ErrorType.UNEXPECTED,
        error_msg=reason,
        flow_run_id=flow_run_id,
    )


def configuration_notes(
    smtp: SmtpConfig | None, imap: ImapConfig | None, bounce_mailbox: BounceMailbox | None = None
) -> tuple[str, ...]:
    """What a configuration gives up, said in every report."""
    notes = []
    for leg, config in (("smtp", smtp), ("imap", imap), ("bounce_mailbox", bounce_mailbox)):
        if config is None:
            continue
        if not config.verify and config.tls != "none":
            notes.append(f"{leg}.verify is false: the certificate of {config.host} is not verified.")
        if config.tls == "none" and config.username is not None:
            notes.append(f"{leg}.tls is none: the login at {config.host} is not encrypted.")
        if has_line_end(config):
            notes.append(f"The password of {leg} ends with a line end, which is taken off: store it without.")
    return tuple(notes)


def _sent(sent: Receipt) -> dict[str, object]:
    return {
        "response_code": sent.smtp_code,
        "response_message": sent.response,
        "enhanced_code": sent.enhanced_code,
        "queue_id": sent.queue_id,
        "accepted_at": sent.started.utc_at(sent.accepted) if sent.certain else None,
        "send_seconds": sent.accepted.since(sent.started),
        "smtp_stages": dict(sent.stages),
    }


def _found(sent: Receipt, found: Arrival) -> dict[str, object]:
    if not found.hits and found.bounce is None:
        return {}
    facts: dict[str, object] = {"detected_at": sent.started.utc_at(found.detected)}
    if found.hits:
        first = found.first
        facts |= {
            "arrived_at": first.internaldate if in_range(first.internaldate) else None,
            "delivery_seconds": delivery_seconds(sent, found),
            "folder": first.folder,
            "placement": first.placement,
            "copies": len(found.hits),
            "matched_uids": tuple(hit.uid for hit in found.hits),
            "latest_internaldate": max(filter(in_range, (hit.internaldate for hit in found.hits)), default=None),
        }
    return facts


def _clock_note(sent: Receipt, found: Arrival, way: Journey | None) -> tuple[str, ...]:
    """A clock that is not to be trusted. Where it is this machine's, nothing is said of the mail server's."""
    if step := clock_step(sent, found):
        jump = f"{'forward' if step > 0 else 'back'} by {abs(step):.0f} s"
        return (f"This machine's clock jumped {jump} during the check; the times here do not follow it.",)
    if found.hits and not in_range(found.first.internaldate):
        said = "its INTERNALDATE cannot be read or is out of range"
        return (f"The mail server has no date of the message ({said}), so times are measured by this machine's clock.",)
    if not (skew := clock_skew(sent, found)) or (way and way.own_skew):
        return ()
    off = "fast" if skew > 0 else "slow"
    return (f"The mail server's clock is at least {abs(skew):.0f} s {off}, so times are measured by this machine's.",)
