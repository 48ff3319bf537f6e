"""Is this message the probe? Pure, from header fields alone; what only the body can decide is said to be so."""

from __future__ import annotations

import re
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message
from email.parser import BytesHeaderParser
from enum import Enum, auto

from tasks.mail.probe import Probe

# A gateway may put a tag such as "[EXTERNAL]" in front of a subject.
GATEWAY_TAGS = re.compile(r"(\[[^\]]{1,40}\]\s*)*")
HEADERS = BytesHeaderParser()


class Match(Enum):
    """What a message is to the probe that is looked for."""

    OWN = auto()  # carries our header with this id and this loop's name: the probe, and ours to delete
    COPY = auto()  # is the probe by its id, but does not carry our header or our loop's name
    PERHAPS = auto()  # a gateway may have stripped both ids: the body decides
    REPORT = auto()  # a delivery report: its content says on which message
    NO = auto()


def match(headers: bytes, probe: Probe) -> Match:
    """Compare the top-level header of a message with the probe.

    A reply, a forward, an auto-reply or a bounce quotes the probe, but never has its ids in its own top-level fields.
    """
    message = HEADERS.parsebytes(headers)
    ids = _values(message, "X-Mail-Loop-Id")
    if ids:
        if ids != [probe.id]:
            return Match.NO
        return Match.OWN if _values(message, "X-Mail-Loop-Name") == [probe.loop] else Match.COPY
    if _values(message, "Message-ID") == [probe.message_id]:
        return Match.COPY
    if is_report(message):
        return Match.REPORT
    tags, ours, rest = decoded(message.get("Subject")).partition(probe.subject)
    if ours and not rest and GATEWAY_TAGS.fullmatch(tags) and not is_answer(message):
        return Match.PERHAPS
    return Match.NO


def body_has_id(raw: bytes, probe: Probe) -> bool:
    """Whether the body says, unquoted and on a line of its own, that it is the probe."""
    _, _, body = raw.partition(b"\r\n\r\n")
    return re.search(rb"^Probe: " + probe.id.encode() + rb"\s*$", body, re.MULTILINE) is not None


def is_report(message: Message) -> bool:
    """A delivery status notification or another report (RFC 6522)."""
    return message.get_content_type() == "multipart/report"


def is_answer(message: Message) -> bool:
    """A reply, or what an autoresponder sent (RFC 3834)."""
    replied = any(value.lower().startswith("auto-replied") for value in _values(message, "Auto-Submitted"))
    return replied or message.get("In-Reply-To") is not None or message.get("References") is not None


def decoded(value: object) -> str:
    """A header value as text: encoded words (RFC 2047) decoded, white space folded to single blanks."""
    raw = "" if value is None else str(value)
    try:
        parts = [
            part.decode(charset or "ascii", "replace") if isinstance(part, bytes) else part
            for part, charset in decode_header(raw)
        ]
    except (LookupError, HeaderParseError, ValueError):
        return " ".join(raw.split())
    return " ".join("".join(parts).split())


def _values(message: Message, name: str) -> list[str]:
    return [" ".join(str(value).split()) for value in message.get_all(name, [])]
