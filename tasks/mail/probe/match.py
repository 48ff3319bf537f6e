"""Is this message the probe? Pure, from header fields alone; what only the body can decide is said to be so."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from email import message_from_bytes
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message
from email.parser import BytesHeaderParser
from email.policy import Compat32
from enum import Enum, auto

from tasks.mail.model.header import Row
from tasks.mail.probe.compose import Probe
from tasks.mail.probe.octets import bounded, mentions

log = logging.getLogger(__name__)

# A gateway may put a tag such as "[EXTERNAL]" in front of a subject.
GATEWAY_TAGS = re.compile(r"(\[[^\]]{1,40}\]\s*)*")
DAEMON = re.compile(r"\bmailer-daemon\b", re.IGNORECASE)
NO_RETURN_PATH = re.compile(r"<\s*(mailer-daemon(@[^>]*)?)?>", re.IGNORECASE)  # some write their own name for none
BULK = ("bulk", "junk", "list", "auto_reply")  # how autoresponders marked what they send before RFC 3834
LONGEST_VALUE = 4096  # characters of a header field; the standard library takes time quadratic in them


class _Bounded(Compat32):
    """Header values as they stand (8-bit octets as surrogates), but never longer than honest mail has them."""

    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        name, value = super().header_source_parse(sourcelines)
        return name, value[:LONGEST_VALUE]

    def header_fetch_parse(self, name: str, value: str) -> str:
        return value


POLICY = _Bounded()
HEADERS = BytesHeaderParser(policy=POLICY)


class Match(Enum):
    """What a message is to the probe that is looked for."""

    OWN = auto()  # carries our header with this id and this loop's name: the probe, and ours to delete
    COPY = auto()  # is the probe by its id, but does not carry our header or our loop's name
    PERHAPS = auto()  # a gateway may have stripped both ids: the body decides
    REPORT = auto()  # a delivery report, or it comes like one: the body says whether it is, and on which message
    NO = auto()


def match(headers: bytes, probe: Probe) -> Match:
    """Compare the top-level header of a message with the probe.

    A reply, a forward, an auto-reply or a bounce quotes the probe. Should one copy the ids into its own top-level
    fields, what it says of itself decides.
    """
    message = HEADERS.parsebytes(headers)
    ids = _values(message, "X-Mail-Loop-Id")
    if ids - {probe.id}:
        return Match.NO
    if is_report(message):
        return Match.REPORT
    if not is_answer(message):
        if ids:
            return Match.OWN if _values(message, "X-Mail-Loop-Name") == {probe.loop} else Match.COPY
        from_us = may_be_from(message, probe)
        if from_us and has_ids(message, probe) and _may_be_about(message, probe):
            return Match.COPY
        if from_us and _has_subject(message, probe):
            return Match.PERHAPS
    return Match.REPORT if comes_as_bounce(message) else Match.NO


def loop_ids(headers: bytes) -> frozenset[str]:
    """The ids in the header of a message. One that is not the probe's is all that match() needs to say NO."""
    return frozenset(_values(HEADERS.parsebytes(headers), "X-Mail-Loop-Id"))


def match_row(row: Row, probe: Probe) -> Match:
    """The same as match() of its headers; of a message of another probe, whose ids are known, without reading them."""
    return Match.NO if row.loop_ids and row.loop_ids - {probe.id} else match(row.headers, probe)


def has_ids(message: Message, probe: Probe) -> bool:
    """Whether the header is the probe's by its ids: Message-ID counts only where ours is missing."""
    ids = _values(message, "X-Mail-Loop-Id")
    return ids == {probe.id} if ids else _values(message, "Message-ID") == {probe.message_id}


def _has_subject(message: Message, probe: Probe) -> bool:
    tags, ours, rest = decoded(message.get("Subject")).partition(" ".join(probe.subject.split()))
    return bool(ours) and not rest and GATEWAY_TAGS.fullmatch(tags) is not None


