"""Judging: pure functions from facts to a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from tasks.mail.config import ImapConfig, Limits, LoopConfig, SmtpConfig
from tasks.mail.errors import ImapFailure, SmtpFailure
from tasks.mail.facts import Arrival, AttemptError, Bounce, ErrorType, Hit, Placement, Receipt
from tasks.mail.redaction import secrets_of, without
from tasks.mail.result import Outcome, Status

INTERNALDATE_GRAIN = timedelta(seconds=1)  # it is cut off to the whole second, so the truth lies up to one later
CLOCK_SLACK = 2 * INTERNALDATE_GRAIN  # two clocks that are no further apart are not told to be


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a check ended, and one sentence a person can act on."""

    status: Status
    outcome: Outcome
    sentence: str
    leg: Literal["smtp", "imap"] | None = None
    stage: str | None = None
    error_type: ErrorType | None = None
    error_msg: str | None = None


def judge(
    loop: LoopConfig,
    sent: Receipt | SmtpFailure,
    found: Arrival | ImapFailure | None,
    errors: Sequence[AttemptError] = (),
) -> Verdict:
    """Judge one check from what its steps returned. `found` is None where nothing was looked for."""
    if isinstance(sent, SmtpFailure):
        return _not_sent(loop.smtp, sent, max(len(errors), 1))
    if loop.imap is None or found is None:
        return _outbound_only(loop.smtp, sent)
    if isinstance(found, ImapFailure):
        return _unreadable(loop.smtp, loop.imap, sent, found)
    if found.hits:
        return _arrived(loop, loop.imap, sent, found)
    if found.bounce is not None:
        return _bounced(loop.smtp, found.bounce)
    if sent.doubt is not None:
        return _in_doubt(
            loop.smtp, sent.doubt, f"and it did not arrive within {loop.limits.max_wait:g} s, so it was not accepted"
        )
    return _lost(loop, loop.imap, sent)


def delivery_seconds(sent: Receipt, found: Arrival) -> float:
    """Seconds from the acceptance to the mailbox, never less than the truth if the mail server's clock is right.

    The mail server's clock is believed only within the time that passed here; otherwise detection is the bound.
    """
    elapsed = found.detected.since(sent.accepted)
    if clock_skew(sent, found) or not found.hits:
        return elapsed
    by_server = first_arrival(found).internaldate + INTERNALDATE_GRAIN - sent.started.utc_at(sent.accepted)
    return max(0.0, min(elapsed, by_server.total_seconds()))


def clock_skew(sent: Receipt, found: Arrival) -> float:
    """Seconds by which the mail server's clock is recognisably off: positive if it is fast; 0.0 if it may be right."""
    if not found.hits:
        return 0.0
    arrived = first_arrival(found).internaldate
    earliest, latest = sent.started.utc, sent.started.utc_at(found.detected)
    if arrived < earliest - CLOCK_SLACK:
        return (arrived - earliest).total_seconds()
    if arrived > latest + CLOCK_SLACK:
        return (arrived - latest).total_seconds()
    return 0.0


def clock_step(sent: Receipt, found: Arrival) -> float:
    """Seconds by which this machine's clock was set during the check: positive if forward; 0.0 if it just went on."""
    step = found.detected.utc - sent.started.utc_at(found.detected)
    return step.total_seconds() if abs(step) > CLOCK_SLACK else 0.0


def first_arrival(found: Arrival) -> Hit:
    """The copy that decides where and when: the earliest in the expected folder, else the earliest elsewhere."""
    return min(found.hits, key=lambda hit: (list(Placement).index(hit.placement), hit.internaldate, hit.uid))


def _not_sent(smtp: SmtpConfig, failure: SmtpFailure, attempts: int) -> Verdict:
    relay, said = f"{smtp.host}:{smtp.port}", _said(failure)
    outcome = Outcome.UNSENT
    match failure.error_type:
        case ErrorType.TEMPORARY:
            outcome = Outcome.DEFERRED
            tries = "on its only attempt" if attempts == 1 else f"on all {attempts} attempts"
            sentence = (
                f"The relay {relay} refused the message for now {tries} ({said}): "
                "see its log for the reason, or raise smtp.retries and smtp.retry_delay."
            )
        case ErrorType.AUTH:
            outcome = Outcome.REJECTED
            sentence = f"No login at the relay {relay} ({said}): check smtp.username and its password."
        case ErrorType.TLS:
            sentence = f"No secure connection to the relay {relay} ({said}): check its certificate and smtp.tls."
        case ErrorType.TIMEOUT:
            sentence = f"The relay {relay} did not answer ({said}): see whether it is overloaded or its port filtered."
        case ErrorType.CONNECTION:
            sentence = f"The relay {relay} could not be used ({said}): see whether it is up and its port open."
        case ErrorType.UNEXPECTED:
            sentence = f"The check itself failed while sending through {relay} ({said}): see the log of this run."
        case _ if failure.smtp_code is not None and failure.smtp_code >= 500:
            outcome = Outcome.REJECTED
            whom = f" for {smtp.to_addr}" if failure.error_type is ErrorType.RECIPIENT else ""
            sentence = f"The relay {relay} refused the message{whom} ({said}): ask its postmaster."
        case _:
            sentence = f"The relay {relay} did not do as SMTP asks ({said}): check smtp.host, port and tls."
    return Verdict(Status.ERROR, outcome, sentence, "smtp", failure.stage, failure.error_type, failure.text)


