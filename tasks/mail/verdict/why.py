"""Why a leg failed, and what to do about it, by the table of causes and the configuration: pure."""

from __future__ import annotations

from tasks.mail.causes.lookup import of_reply
from tasks.mail.causes.phrases import RETURNED
from tasks.mail.config.loop import SmtpConfig
from tasks.mail.config.mailbox import BounceMailbox, MailboxConfig
from tasks.mail.model.cause import Cause
from tasks.mail.model.errors import ImapFailure, SmtpFailure
from tasks.mail.model.result import AttemptRecord, BounceRecord
from tasks.mail.verdict.ports import misfit
from tasks.mail.verdict.remedies import REMEDIES, Remedy

MUTE = frozenset({Cause.NO_ANSWER, Cause.DROPPED, Cause.TLS_HANDSHAKE})  # as a server does that waits for, or gets, TLS
SPEAKS_FIRST = frozenset({"connect", "tls"})


def why_unsent(smtp: SmtpConfig, failure: SmtpFailure) -> Cause | None:
    """Why the relay did not take the message."""
    if failure.smtp_code is not None:
        return of_reply(failure.stage, failure.text)
    return _by_port("smtp", smtp, failure)


def why_refused(error: AttemptRecord) -> Cause | None:
    """The same of an attempt that another one followed."""
    return of_reply(error.stage, error.error_msg) if error.smtp_code is not None else None


def why_unreadable(mailbox: MailboxConfig, failure: ImapFailure) -> Cause | None:
    """Why a mailbox could not be read."""
    return _by_port(section_of(mailbox), mailbox, failure)


def why_returned(bounce: BounceRecord) -> Cause | None:
    """Why a message came back, or is delayed: by what the server said, else by the status of the notice."""
    found = of_reply(RETURNED, bounce.diagnostic)
    return found or of_reply(RETURNED, bounce.status)


def relay_remedy(cause: Cause | None, smtp: SmtpConfig, server: str = "") -> Remedy | None:
    """What to do about it where a relay, or a `server` behind it, said so; None where the cause does not tell."""
    if cause is Cause.TLS_MODE and (fit := misfit("smtp", smtp)) is not None and not server:
        return Remedy(fit, _filled(REMEDIES[cause], smtp.host, "smtp", smtp.to_addr, smtp.from_addr).who)
    if cause is None or cause not in REMEDIES:
        return None
    return _filled(REMEDIES[cause], server or smtp.host, "smtp", smtp.to_addr, smtp.from_addr)


def mailbox_remedy(cause: Cause | None, mailbox: MailboxConfig) -> Remedy | None:
    """The same where a mailbox server said so."""
    if cause is None or cause not in REMEDIES:
        return None
    section = section_of(mailbox)
    found = _filled(REMEDIES[cause], mailbox.host, section, f"{mailbox.username} at {mailbox.host}", "")
    fit = misfit(section, mailbox) if cause is Cause.TLS_MODE else None
    return found._replace(words=fit) if fit else found


def section_of(mailbox: MailboxConfig) -> str:
    """What its section is called."""
    return "bounce_mailbox" if isinstance(mailbox, BounceMailbox) else "imap"


def _by_port(section: str, config: SmtpConfig | MailboxConfig, failure: SmtpFailure | ImapFailure) -> Cause | None:
    """What is known without words; a server that says nothing on a port that does not fit `tls` waits for the other."""
    if failure.cause in MUTE and failure.stage in SPEAKS_FIRST and misfit(section, config) is not None:
        return Cause.TLS_MODE
    return failure.cause


def _filled(remedy: Remedy, server: str, section: str, to: str, sender: str) -> Remedy:
    values = {"server": server, "section": section, "to": to, "sender": sender}
    values |= {"domain": sender.rpartition("@")[2], "to_domain": to.rpartition("@")[2]}
    return Remedy(*(part.format_map(values) for part in remedy))