def _may_be_about(message: Message, probe: Probe) -> bool:
    """Whether the subject is the probe's by its token. A quarantine's notice may have the Message-ID, but not that."""
    subject = decoded(message.get("Subject"))
    return not subject or probe.token in subject.split()


def may_be_from(message: Message, probe: Probe) -> bool:
    """Whether the sender is the probe's, at least in words: a list may put `by way of` and its own address there."""
    sender = decoded(message.get("From")).casefold()
    return not sender or probe.from_addr.casefold() in sender


def body_has_id(raw: bytes, probe: Probe) -> bool:
    """Whether the body says, unquoted and on a line of its own, that it is the probe.

    It says so once: what quotes the probe's header as well has the id more often.
    """
    number = probe.id.encode()
    if not mentions(raw, probe.id):
        return False
    line = re.compile(rb"^Probe: " + number + rb"[ \t\r]*$", re.MULTILINE)
    try:
        parts = own_parts(message_from_bytes(bounded(raw), policy=POLICY))
        texts = (text_of(part) for part in parts if part.get_content_maintype() == "text")
        return any(line.search(text) and text.count(number) == 1 for text in texts)
    except Exception as error:  # the standard library's parser raises many things, RecursionError among them
        log.info("A message could not be parsed: %s", type(error).__name__)
        return False


def own_parts(message: Message) -> Iterator[Message]:
    """The message's own parts, without the multiparts around them: not those of a message attached to it."""
    payload = message.get_payload()
    if message.get_content_maintype() == "multipart" and isinstance(payload, list):
        for part in payload:
            if isinstance(part, Message):
                yield from own_parts(part)
    else:
        yield message


def text_of(part: Message) -> bytes:
    """The octets of a part, decoded; none where it has parts itself."""
    text = part.get_payload(decode=True)
    return text if isinstance(text, bytes) else b""


def is_report(message: Message) -> bool:
    """A delivery status notification or another report (RFC 6522), or what Exim and Gmail mark as a bounce."""
    return message.get_content_type() == "multipart/report" or message.get("X-Failed-Recipients") is not None


def comes_as_bounce(message: Message) -> bool:
    """Whether it comes as bounces do. So do some answers of autoresponders (RFC 3834)."""
    unanswerable = any(NO_RETURN_PATH.fullmatch(value) for value in _values(message, "Return-Path"))
    return unanswerable or is_report(message) or DAEMON.search(decoded(message.get("From"))) is not None


def is_autoreply(message: Message) -> bool:
    """What somebody's autoresponder sent. Mail servers may mark their notices in the same way."""
    marked = is_answer(message) or any(value.lower() in BULK for value in _values(message, "Precedence"))
    return marked and not is_report(message) and DAEMON.search(decoded(message.get("From"))) is None


def is_answer(message: Message) -> bool:
    """A reply, or what an autoresponder sent (RFC 3834)."""
    replied = any(value.lower().startswith("auto-replied") for value in _values(message, "Auto-Submitted"))
    return replied or message.get("In-Reply-To") is not None or message.get("References") is not None


def decoded(value: object) -> str:
    """A header value as text: encoded words (RFC 2047) decoded, white space folded to single blanks."""
    # Unfolded first: decode_header would lose the blank at the beginning of a folded line.
    raw = " ".join(("" if value is None else str(value)[:LONGEST_VALUE]).split())
    try:
        raw = raw.encode("utf-8", "surrogateescape").decode("utf-8", "replace")  # 8-bit headers are UTF-8 (RFC 6532)
        parts = [
            part.decode(charset or "ascii", "replace") if isinstance(part, bytes) else part
            for part, charset in decode_header(raw)
        ]
    except (LookupError, HeaderParseError, ValueError):
        return raw
    return " ".join("".join(parts).split())


def _values(message: Message, name: str) -> set[str]:
    return {" ".join(str(value).split()) for value in message.get_all(name, [])}
