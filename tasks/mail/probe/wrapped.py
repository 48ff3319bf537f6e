"""The probe within a message that a spam filter or a gateway has made of it.

SpamAssassin does so by default (report_safe 1: the message as it came is attached as message/rfc822; 2: as text/plain),
and so do MailScanner, Amavis and others that make spam harmless. The new header may have kept From, Subject and
Message-ID, or not. A person who forwards the probe attaches it in the same way: that is no arrival.
"""

import base64
import binascii
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message

from tasks.mail.probe.compose import Probe
from tasks.mail.probe.match import POLICY, Match, arrival, decoded, may_be_from, own_parts, quotes_subject, text_of
from tasks.mail.probe.octets import bounded, mentions

_MESSAGES = {"message/rfc822", "message/global"}
_AS_TEXT = {
    "text/plain",
    "text/rfc822",
    "application/octet-stream",
    "message/rfc822",
}  # with the message in their octets
_SAYS_SPAM = re.compile(r"\b(?:spam|junk|phish\w*|suspect\w*|suspicious|quarantin\w*)\b", re.IGNORECASE)
_MAX_WRAPPERS = 3  # one around the other

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Original:
    """A message that is attached to another one. `as_spam`: the part is marked to be what SpamAssassin calls spam."""

    message: Message
    as_spam: bool = False


def original(message: Message, number: str, depth: int = _MAX_WRAPPERS) -> Original | None:
    """The attached message that has this id of a probe in its own header; None where there is none."""
    for part in own_parts(message) if depth else ():
        as_spam = str(part.get_param("x-spam-type", "")).lower() == "original"
        for inner in _attached(part, as_spam):
            if _is_it(inner, number):
                return Original(inner, as_spam)
            if (found := original(inner, number, depth - 1)) is not None:
                return Original(found.message, as_spam or found.as_spam)
    return None


def wrapped(raw: bytes, probe: Probe, marked: bool = False) -> Match:
    """Whether a message has the probe in it, and is a filter's: OWN where the original is ours to delete, COPY, or NO.

    `marked`: its header says that it is spam.
    """
    if not mentions(raw, probe.id):
        return Match.NO
    try:
        message = message_from_bytes(bounded(raw), policy=POLICY)
        found = original(message, probe.id)
        if found is None or not (found.as_spam or _is_a_filters(message, found.message, probe, marked)):
            return Match.NO
        return arrival(found.message, probe)
    except Exception as error:  # the standard library's parser raises many things, RecursionError among them
        log.info("A message could not be parsed: %s", type(error).__name__)
        return Match.NO


def _is_a_filters(message: Message, inner: Message, probe: Probe, marked: bool) -> bool:
    """Whether nobody has written it: it says that this is spam, or is by whom and of when the probe is.

    A person forwards a message at another time, and by a program that gives it another Message-ID.
    """
    if quotes_subject(message, probe):
        return False
    subject = decoded(message.get("Subject")).casefold()
    if marked or (probe.token in subject and _SAYS_SPAM.search(subject.replace(probe.subject.casefold(), ""))):
        return True
    ours = message.get("From") is not None and may_be_from(message, probe)
    return ours and any(_same(message, inner, name) for name in ("Message-ID", "Date"))


def _same(one: Message, other: Message, name: str) -> bool:
    values = [" ".join(str(message.get(name, "")).split()) for message in (one, other)]
    return bool(values[0]) and values[0] == values[1]


def _attached(part: Message, as_spam: bool) -> Iterator[Message]:
    """The message that a part is or holds, in whatever way it is encoded."""
    payload = part.get_payload()
    if part.get_content_type() in _MESSAGES and isinstance(payload, list):
        for inner in payload:
            if isinstance(inner, Message):
                yield inner
                yield from _encoded(inner)
    elif as_spam or (part.get_content_type() in _AS_TEXT and part.get_content_disposition() == "attachment"):
        yield message_from_bytes(bounded(text_of(part)), policy=POLICY)


def _encoded(inner: Message) -> Iterator[Message]:
    """A message in base64, which RFC 2046 does not allow, and the parser leaves as it is."""
    text = inner.get_payload()
    if not inner.keys() and isinstance(text, str):
        try:
            yield message_from_bytes(bounded(base64.b64decode(text)), policy=POLICY)
        except (binascii.Error, ValueError):
            return


def _is_it(message: Message, number: str) -> bool:
    """By our own field, or by the Message-ID where that was taken away."""
    own, given = (" ".join(str(message.get(name, "")).split()) for name in ("X-Mail-Loop-Id", "Message-ID"))
    return own == number if own else given.startswith(f"<{number}@")
