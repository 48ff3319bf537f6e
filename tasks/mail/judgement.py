"""What a judgement is made of: a verdict, and the phrases that its sentences share. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tasks.mail.advice import advice, is_greylisting, renewal
from tasks.mail.config import SmtpConfig
from tasks.mail.errors import ImapFailure, SmtpFailure, enhanced_code
from tasks.mail.facts import AttemptError, ErrorType, Receipt
from tasks.mail.mailboxes import BounceMailbox, MailboxConfig
from tasks.mail.result import Outcome, Status


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
    notes: tuple[str, ...] = ()


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


def refusal_notes(smtp: SmtpConfig, sent: Receipt, errors: Sequence[AttemptError]) -> tuple[str, ...]:
    """How a relay that took the message in the end had refused it before."""
    if not errors or not sent.certain:
        return ()
    first, relay = errors[0], f"{smtp.host}:{smtp.port}"
    times = "once" if len(errors) == 1 else f"{len(errors)} times"
    what = f"at {first.stage}: {first.error_msg}"
    taken = f"and took it {took(sent.accepted.since(sent.started))} after the first attempt"
    if is_greylisting(first.error_msg):
        remedy = f"if that is too long, have {exempted(smtp)}"
        return (f"The relay {relay} greylisted the message ({what}), {taken}: {remedy}.",)
    remedy = advice(enhanced_code(first.error_msg.partition(" ")[2]), smtp.to_addr) or "see its log for the reason"
    return (f"The relay {relay} refused the message {times} ({what}), {taken}: {remedy}.",)


def took(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 100 else f"{seconds:.0f} s"


def unreadable(mailbox: MailboxConfig, failure: ImapFailure) -> str:
    """The half sentence about a mailbox that could not be read, with the remedy."""
    bounces = isinstance(mailbox, BounceMailbox)
    section = "bounce_mailbox" if bounces else "imap"
    remedy = {
        ErrorType.AUTH: f"check {section}.username and its password",
        ErrorType.TLS: renewal(failure.text) or f"check its certificate and {section}.tls",
        ErrorType.IMAP: f"see the server's log, and check {section}.folder",
        ErrorType.UNEXPECTED: "see the log of this run",
    }.get(failure.error_type, "see whether the server is up and its port open")
    so = "so no bounce would have been seen" if bounces else "which says nothing about the mail"
    return (
        f"the {'bounce ' if bounces else ''}mailbox of {mailbox.username} at {mailbox.host}:{mailbox.port} "
        f"could not be read ({said(failure)}), {so}: {remedy}."
    )