def _outbound_only(smtp: SmtpConfig, sent: Receipt) -> Verdict:
    if sent.doubt is not None:
        return _in_doubt(smtp, sent.doubt, "and no mailbox is configured that could tell whether it was accepted")
    return Verdict(
        Status.OK,
        Outcome.DELIVERED,
        f"The relay {smtp.host}:{smtp.port} accepted the message{_queued(sent)}; whether it arrives was not looked at.",
    )


def _in_doubt(smtp: SmtpConfig, doubt: SmtpFailure, rest: str) -> Verdict:
    sentence = (
        f"The relay {smtp.host}:{smtp.port} took the message but never confirmed it ({doubt.text}), {rest}: "
        "see its log around the time of sending."
    )
    return Verdict(Status.ERROR, Outcome.UNSENT, sentence, "smtp", doubt.stage, doubt.error_type, doubt.text)


def _unreadable(smtp: SmtpConfig, imap: ImapConfig, sent: Receipt, failure: ImapFailure) -> Verdict:
    accepted = f"The relay {smtp.host}:{smtp.port} accepted the message{_queued(sent)}"
    if sent.doubt is not None:
        accepted = f"The relay {smtp.host}:{smtp.port} took the message but never confirmed it ({sent.doubt.text})"
    return Verdict(
        Status.ERROR,
        Outcome.UNVERIFIED,
        f"{accepted}, but {unreadable(imap, failure)}",
        "imap",
        failure.stage,
        failure.error_type,
        failure.text,
    )


def unreadable(imap: ImapConfig, failure: ImapFailure) -> str:
    """The half sentence about a mailbox that could not be read, with the remedy."""
    remedy = {
        ErrorType.AUTH: "check imap.username and its password",
        ErrorType.TLS: "check its certificate and imap.tls",
        ErrorType.IMAP: "see the server's log, and check imap.folder",
        ErrorType.UNEXPECTED: "see the log of this run",
    }.get(failure.error_type, "see whether the server is up and its port open")
    return (
        f"the mailbox of {imap.username} at {imap.host}:{imap.port} could not be read ({_said(failure)}), "
        f"which says nothing about the mail: {remedy}."
    )


def _arrived(loop: LoopConfig, imap: ImapConfig, sent: Receipt, found: Arrival) -> Verdict:
    hit, seconds = first_arrival(found), delivery_seconds(sent, found)
    after = f"{_seconds(seconds)} after {loop.smtp.host} accepted it{_settled(sent)}"
    if hit.placement is Placement.JUNK:
        sentence = f"The message arrived as junk in {hit.folder} {after}: see the spam filter's reasons in its header."
        return Verdict(severity(imap.junked_severity), Outcome.JUNKED, sentence)
    if hit.placement is Placement.OTHER:
        sentence = f"The message arrived in {hit.folder} instead of {imap.folder} {after}: look for a filter rule."
        return Verdict(severity(imap.misplaced_severity), Outcome.MISPLACED, sentence)
    if len(found.hits) > 1:
        folders = ", ".join(sorted({copy.folder for copy in found.hits}))
        sentence = f"The message arrived {len(found.hits)} times ({folders}), first {after}: look for a double route."
        return Verdict(Status.WARNING, Outcome.DUPLICATED, sentence)
    if _is_late(loop.limits, seconds):
        sentence = (
            f"Mail is slow: the message arrived in {hit.folder} {after}, later than {loop.limits.warn_after:g} s"
            f"{_follow(loop.smtp, sent)}."
        )
        return Verdict(Status.WARNING, Outcome.LATE, sentence)
    return Verdict(Status.OK, Outcome.DELIVERED, f"Mail gets through: the message arrived in {hit.folder} {after}.")


def _bounced(smtp: SmtpConfig, bounce: Bounce) -> Verdict:
    by = bounce.remote_mta or bounce.reporting_mta or "a mail server"
    told = " ".join(part for part in (bounce.status, bounce.diagnostic) if part)
    reason = without(secrets_of(smtp), told) or "no reason given"  # the relay knows the password
    sentence = f"The message to {smtp.to_addr} bounced at {by} ({reason}): ask the postmaster there."
    return Verdict(Status.ERROR, Outcome.BOUNCED, sentence, "imap", "search", ErrorType.BOUNCED, reason)


def _lost(loop: LoopConfig, imap: ImapConfig, sent: Receipt) -> Verdict:
    text = f"not found in the mailbox of {imap.username} at {imap.host} within {loop.limits.max_wait:g} s"
    sentence = (
        f"Mail does not arrive: {loop.smtp.host} accepted the message{_queued(sent)}, but it was {text}"
        f"{_follow(loop.smtp, sent)}."
    )
    status = severity(imap.no_recent_message_severity)
    return Verdict(status, Outcome.LOST, sentence, "imap", "search", ErrorType.NO_MESSAGE, text)


def _said(failure: SmtpFailure | ImapFailure) -> str:
    return f"at {failure.stage}: {failure.text.rstrip('.')}"


def severity(configured: Literal["warning", "critical"]) -> Status:
    return Status.WARNING if configured == "warning" else Status.ERROR


def _is_late(limits: Limits, seconds: float) -> bool:
    return limits.warn_after is not None and seconds > limits.warn_after


def _queued(sent: Receipt) -> str:
    return f" as {sent.queue_id}" if sent.queue_id else ""


def _follow(smtp: SmtpConfig, sent: Receipt) -> str:
    """Where to go on: the relay's log is the first place that knows more."""
    return f"; follow {sent.queue_id} in the log of {smtp.host}" if sent.queue_id else f"; see the log of {smtp.host}"


def _settled(sent: Receipt) -> str:
    return "" if sent.doubt is None else f" (never confirmed: {sent.doubt.text}; in doubt, settled by arrival)"


def _seconds(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 100 else f"{seconds:.0f} s"
