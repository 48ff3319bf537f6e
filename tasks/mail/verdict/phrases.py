"""What a judgement is made of: a verdict, and the phrases that its sentences share. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tasks.mail.config.addresses import endpoint
from tasks.mail.config.loop import SmtpConfig
from tasks.mail.config.mailbox import BounceMailbox, MailboxConfig
from tasks.mail.model.cause import Cause
from tasks.mail.model.errors import ImapFailure, SmtpFailure
from tasks.mail.model.facts import Receipt
from tasks.mail.model.outcome import ErrorType, Outcome, Status
from tasks.mail.model.result import AttemptRecord
from tasks.mail.verdict.remedies import YOU, Remedy, whoever_runs
from tasks.mail.verdict.why import mailbox_remedy, relay_remedy, section_of, why_refused, why_unreadable

# Causes that the sentence has words of its own for.
# What a failure is taken for where nothing tells more of it.
USUAL = {ErrorType.AUTH: Cause.WRONG_PASSWORD, ErrorType.TLS: Cause.CERTIFICATE}
UNREACHED = frozenset({None, Cause.UNREACHABLE, Cause.NO_ANSWER, Cause.DROPPED, Cause.NAME_NOT_FOUND})


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a check ended, one sentence a person can act on, and which person: None where nobody need act."""

    status: Status
    outcome: Outcome
    sentence: str
    leg: Literal["smtp", "imap"] | None = None
    stage: str | None = None
    error_type: ErrorType | None = None
    error_msg: str | None = None
    notes: tuple[str, ...] = ()
    who_acts: str | None = None
    cause: Cause | None = None


def said(failure: SmtpFailure | ImapFailure) -> str:
    return f"at {failure.stage}: {failure.text.rstrip('.')}"


def severity(configured: Literal["warning", "critical"]) -> Status:
    return Status.WARNING if configured == "warning" else Status.ERROR


def queued(sent: Receipt) -> str:
    return f" as {sent.queue_id}" if sent.queue_id else ""


def follow(smtp: SmtpConfig, sent: Receipt) -> str:
    """Where to go on: the relay's log is the first place that knows more."""
    return f"follow {sent.queue_id} in the log of {smtp.host}" if sent.queue_id else f"see the log of {smtp.host}"


def settled(sent: Receipt) -> str:
    return "" if sent.doubt is None else f" (never confirmed: {sent.doubt.text}; in doubt, settled by arrival)"


def exempted(smtp: SmtpConfig) -> str:
    """Whom a relay should not greylist."""
    return "it greylist nobody who logs in" if smtp.username else "this machine exempted from greylisting there"


def refusal_notes(smtp: SmtpConfig, sent: Receipt, errors: Sequence[AttemptRecord]) -> tuple[str, ...]:
    """How a relay that took the message in the end had refused it before."""
    if not errors or not sent.certain:
        return ()
    first, relay, cause = errors[0], endpoint(smtp.host, smtp.port), why_refused(errors[0])
    times = "once" if len(errors) == 1 else f"{len(errors)} times"
    what = f"at {first.stage}: {first.error_msg}"
    taken = f"and took it {took(sent.accepted.since(sent.started))} after the first attempt"
    if cause is Cause.GREYLISTED:
        exempt = f"if that is too long, have {exempted(smtp)}"
        return (f"The relay {relay} greylisted the message ({what}), {taken}: {exempt}.",)
    remedy = relay_remedy(cause, smtp)
    see = remedy.words if remedy else "see its log for the reason"
    return (f"The relay {relay} refused the message {times} ({what}), {taken}: {see}.",)


def took(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 100 else f"{seconds:.0f} s"


def unreadable(mailbox: MailboxConfig, failure: ImapFailure) -> Remedy:
    """The half sentence about a mailbox that could not be read, with what to do, and who must."""
    bounces, section = isinstance(mailbox, BounceMailbox), section_of(mailbox)
    cause = why_unreadable(mailbox, failure)
    cause = USUAL.get(failure.error_type) if cause in UNREACHED else cause
    remedy = renewed(failure.text, mailbox.host) or mailbox_remedy(cause, mailbox)
    if failure.error_type is ErrorType.UNEXPECTED:
        remedy = Remedy("see the log of this run", YOU)
    elif remedy is None and failure.error_type is ErrorType.IMAP:
        words = f"see the server's log, and check {section}.folder"
        remedy = Remedy(words, f"{YOU}, or else {whoever_runs(mailbox.host)}")
    remedy = remedy or reachable(section, mailbox.host, failure)
    so = "so no bounce would have been seen" if bounces else "so whether the mail arrived is not known"
    words = (
        f"the {'bounce ' if bounces else ''}mailbox of {mailbox.username} at {endpoint(mailbox.host, mailbox.port)} "
        f"could not be read ({said(failure)}), {so}: {remedy.words}."
    )
    return Remedy(words, remedy.who)


def renewed(text: str, host: str) -> Remedy | None:
    """What to do about a certificate that was not accepted because its time is over, by the words of the library."""
    expired = "certificate has expired" in text
    return Remedy("renew that certificate", whoever_runs(host)) if expired else None


def reachable(section: str, host: str, failure: SmtpFailure | ImapFailure) -> Remedy:
    """What to do about a server that could not be reached, or went away."""
    if failure.stage == "connect" and "refused" in failure.text.lower():
        look = f"see whether the service on {host} is running, and {section}.port is right"
        return Remedy(look, f"{whoever_runs(host)}, or else {YOU}")
    if failure.stage == "dns":
        return Remedy(f"check {section}.host, and the DNS of {host}", f"{YOU}, or else whoever keeps the DNS of {host}")
    return Remedy(
        f"see whether {host} is up and its port open", f"{whoever_runs(host)}, or the network on the way to it"
    )
