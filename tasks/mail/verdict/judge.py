"""Judging: pure functions from facts to a verdict."""

from __future__ import annotations

from collections.abc import Sequence

from tasks.mail.config.addresses import endpoint
from tasks.mail.config.loop import ImapConfig, LoopConfig, SmtpConfig
from tasks.mail.config.mailbox import MailboxConfig
from tasks.mail.journey.journey import Journey
from tasks.mail.model.errors import ImapFailure, SmtpFailure, enhanced_code
from tasks.mail.model.facts import Arrival, AttemptError, Bounce, Receipt
from tasks.mail.model.outcome import ErrorType, Outcome, Status
from tasks.mail.model.safe_text import one_line
from tasks.mail.verdict import bounce as returned
from tasks.mail.verdict.delivered import arrived
from tasks.mail.verdict.phrases import Verdict, exempted, follow, queued, reachable, said, secured, severity, unreadable
from tasks.mail.verdict.remedies import YOU, Remedy, advice, is_greylisting, whoever_runs
from tasks.mail.verdict.warnings import Concern, concerns, tempered


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
    relay, words = endpoint(smtp.host, smtp.port), said(failure)
    runs = whoever_runs(smtp.host)
    remedy = advice(failure.enhanced_code, smtp.to_addr, smtp.host)
    outcome = Outcome.UNSENT
    match failure.error_type:
        case ErrorType.TEMPORARY:
            outcome = Outcome.DEFERRED
            tries = {1: "on its only attempt", 2: "on both attempts"}.get(attempts, f"on all {attempts} attempts")
            if is_greylisting(failure.text):
                what = f"The relay {relay} greylists the message and refused it {tries}"
                remedy = Remedy(
                    f"raise smtp.retries and smtp.retry_delay, or have {exempted(smtp)}", f"{YOU}, or {runs}"
                )
            else:
                what = f"The relay {relay} refused the message for now {tries}"
                see = "see its log for the reason, or raise smtp.retries and smtp.retry_delay"
                remedy = remedy or Remedy(see, runs)
        case ErrorType.AUTH if failure.smtp_code is None:  # it was not asked to
            outcome, what = Outcome.REJECTED, f"The relay {relay} offers no login for {smtp.username}"
            in_clear = "set smtp.tls to starttls or implicit: most relays let nobody log in in clear"
            ports = "check smtp.host and port: a login is for port 587 or 465"
            remedy = Remedy(in_clear if smtp.tls == "none" else ports, f"{YOU}, or else {runs}")
        case ErrorType.AUTH:
            outcome, what = Outcome.REJECTED, f"The relay {relay} refused the login of {smtp.username}"
            remedy = Remedy("check smtp.username and its password", f"{YOU}, or else {runs}")
        case ErrorType.TLS:
            what, remedy = f"No secure connection to the relay {relay}", secured("smtp", smtp.host, failure.text)
        case ErrorType.TIMEOUT:
            what = f"The relay {relay} did not answer"
            remedy = Remedy("see whether it is overloaded or its port filtered", f"{runs}, or the network before it")
        case ErrorType.CONNECTION:
            what, remedy = f"The relay {relay} could not be used", reachable("smtp", smtp.host, failure)
        case ErrorType.UNEXPECTED:
            what = f"The check itself failed while sending through {relay}"
            remedy = Remedy("see the log of this run", YOU)
        case _ if failure.smtp_code is not None and failure.smtp_code >= 500:
            whom = f" for {smtp.to_addr}" if failure.error_type is ErrorType.RECIPIENT else ""
            outcome, what = Outcome.REJECTED, f"The relay {relay} refused the message{whom}"
            remedy = remedy or Remedy("ask its postmaster", runs)
        case _:
            what = f"The relay {relay} did not do as SMTP asks"
            remedy = Remedy("check smtp.host, port and tls", f"{YOU}, or else {runs}")
    return Verdict(
        Status.ERROR,
        outcome,
        f"{what} ({words}): {remedy.words}.",
        "smtp",
        failure.stage,
        failure.error_type,
        failure.text,
        who_acts=remedy.who,
    )


