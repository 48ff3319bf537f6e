"""Judging: pure functions from facts to a verdict."""

from __future__ import annotations

from collections.abc import Sequence

from tasks.mail import returned
from tasks.mail.advice import advice, is_greylisting, renewal
from tasks.mail.arrived import arrived
from tasks.mail.concerns import Concern, concerns, tempered
from tasks.mail.config import ImapConfig, LoopConfig, SmtpConfig
from tasks.mail.errors import ImapFailure, SmtpFailure, enhanced_code
from tasks.mail.facts import Arrival, AttemptError, Bounce, ErrorType, Receipt
from tasks.mail.journey.journey import Journey
from tasks.mail.judgement import Verdict, exempted, follow, queued, said, severity, unreadable
from tasks.mail.mailboxes import MailboxConfig
from tasks.mail.redaction import line_without
from tasks.mail.result import Outcome, Status


def judge(
    loop: LoopConfig,
    sent: Receipt | SmtpFailure,
    found: Arrival | ImapFailure | None,
    errors: Sequence[AttemptError] = (),
    journey: Journey | None = None,
) -> Verdict:
    """Judge one check from what its steps returned. `found` is None where nothing was looked for."""
    if isinstance(sent, SmtpFailure):
        return _not_sent(loop.smtp, sent, max(len(errors), 1))
    mailbox = loop.imap or loop.bounce_mailbox
    if found is None or mailbox is None:
        return _outbound_only(loop, sent, None)
    if isinstance(found, ImapFailure):
        return _unreadable(loop.smtp, mailbox, sent, found)
    if found.hits and loop.imap is not None:
        return arrived(loop, loop.imap, sent, found, errors, journey)
    if found.bounce is not None:
        return _bounced(loop, found.bounce)
    if loop.imap is None:
        return _outbound_only(loop, sent, found)
    if sent.doubt is not None:
        return _in_doubt(
            loop.smtp, sent.doubt, f"and it did not arrive within {loop.limits.max_wait:g} s, so it was not accepted"
        )
    return _lost(loop, loop.imap, sent, found)


def _not_sent(smtp: SmtpConfig, failure: SmtpFailure, attempts: int) -> Verdict:
    relay, words = f"{smtp.host}:{smtp.port}", said(failure)
    remedy = advice(failure.enhanced_code, smtp.to_addr)
    outcome = Outcome.UNSENT
    match failure.error_type:
        case ErrorType.TEMPORARY:
            outcome = Outcome.DEFERRED
            tries = "on its only attempt" if attempts == 1 else f"on all {attempts} attempts"
            if is_greylisting(failure.text):
                sentence = (
                    f"The relay {relay} greylists the message and refused it {tries} ({words}): "
                    f"raise smtp.retries and smtp.retry_delay, or have {exempted(smtp)}."
                )
            else:
                remedy = remedy or "see its log for the reason, or raise smtp.retries and smtp.retry_delay"
                sentence = f"The relay {relay} refused the message for now {tries} ({words}): {remedy}."
        case ErrorType.AUTH:
            outcome = Outcome.REJECTED
            sentence = f"No login at the relay {relay} ({words}): check smtp.username and its password."
        case ErrorType.TLS:
            remedy = renewal(failure.text) or "check its certificate and smtp.tls"
            sentence = f"No secure connection to the relay {relay} ({words}): {remedy}."
        case ErrorType.TIMEOUT:
            sentence = f"The relay {relay} did not answer ({words}): see whether it is overloaded or its port filtered."
        case ErrorType.CONNECTION:
            sentence = f"The relay {relay} could not be used ({words}): see whether it is up and its port open."
        case ErrorType.UNEXPECTED:
            sentence = f"The check itself failed while sending through {relay} ({words}): see the log of this run."
        case _ if failure.smtp_code is not None and failure.smtp_code >= 500:
            outcome = Outcome.REJECTED
            whom = f" for {smtp.to_addr}" if failure.error_type is ErrorType.RECIPIENT else ""
            sentence = f"The relay {relay} refused the message{whom} ({words}): {remedy or 'ask its postmaster'}."
        case _:
            sentence = f"The relay {relay} did not do as SMTP asks ({words}): check smtp.host, port and tls."
    return Verdict(Status.ERROR, outcome, sentence, "smtp", failure.stage, failure.error_type, failure.text)


