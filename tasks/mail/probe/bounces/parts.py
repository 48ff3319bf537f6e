"""What a notice is made of: its text, the fields of its status part (RFC 3464), and what it returns."""

import re
from base64 import b64decode
from binascii import a2b_qp
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.message import Message
from html import unescape

from tasks.mail.model.safe_text import one_line
from tasks.mail.probe.match import HEADERS, decoded, own_parts, text_of

Group = Mapping[str, str]

_PER_MESSAGE = ("reporting-mta", "x-original-message-id", "original-message-id", "reporting-ua")
PER_RECIPIENT = (
    "action",
    "status",
    "diagnostic-code",
    "final-recipient",
    "original-recipient",
    "remote-mta",
    "disposition",
)
_KNOWN = {*_PER_MESSAGE, *PER_RECIPIENT}
_STATUS_FIELD = re.compile(r"[ \t]{0,8}([A-Za-z][A-Za-z-]{2,40})[ \t]{0,8}:(.*)")
_REPLY_LINE = re.compile(r"[245]\d\d[ -]")  # what goes on in the next line, though that is not indented
_TYPED = re.compile(r"[\w/-]+ ?;(.*)", re.ASCII)
STATUS = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")
_COMMENT = re.compile(r"\((.*)\)")

_STATUS_TYPES = {"message/delivery-status", "message/global-delivery-status"}  # the second is for SMTPUTF8 (RFC 6533)
_DISPOSITION_TYPES = {"message/disposition-notification", "message/global-disposition-notification"}  # RFC 8098
_FEEDBACK_TYPES = {"message/feedback-report"}  # RFC 5965
_HEADER_TYPES = {"text/rfc822-headers", "text/rfc822", "text/rfc822-header"}
_ORIGINAL_TYPES = {"message/rfc822", "message/global", "message/rfc822-headers", "message/global-headers"}

# A header quoted in a text: three fields or more, one of them telling it from what a notice says of itself.
_FIELDS = re.compile(r"^(?:[A-Za-z][A-Za-z0-9-]*:.*\n(?:[ \t].*\n)*+){3,}+", re.MULTILINE)
_TELLING = ("Received", "Message-ID", "X-Mail-Loop-Id")
_OWN_ID = re.compile(r"^[ \t]{0,8}Message-ID:(.*)$", re.MULTILINE | re.IGNORECASE)
_NUMBER = re.compile(r"[^\s<>@,;()]{1,250}@[^\s<>@,;()]{1,250}")  # a Message-ID, which some write without its marks
_MAX_TEXT, _MAX_LINES = 16_384, 400  # characters and lines of a text that are read; honest notices have a tenth of it
# What stands before a message that a server returns: an empty line, or the line that begins it in a mailbox file.
_BEFORE = re.compile(rb"(?:[ \t]*\r?\n|>?From .*\n)*+")
_MARKUP = re.compile(r"<(style|script)\b.{0,20000}?</\1>|<[^<>]{0,2000}>", re.DOTALL | re.IGNORECASE)
_BREAK = re.compile(r"<(?:br|/p|/div|/tr|/h\d|/li)\b[^<>]{0,200}>", re.IGNORECASE)
# Codecs that are what they say, and take time linear in the text.
_CHARSETS = re.compile(
    r"utf-?8|us-ascii|iso-?8859-\d+|(?:windows-|cp)\d+|koi8-[ru]|iso-2022-\w+|shift.?jis|euc-?\w+|gb\w+|big5\w*"
)


@dataclass(frozen=True)
class Notice:
    """A message that may report on another one."""

    message: Message
    text: str  # in plain words, up to the header that it quotes
    groups: Sequence[Group]  # of the status part, or those that stand in the text
    dispositions: Sequence[Group]  # of a receipt (RFC 8098)
    originals: Sequence[Message]  # what is returned, or the header that is quoted
    named: frozenset[str]  # the Message-ID that it says it is about, without its marks
    has_status: bool
    is_feedback: bool

    @property
    def subject(self) -> str:
        """Its subject, without that of the message it returns: a user chose the words of that."""
        subject = decoded(self.message.get("Subject"))
        returned = (decoded(original.get("Subject")) for original in self.originals)
        return next((subject.replace(other, "") for other in returned if other and other in subject), subject)


def read_notice(message: Message) -> Notice:
    """Only a notice's own parts: a returned message may itself have the probe, or a report on it, attached."""
    parts = list(own_parts(message))
    text, quoted = _quoting(_text(parts))
    status = [
        group for part in parts if part.get_content_type() in _STATUS_TYPES for group in _field_groups(_inner(part))
    ]
    inline = list(_field_groups(text))
    if not any(map(_is_about_recipient, status)) and any(map(_is_about_recipient, inline)):
        status = [*status, *inline]
    receipts = [part for part in parts if part.get_content_type() in _DISPOSITION_TYPES]
    dispositions = [group for part in receipts for group in _field_groups(_inner(part))]
    originals = [original for part in parts for original in _originals(part)] or quoted
    return Notice(
        message,
        text,
        status,
        dispositions,
        originals,
        _named(message, [*status, *dispositions], text),
        has_status=any(part.get_content_type() in _STATUS_TYPES for part in parts),
        is_feedback=any(part.get_content_type() in _FEEDBACK_TYPES for part in parts)
        or message.get_param("report-type") == "feedback-report",
    )


