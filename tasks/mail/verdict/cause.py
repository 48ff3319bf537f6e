"""Why a leg failed: by the table of causes, by what is known without words, and by the port."""

from collections.abc import Mapping
from typing import NamedTuple

from tasks.mail.causes.lookup import RETURNED, of_reply
from tasks.mail.config.loop import SenderSection
from tasks.mail.config.mailbox import BounceMailbox, MailboxConfig
from tasks.mail.model.cause import Cause
from tasks.mail.model.errors import MailboxFailure, SendFailure
from tasks.mail.model.outcome import Leg
from tasks.mail.model.result import AttemptRecord, BounceRecord

_MUTE = frozenset({Cause.NO_ANSWER, Cause.DROPPED, Cause.TLS_HANDSHAKE})  # as a server that waits for, or gets, TLS
_SPEAKS_FIRST = frozenset({"connect", "tls"})


class _Custom(NamedTuple):
    """What a port is for, by custom (RFC 8314). `implicit`: TLS from the first byte, else it begins in clear."""

    protocol: str
    implicit: bool


_CUSTOMS: Mapping[int, _Custom] = {
    25: _Custom("SMTP", False),
    587: _Custom("SMTP", False),
    2525: _Custom("SMTP", False),
    465: _Custom("SMTP", True),
    110: _Custom("POP3", False),
    995: _Custom("POP3", True),
    143: _Custom("IMAP", False),
    993: _Custom("IMAP", True),
}


def misfit(field: str, section: SenderSection | MailboxConfig) -> str | None:
    """Why the port of a section does not fit, as a sentence with what to do; None where it does, or is anybody's.

    It is noted, not refused. `field` is what the section is called.
    """
    protocol = section.protocol.upper()
    if (custom := _CUSTOMS.get(section.port)) is None:
        return None
    if custom.protocol != protocol:
        return f"{field}.port {section.port} is one of {custom.protocol}, and not of {protocol}: correct it"
    if custom.implicit and section.tls != "implicit":
        return f"{field}.port {section.port} is for TLS from the first byte: set {field}.tls to implicit"
    if section.tls == "implicit" and not custom.implicit:
        return f"{field}.port {section.port} begins in clear: set {field}.tls to starttls"
    return None


def section_of(mailbox: MailboxConfig) -> str:
    """What its section of the configuration is called."""
    return "bounce_mailbox" if isinstance(mailbox, BounceMailbox) else mailbox.protocol


def cause_of_refusal(relay: SenderSection, error: SendFailure) -> Cause | None:
    """Why the relay did not take the message."""
    if error.code is not None:
        return of_reply(error.stage, error.text)
    return _by_port(Leg.SENDING, relay, error)


def cause_of_attempt(error: AttemptRecord) -> Cause | None:
    """The same of an attempt that another one followed."""
    return of_reply(error.stage, error.error_msg) if error.code is not None else None


def cause_of_unread(mailbox: MailboxConfig, error: MailboxFailure) -> Cause | None:
    """Why a mailbox could not be read."""
    return _by_port(section_of(mailbox), mailbox, error)


def cause_of_notice(notice: BounceRecord) -> Cause | None:
    """Why a message came back, or is delayed: by what the server said, else by the status of the notice."""
    found = of_reply(RETURNED, notice.diagnostic)
    return found or of_reply(RETURNED, notice.status)


def _by_port(section: str, config: SenderSection | MailboxConfig, error: SendFailure | MailboxFailure) -> Cause | None:
    """What is known without words; a server that says nothing on a port that does not fit `tls` waits for the other."""
    if error.cause in _MUTE and error.stage in _SPEAKS_FIRST and misfit(section, config) is not None:
        return Cause.TLS_MODE
    return error.cause