def _outbound_only(loop: LoopConfig, sent: Receipt, found: Arrival | None) -> Verdict:
    """Without the recipient's mailbox; `found` is what there was in the mailbox for bounces, if that was looked at."""
    within = f"no bounce came within {loop.limits.max_wait:g} s" if found is not None else ""
    if sent.doubt is not None:
        rest = "and no mailbox is configured that could tell whether it was accepted"
        return _in_doubt(loop.smtp, sent.doubt, rest + (f" ({within})" if within else ""))
    accepted = f"The relay {loop.smtp.host}:{loop.smtp.port} accepted the message{queued(sent)}"
    sentence = f"{accepted}{f', and {within}' if within else ''}; whether it arrives was not looked at."
    listed = concerns(loop, sent, None, None)
    if found is not None and found.delay is not None:
        listed = (Concern(f"{returned.still_trying(found.delay, returned.secrets(loop)).rstrip('.')}"), *listed)
    return tempered(Verdict(Status.OK, Outcome.DELIVERED, sentence), listed)


def _in_doubt(smtp: SmtpConfig, doubt: SmtpFailure, rest: str) -> Verdict:
    sentence = (
        f"The relay {smtp.host}:{smtp.port} took the message but never confirmed it ({doubt.text}), {rest}: "
        "see its log around the time of sending."
    )
    return Verdict(Status.ERROR, Outcome.UNSENT, sentence, "smtp", doubt.stage, doubt.error_type, doubt.text)


def _unreadable(smtp: SmtpConfig, mailbox: MailboxConfig, sent: Receipt, failure: ImapFailure) -> Verdict:
    accepted = f"The relay {smtp.host}:{smtp.port} accepted the message{queued(sent)}"
    if sent.doubt is not None:
        accepted = f"The relay {smtp.host}:{smtp.port} took the message but never confirmed it ({sent.doubt.text})"
    return Verdict(
        Status.ERROR,
        Outcome.UNVERIFIED,
        f"{accepted}, but {unreadable(mailbox, failure)}",
        "imap",
        failure.stage,
        failure.error_type,
        failure.text,
    )


def _bounced(loop: LoopConfig, bounce: Bounce) -> Verdict:
    hidden = returned.secrets(loop)
    by = line_without(hidden, bounce.remote_mta or bounce.reporting_mta) or "a mail server"
    reason = returned.reason(bounce, hidden) or "no reason given"
    code = enhanced_code(bounce.diagnostic.partition(" ")[2]) or bounce.status
    remedy = advice(code, loop.smtp.to_addr) or "ask the postmaster there"
    sentence = f"The message to {loop.smtp.to_addr} bounced at {by} ({reason}): {remedy}."
    return Verdict(Status.ERROR, Outcome.BOUNCED, sentence, "imap", "search", ErrorType.BOUNCED, reason)


def _lost(loop: LoopConfig, imap: ImapConfig, sent: Receipt, found: Arrival) -> Verdict:
    text = f"not found in the mailbox of {imap.username} at {imap.host} within {loop.limits.max_wait:g} s"
    full = next((quota for quota in found.quotas if quota.is_full), None)
    if full is not None:
        bounce = "and no bounce came" if loop.bounce_mailbox else "so a bounce would not have come in either"
        why = f"; that mailbox is full ({full.words}), {bounce}: make room in it, or raise its quota"
    elif found.delay is not None:
        trying = returned.still_trying(found.delay, returned.secrets(loop)).rstrip(".")
        why = f"; {trying}; {follow(loop.smtp, sent)}"
    else:
        may = "it waits in a queue, was dropped on the way, or a filter rule of the mailbox discarded it"
        why = f", and no bounce came; {may}: {follow(loop.smtp, sent)}"
    sentence = f"Mail does not arrive: {loop.smtp.host} accepted the message{queued(sent)}, but it was {text}{why}."
    status = severity(imap.no_recent_message_severity)
    return Verdict(status, Outcome.LOST, sentence, "imap", "search", ErrorType.NO_MESSAGE, text)
