"""The probe: the one message of one run."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime

from tasks.mail.config import SmtpConfig

TOKEN_LENGTH = 6  # hex digits: enough to tell runs apart by eye; a match always takes the whole id

BODY = """\
This message was sent by Mail Loop Check to see whether mail gets through.
It needs no answer. The check that sent it removes it again once it was found.

Loop: {loop}
Sent: {sent}
Probe: {id}
"""


@dataclass(frozen=True, slots=True)
class Probe:
    """One composed message. `id` is random (32 hex digits), `token` its first six, `content` what goes on the wire."""

    id: str
    loop: str
    from_addr: str
    to_addr: str
    subject: str
    message_id: str
    content: bytes

    @property
    def token(self) -> str:
        return self.id[:TOKEN_LENGTH]

    @property
    def needs_smtputf8(self) -> bool:
        """Whether an address has a non-ASCII local part (RFC 6531); domains are A-labels already."""
        return not (self.from_addr + self.to_addr).isascii()


def compose(loop: str, smtp: SmtpConfig, now: datetime | None = None) -> Probe:
    """Compose the probe of a run, once: every attempt sends the same message."""
    now = (now or datetime.now(UTC)).astimezone(UTC)
    probe_id = secrets.token_hex(16)
    sent = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    subject = f"{smtp.subject_prefix} {sent} {probe_id[:TOKEN_LENGTH]}"
    message_id = f"<{probe_id}@{smtp.from_addr.rpartition('@')[2]}>"

    message = EmailMessage(policy=SMTP if (smtp.from_addr + smtp.to_addr).isascii() else SMTPUTF8)
    message["From"] = smtp.from_addr
    message["To"] = smtp.to_addr
    message["Subject"] = subject
    message["Date"] = format_datetime(now)
    message["Message-ID"] = message_id
    message["X-Mail-Loop-Id"] = probe_id
    message["X-Mail-Loop-Name"] = loop
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    message.set_content(BODY.format(loop=loop, sent=sent, id=probe_id), cte="7bit")

    return Probe(
        id=probe_id,
        loop=loop,
        from_addr=smtp.from_addr,
        to_addr=smtp.to_addr,
        subject=subject,
        message_id=message_id,
        content=message.as_bytes(),
    )