def _named(message: Message, groups: Sequence[Group], text: str) -> frozenset[str]:
    """The message that it is about, where it is not returned: all that the fields which say so name."""
    names = ("In-Reply-To", "References", "X-Original-Message-ID", "Original-Message-ID")
    values = [str(value) for name in names for value in message.get_all(name, [])]
    values += [group[name.lower()] for group in groups for name in names if name.lower() in group]
    return frozenset(number for value in values or _OWN_ID.findall(text) for number in _NUMBER.findall(value))


def _text(parts: Sequence[Message]) -> str:
    """What stands there in plain words; a multipart that came apart has some as well."""
    texts = [_words(part) for part in parts if part.get_content_type() == "text/plain" or _came_apart(part)]
    if not any(text.strip() for text in texts):
        marked = (_words(part)[: 2 * _MAX_TEXT] for part in parts if part.get_content_type() == "text/html")
        texts = [unescape(_MARKUP.sub(" ", _BREAK.sub("\n", text))) for text in marked]
    return "\n".join(texts) + "\n"


def _came_apart(part: Message) -> bool:
    return part.get_content_maintype() == "multipart" and not part.is_multipart()


def _words(part: Message) -> str:
    """The text of a part, whose line ends may be any, in the characters that it says, or else may have."""
    octets = text_of(part).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if not octets and isinstance(payload := part.get_payload(), str):  # a multipart is never decoded
        octets = payload.encode("utf-8", "surrogateescape").replace(b"\r\n", b"\n")
    charset = part.get_content_charset("") or ""
    if b"\x1b$" in octets:
        charset = "iso-2022-jp"
    tried = [charset, "utf-8"] if _CHARSETS.fullmatch(charset) else ["utf-8"]
    for name in tried:
        try:
            return octets.decode(name)
        except (UnicodeDecodeError, LookupError):
            continue
    return octets.decode("cp1252" if not charset else "utf-8", "replace")


def _quoting(text: str) -> tuple[str, list[Message]]:
    """What is said before a header is quoted, and that header."""
    for block in _FIELDS.finditer(text):
        header = HEADERS.parsebytes(block[0].encode("utf-8", "surrogateescape"))
        if any(name in header for name in _TELLING):
            return _beginning(text[: block.start()]), [header]
    return _beginning(text), []


def _beginning(text: str) -> str:
    return "\n".join(text[:_MAX_TEXT].split("\n", _MAX_LINES)[:_MAX_LINES])


def _inner(part: Message) -> str:
    """What a message/* part holds, as it stands: the parser takes it for messages, and ends them at any odd line."""
    return _octets(part).decode("utf-8", "replace")


def _octets(part: Message) -> bytes:
    payload = part.get_payload()
    if not isinstance(payload, list):
        return text_of(part)
    octets = b"\n\n".join(_source(inner) for inner in payload if isinstance(inner, Message))
    way = str(part.get("Content-Transfer-Encoding", "")).strip().lower()
    if way == "quoted-printable":
        return a2b_qp(octets)
    try:
        return b64decode(b"".join(octets.split()), validate=True) if way == "base64" else octets
    except ValueError:
        return octets


def _source(inner: Message) -> bytes:
    header = "".join(f"{name}: {value}\n" for name, value in inner.raw_items())
    return header.encode("utf-8", "surrogateescape") + b"\n" + text_of(inner)


def _originals(part: Message) -> Iterator[Message]:
    """The returned message or its header, as the report has it."""
    kind = part.get_content_type()
    if kind in _HEADER_TYPES:
        yield HEADERS.parsebytes(_BEFORE.sub(b"", text_of(part), count=1))
    elif kind in _ORIGINAL_TYPES:
        payload = part.get_payload()
        for inner in payload if isinstance(payload, list) else []:
            if isinstance(inner, Message):
                # Behind an empty line, or encoded, the header is where the parser looks for a body.
                yield inner if inner.keys() else HEADERS.parsebytes(_BEFORE.sub(b"", _octets(part), count=1))


def _field_groups(text: str) -> Iterator[Group]:
    """The groups of fields in a text, each with those that are known here; between two stands an empty line."""
    group, last = dict[str, str](), ""
    for line in [*text.splitlines(), ""]:
        field = _STATUS_FIELD.match(line)
        name = field[1].lower() if field else ""
        if not line.strip():
            if group:
                yield group
            group, last = {}, ""
        elif field and name in _KNOWN:
            if name in group and name == "final-recipient":  # the empty line is missing
                yield group
                group = {}
            last = "" if name in group else name
            group.setdefault(name, field[2].strip())
        elif last and (line[0] in " \t" or (last == "diagnostic-code" and _REPLY_LINE.match(line))):
            group[last] += f" {line.strip()}"
        else:
            last = ""


def _is_about_recipient(group: Group) -> bool:
    return "final-recipient" in group and not group.keys().isdisjoint({"action", "status", "diagnostic-code"})


def first_value(groups: Sequence[Group], name: str) -> str:
    """The value of a field in the first group that has it."""
    return next((group[name] for group in groups if group.get(name)), "")


def without_comment(value: str) -> str:
    """The value without a comment: `failed (will not retry)`."""
    return value.partition("(")[0].strip()


def comment_of(value: str) -> str:
    found = _COMMENT.search(value)
    return one_line(found[1]) if found else ""


def without_type(value: str) -> str:
    """The value of a field such as Diagnostic-Code, without its type."""
    text = decoded(value)
    return one_line(match[1] if (match := _TYPED.fullmatch(text)) else text)


def server_name(value: str) -> str:
    """The name in a field such as `dns; mail.example.net. (192.0.2.1)`."""
    return without_comment(without_type(value)).rstrip(".")
