"""Judging: pure functions from facts to a verdict."""

from __future__ import annotations

from collections.abc import Sequence

from tasks.mail.config.addresses import endpoint
from tasks.mail.config.loop import ImapConfig, LoopConfig, SmtpConfig
from tasks.mail.config.mailbox import MailboxConfig
from tasks.mail.journey.journey import Journey
from tasks.mail.model.cause import Cause
from tasks.mail.model.errors import ImapFailure, SmtpFailure
from tasks.mail.model.facts import Arrival, Receipt
from tasks.mail.model.outcome import ErrorType, Outcome, Status
from tasks.mail.model.result import AttemptRecord, BounceRecord
from tasks.mail.model.safe_text import one_line
from tasks.mail.verdict import bounce as returned
from tasks.mail.verdict.delivered import arrived, as_it_came
from tasks.mail.verdict.phrases import (
    Verdict,
    follow,
    queued,
    severity,
    unreadable,
)
from tasks.mail.verdict.remedies import Remedy, whoever_runs
from tasks.mail.verdict.unsent import not_sent
from tasks.mail.verdict.warnings import Concern, concerns, tempered
from tasks.mail.verdict.why import relay_remedy, why_returned, why_unreadable


def judge(
    loop: LoopConfig,
    sent: Receipt | SmtpFailure,
    found: Arrival | ImapFailure | None,
    errors: Sequence[AttemptRecord] = (),
    journey: Journey | None = None,
) -> Verdict:
    """Judge one check from what its steps returned. `found` is None where nothing was looked for."""
    if isinstance(sent, SmtpFailure):
        return not_sent(loop.smtp, sent, max(len(errors), 1))
    mailbox = loop.imap or loop.bounce_mailbox
    if found is None or mailbox is None:
        return _outbound_only(loop, sent, None)
    if isinstance(found, ImapFailure):
        return _unreadable(loop.smtp, mailbox, sent, found)
    if found.hits and loop.imap is not None:
        return as_it_came(arrived(loop, loop.imap, sent, found, errors, journey), journey)
    if found.bounce is not None:
        return _bounced(loop, found.bounce)
    if loop.imap is None:
        return _outbound_only(loop, sent, found)
    if sent.doubt is not None:
        return _in_doubt(
            loop.smtp, sent.doubt, f"and it did not arrive within {loop.limits.max_wait:g} s, so it was not accepted"
        )
    return _lost(loop, loop.imap, sent, found)


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
        cause=doubt.cause,
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
        cause=why_unreadable(mailbox, failure),
    )


def _bounced(loop: LoopConfig, bounce: BounceRecord) -> Verdict:
    by = one_line(bounce.remote_mta or bounce.reporting_mta) or "a mail server"
    reason = returned.reason(bounce) or "no reason given"
    cause = why_returned(bounce)
    remedy = relay_remedy(cause, loop.smtp, by) or Remedy("ask the postmaster there", whoever_runs(by))
    sentence = f"The message to {loop.smtp.to_addr} bounced at {by} ({reason}): {remedy.words}."
    return Verdict(
        Status.ERROR,
        Outcome.BOUNCED,
        sentence,
        "imap",
        "search",
        ErrorType.BOUNCED,
        reason,
        who_acts=remedy.who,
        cause=cause,
    )


def _lost(loop: LoopConfig, imap: ImapConfig, sent: Receipt, found: Arrival) -> Verdict:
    text = f"not found in the mailbox of {imap.username} at {imap.host} within {loop.limits.max_wait:g} s"
    full = next((quota for quota in found.quotas if quota.is_full), None)
    cause = Cause.MAILBOX_FULL if full else why_returned(found.delay) if found.delay else None
    if full is not None:
        bounce = "and no bounce came" if loop.bounce_mailbox else "and a bounce would not fit in either"
        why = f", for that mailbox is full ({full.words}), {bounce}: make room in it, or raise its quota"
        who = f"the owner of the mailbox of {imap.username} at {imap.host}"
    elif found.delay is not None:
        why = f"; {returned.still_trying(found.delay).rstrip('.')}; {follow(loop.smtp, sent)}"
        who = whoever_runs(returned.who_tries(found.delay))
    else:
        may = "it waits in a queue, was dropped on the way, or a filter rule of the mailbox discarded it"
        if left := len(found.not_looked_at):
            one = "the folder that was" if left == 1 else f"one of {left} folders that were"
            may = f"it lies in {one} not looked at (see the notes), {may}"
        why = f", and no bounce came; {may}: {follow(loop.smtp, sent)}"
        who = f"{whoever_runs(loop.smtp.host)}, then the next server that its log names"
    sentence = f"Mail does not arrive: {loop.smtp.host} accepted the message{queued(sent)}, but it was {text}{why}."
    status = severity(imap.no_recent_message_severity)
    return Verdict(
        status, Outcome.LOST, sentence, "imap", "search", ErrorType.NO_MESSAGE, text, who_acts=who, cause=cause
    )