def _outbound_only(loop: LoopConfig, sent: Receipt, found: Arrival | None) -> Verdict:
    """Without the recipient's mailbox; `found` is what there was in the mailbox for bounces, if that was looked at."""
    within = f"no bounce came within {loop.limits.max_wait:g} s" if found is not None else ""
    if sent.doubt is not None:
        rest = "and no mailbox is configured that could tell whether it was accepted"
        return _in_doubt(loop.smtp, sent.doubt, rest + (f" ({within})" if within else ""))
    accepted = f"The relay {endpoint(loop.smtp.host, loop.smtp.port)} accepted the message{queued(sent)}"
    sentence = f"{accepted}{f', and {within}' if within else ''}; whether it arrives was not looked at."
    listed = concerns(loop, sent, None, None)
    if found is not None and found.delay is not None:
        trying = returned.still_trying(found.delay).rstrip(".")
        listed = (Concern(trying, whoever_runs(returned.who_tries(found.delay))), *listed)
    return tempered(Verdict(Status.OK, Outcome.DELIVERED, sentence), listed)


def _in_doubt(smtp: SmtpConfig, doubt: SmtpFailure, rest: str) -> Verdict:
    sentence = (
        f"The relay {endpoint(smtp.host, smtp.port)} took the message but never confirmed it ({doubt.text}), {rest}: "
        "see its log around the time of sending."
    )
    return Verdict(
        Status.ERROR,
        Outcome.UNSENT,
        sentence,
        "smtp",
        doubt.stage,
        doubt.error_type,
        doubt.text,
        who_acts=whoever_runs(smtp.host),
    )


def _unreadable(smtp: SmtpConfig, mailbox: MailboxConfig, sent: Receipt, failure: ImapFailure) -> Verdict:
    relay = endpoint(smtp.host, smtp.port)
    accepted = f"The relay {relay} accepted the message{queued(sent)}"
    if sent.doubt is not None:
        accepted = f"The relay {relay} took the message but never confirmed it ({sent.doubt.text})"
    why = unreadable(mailbox, failure)
    return Verdict(
        Status.ERROR,
        Outcome.UNVERIFIED,
        f"{accepted}, but {why.words}",
        "imap",
        failure.stage,
        failure.error_type,
        failure.text,
        who_acts=why.who,
    )


def _bounced(loop: LoopConfig, bounce: Bounce) -> Verdict:
    by = one_line(bounce.remote_mta or bounce.reporting_mta) or "a mail server"
    reason = returned.reason(bounce) or "no reason given"
    code = enhanced_code(bounce.diagnostic.partition(" ")[2]) or bounce.status
    remedy = advice(code, loop.smtp.to_addr, by) or Remedy("ask the postmaster there", whoever_runs(by))
    sentence = f"The message to {loop.smtp.to_addr} bounced at {by} ({reason}): {remedy.words}."
    return Verdict(
        Status.ERROR, Outcome.BOUNCED, sentence, "imap", "search", ErrorType.BOUNCED, reason, who_acts=remedy.who
    )


def _lost(loop: LoopConfig, imap: ImapConfig, sent: Receipt, found: Arrival) -> Verdict:
    text = f"not found in the mailbox of {imap.username} at {imap.host} within {loop.limits.max_wait:g} s"
    full = next((quota for quota in found.quotas if quota.is_full), None)
    if full is not None:
        bounce = "and no bounce came" if loop.bounce_mailbox else "and a bounce would not fit in either"
        why = f", for that mailbox is full ({full.words}), {bounce}: make room in it, or raise its quota"
        who = f"the owner of the mailbox of {imap.username} at {imap.host}"
    elif found.delay is not None:
        why = f"; {returned.still_trying(found.delay).rstrip('.')}; {follow(loop.smtp, sent)}"
        who = whoever_runs(returned.who_tries(found.delay))
    else:
        may = "it waits in a queue, was dropped on the way, or a filter rule of the mailbox discarded it"
        why = f", and no bounce came; {may}: {follow(loop.smtp, sent)}"
        who = f"{whoever_runs(loop.smtp.host)}, then the next server that its log names"
    sentence = f"Mail does not arrive: {loop.smtp.host} accepted the message{queued(sent)}, but it was {text}{why}."
    status = severity(imap.no_recent_message_severity)
    return Verdict(status, Outcome.LOST, sentence, "imap", "search", ErrorType.NO_MESSAGE, text, who_acts=who)
