"""Which port goes with which protocol and encryption, by custom (RFC 8314): what does not fit is noted, not refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from tasks.mail.config.loop import SmtpConfig
from tasks.mail.config.mailbox import MailboxConfig


class Custom(NamedTuple):
    """What a port is for. `implicit`: TLS from the first byte, else it begins in clear."""

    protocol: str
    implicit: bool


CUSTOM: Mapping[int, Custom] = {
    25: Custom("SMTP", False),
    587: Custom("SMTP", False),
    2525: Custom("SMTP", False),
    465: Custom("SMTP", True),
    110: Custom("POP3", False),
    995: Custom("POP3", True),
    143: Custom("IMAP", False),
    993: Custom("IMAP", True),
}


def misfit(field: str, section: SmtpConfig | MailboxConfig) -> str | None:
    """Why the port of a section does not fit, as a sentence with what to do; None where it does, or is anybody's.

    `field` is what the section is called.
    """
    protocol = "SMTP" if isinstance(section, SmtpConfig) else "IMAP"
    if (custom := CUSTOM.get(section.port)) is None:
        return None
    if custom.protocol != protocol:
        return f"{field}.port {section.port} is one of {custom.protocol}, and not of {protocol}: correct it"
    if custom.implicit and section.tls != "implicit":
        return f"{field}.port {section.port} is for TLS from the first byte: set {field}.tls to implicit"
    if section.tls == "implicit" and not custom.implicit:
        return f"{field}.port {section.port} begins in clear: set {field}.tls to starttls"
    return None
