"""Is this message the probe? By header fields alone; what only the body can decide is said to be so."""

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

from tasks.mail.model.header import Header
from tasks.mail.probe.compose import Probe
from tasks.mail.probe.octets import bounded, mentions

log = logging.getLogger(__name__)

_DAEMON = re.compile(r"\bmailer-daemon\b", re.IGNORECASE)
_NO_RETURN_PATH = re.compile(r"<\s*(mailer-daemon(@[^>]*)?)?>", re.IGNORECASE)  # some write their own name for none
# What programs put before the subject that they answer or forward, in the languages that do not use Re and Fwd alone.
_ANSWERED = re.compile(
    r"(?:^|[\s\]:)}>])(?:re|aw|antw|sv|vs|vb|vá|fwd?|wg|tr|trs|rv|res|enc|odp|pd|rif|rép|doorst|vl|ynt|i̇lt|ilt|ang|bls"
    r"|回复|答复|转发|回覆|轉寄|返信|転送)\s*(?:\[\d+\])?\s*[:\uff1a]"
    r"|\bauto(?:matic|mated)?[ -]?(?:reply|response|answer)\b|\bout of (?:the )?office\b|\babwesenheit"
    r"|\bautomatische antwort|\br[ée]ponse automatique|\b(?:respuesta|risposta|resposta) autom|\bautomatisch antwoord"
    r"|\bautosvar|\bautomatyczna odp|\bautomatick[áé] odpov|自动回复|自動回覆|自動応答",
    re.IGNORECASE,
)
_TAG = re.compile(rb"<[^<>]*>")
_FORWARDED = "(fwd)"  # behind it, as some programs have it
_THREAD = ("In-Reply-To", "References")
_NAMING = ("Message-ID", *_THREAD)
_BULK = ("bulk", "junk", "list", "auto_reply")  # how autoresponders marked what they send before RFC 3834
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
    ENCLOSED = auto()  # a filter may have put the probe into a message of its own: the body decides
    UNLESS_REPORT = auto()  # one of these by its header, but it comes like a bounce: the body says which it is
    REPORT = auto()  # a delivery report, or it comes like one: the body says whether it is, and on which message
    NO = auto()


def match(headers: bytes, probe: Probe) -> Match:
    """Compare the top-level header of a message with the probe.

    What is a report is one, whatever stands on top; else the probe is known by its ids, the surest first. A reply, a
    forward or an auto-reply quotes the probe, and is not it.
    """
    message = HEADERS.parsebytes(headers)
    if _values(message, "X-Mail-Loop-Id") - {probe.id}:
        return Match.NO
    if is_report(message):
        return Match.REPORT
    arrived = arrival(message, probe)
    if comes_as_bounce(message):
        return Match.REPORT if arrived in (Match.ENCLOSED, Match.NO) else Match.UNLESS_REPORT
    return arrived


def arrival(message: Message, probe: Probe) -> Match:
    """The same of a message that is no report."""
    if _values(message, "X-Mail-Loop-Id") == {probe.id}:  # then nothing else takes it away
        return Match.OWN if _values(message, "X-Mail-Loop-Name") == {probe.loop} else Match.COPY
    if may_be_from(message, probe):
        about = _is_about(message, probe)
        if has_ids(message, probe) and about is not False:
            return Match.PERHAPS if is_answer(message) else Match.COPY
        if about and not is_answer(message) and not quotes_subject(message, probe):
            return Match.PERHAPS
    return Match.ENCLOSED if _may_enclose(message, probe) else Match.NO


def loop_ids(headers: bytes) -> frozenset[str]:
    """The ids in the header of a message. One that is not the probe's is all that match() needs to say NO."""
    return frozenset(_values(HEADERS.parsebytes(headers), "X-Mail-Loop-Id"))


def match_header(header: Header, probe: Probe) -> Match:
    """The same as match() of its headers; of a message of another probe, whose ids are known, without reading them."""
    return Match.NO if header.loop_ids and header.loop_ids - {probe.id} else match(header.raw, probe)


