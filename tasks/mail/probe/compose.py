"""The probe: the one message of one run."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.header import Header
from email.utils import format_datetime

from tasks.mail.config.addresses import with_detail
from tasks.mail.config.loop import TOKEN_LENGTH, SenderSection

SIGNATURE_FIELD = "X-Mail-Loop-Signature"

_BODY = """\
This message was sent by Mail Loop Check to see whether mail gets through.
It needs no answer. The check that sent it removes it again once it was found.

Loop: {loop}
Sent: {sent}
Probe: {id}
"""


@dataclass(frozen=True, slots=True)
class Probe:
    """One composed message. `id` is random (32 hex digits), `token` its first six, `content` what goes on the wire.

    With `verp` its envelope has a sender of its own. `key` is what it is signed with; empty where there is none.
    """

    id: str
    loop: str
    from_addr: str
    to_addr: str
    subject: str
    message_id: str
    content: bytes
    verp: bool = False
    key: bytes = field(default=b"", repr=False)

    @property
    def token(self) -> str:
        return self.id[:TOKEN_LENGTH]

    @property
    def envelope_from(self) -> str:
        """Whom a bounce goes to."""
        return with_detail(self.from_addr, self.token) if self.verp else self.from_addr

    @property
    def needs_smtputf8(self) -> bool:
        """Whether an address has a non-ASCII local part (RFC 6531); domains are A-labels already."""
        return not (self.from_addr + self.to_addr).isascii()


def compose(
    loop: str, sender: SenderSection, now: datetime | None = None, run: str | None = None, key: bytes = b""
) -> Probe:
    """Compose the probe of a run, once: every attempt sends the same message.

    `run` is the id of the flow run, `key` what the probe is signed with.
    """
    now = (now or datetime.now(UTC)).astimezone(UTC)
    probe_id = secrets.token_hex(16)
    sent = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    subject = f"{sender.subject_prefix} {sent} {probe_id[:TOKEN_LENGTH]}"
    message_id = f"<{probe_id}@{sender.from_addr.rpartition('@')[2]}>"

    body = _BODY.format(loop=loop, sent=sent, id=probe_id).replace("\n", "\r\n")
    headers = {
        "From": sender.from_addr,
        "To": sender.to_addr,
        "Subject": _encoded(sender.subject_prefix, f"{sent} {probe_id[:TOKEN_LENGTH]}"),
        "Date": format_datetime(now),
        "Message-ID": message_id,
        "X-Mail-Loop-Id": probe_id,
        "X-Mail-Loop-Name": loop,
        **({"X-Mail-Loop-Run": run} if run else {}),
        "X-Mail-Loop-Body": checksum(body.encode()),
        **({SIGNATURE_FIELD: signature(key, probe_id, now, loop)} if key else {}),
        "Auto-Submitted": "auto-generated",
        "X-Auto-Response-Suppress": "All",
        "MIME-Version": "1.0",
        "Content-Type": "text/plain; charset=us-ascii",
        "Content-Transfer-Encoding": "7bit",
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())

    return Probe(
        id=probe_id,
        loop=loop,
        from_addr=sender.from_addr,
        to_addr=sender.to_addr,
        subject=subject,
        message_id=message_id,
        content=f"{head}\r\n{body}".encode(),
        verp=sender.verp,
        key=key,
    )


def checksum(body: bytes) -> str:
    """What shows whether a body was changed on the way; white space at the end of a line or of the text is no change.

    Servers may take that away, or add it (RFC 6376, 3.4.4, for the same reason).
    """
    lines = [line.rstrip() for line in body.splitlines()]
    return hashlib.sha256(b"\n".join(lines).rstrip()).hexdigest()


def _encoded(prefix: str, rest: str) -> str:
    """The subject as it goes on the wire, where the part that tells runs apart stays readable.

    By hand, as EmailMessage loses blanks where it folds a non-ASCII text (Python 3.11). Plain text is short enough to
    stay on one line.
    """
    if not prefix.isascii() or "=?" in prefix:
        prefix = Header(prefix, "utf-8", header_name="Subject", maxlinelen=75).encode(linesep="\r\n")
    return f"{prefix} {rest}"


def signature(key: bytes, probe_id: str, date: datetime, loop: str) -> str:
    """The HMAC-SHA256, in hex, over what a later run goes by: who saw a probe cannot make another that counts.

    Of `date` the instant counts, to the second: servers write the same one in other forms.
    """
    text = f"{probe_id}\n{date.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}\n{loop}"
    return hmac.digest(key, text.encode(), hashlib.sha256).hex()