def has_ids(message: Message, probe: Probe) -> bool:
    """Whether the header is the probe's by its ids: Message-ID counts only where ours is missing."""
    ids = _values(message, "X-Mail-Loop-Id")
    return ids == {probe.id} if ids else _values(message, "Message-ID") == {probe.message_id}


def _is_about(message: Message, probe: Probe) -> bool | None:
    """Whether the subject has the probe's token, whatever tags a gateway has put around it; None without a subject.

    A quarantine's notice may have the Message-ID, but not that.
    """
    subject = decoded(message.get("Subject")).casefold()
    return probe.token in subject if subject else None


def quotes_subject(message: Message, probe: Probe) -> bool:
    """Whether the subject is that of an answer or a forward by what stands before ours, or by what stands behind it."""
    subject = decoded(message.get("Subject"))
    before, ours, rest = subject.partition(" ".join(probe.subject.split()))
    if not ours:
        before, _, rest = subject.partition(probe.token)
    return _ANSWERED.search(before) is not None or _FORWARDED in rest.lower()


def _may_enclose(message: Message, probe: Probe) -> bool:
    """Whether it may be a filter's message with the probe in it: it has parts, and something that points to ours."""
    if message.get_content_maintype() not in ("multipart", "message"):
        return False
    if message.get("From") is not None and may_be_from(message, probe):
        return True
    named = " ".join(value for name in _NAMING for value in _values(message, name))
    return probe.message_id in named or bool(_is_about(message, probe))


def may_be_from(message: Message, probe: Probe) -> bool:
    """Whether the sender is the probe's, at least in words: a list may put `by way of` and its own address there."""
    sender = decoded(message.get("From")).casefold()
    return not sender or probe.from_addr.casefold() in sender


def body_has_id(raw: bytes, probe: Probe) -> bool:
    """Whether the body says, unquoted and on a line of its own, that it is the probe.

    It says so once: what quotes the probe's header as well has the id more often, or the token of its subject.
    """
    number, token = probe.id.encode(), probe.token.encode()
    if not mentions(raw, probe.id):
        return False
    line = re.compile(rb"^Probe: " + number + rb"[ \t\r]*$", re.MULTILINE)
    try:
        parts = own_parts(message_from_bytes(bounded(raw), policy=POLICY))
        texts = (_lines(part) for part in parts if part.get_content_maintype() == "text")
        return any(
            line.search(text) and text.count(number) == 1 and token not in text.replace(number, b"").lower()
            for text in texts
        )
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


def _lines(part: Message) -> bytes:
    """The text of a part; of HTML, which a gateway may have made of it, with each tag as the end of a line."""
    text = text_of(part)
    return _TAG.sub(b"\n", text) if part.get_content_subtype() == "html" else text


def is_report(message: Message) -> bool:
    """A delivery status notification or another report (RFC 6522), or what Exim and Gmail mark as a bounce."""
    return message.get_content_type() == "multipart/report" or message.get("X-Failed-Recipients") is not None


def comes_as_bounce(message: Message) -> bool:
    """Whether it comes as bounces do. So do some answers of autoresponders (RFC 3834)."""
    unanswerable = any(_NO_RETURN_PATH.fullmatch(value) for value in _values(message, "Return-Path"))
    return unanswerable or is_report(message) or _DAEMON.search(decoded(message.get("From"))) is not None


def is_autoreply(message: Message) -> bool:
    """What an autoresponder sent. Mail servers may mark their notices in the same way."""
    marked = is_answer(message) or any(value.lower() in _BULK for value in _values(message, "Precedence"))
    return marked and not is_report(message) and _DAEMON.search(decoded(message.get("From"))) is None


def is_answer(message: Message) -> bool:
    """A reply, or what an autoresponder sent (RFC 3834).

    A gateway may add the fields of a thread though there is none: empty, or with the message's own id.
    """
    if any(value.lower().startswith("auto-replied") for value in _values(message, "Auto-Submitted")):
        return True
    own = _values(message, "Message-ID")
    return any(bool({*value.split()} - own) for name in _THREAD for value in _values(message, name))


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
