"""Notices that our probe bounced or is delayed, as status notifications (RFC 3464) or in plain text: pure."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from email import message_from_bytes
from email.message import Message
from email.utils import getaddresses
from functools import lru_cache

from tasks.mail.model.facts import Bounce
from tasks.mail.model.outcome import DELAYED, FAILED
from tasks.mail.model.safe_text import one_line
from tasks.mail.probe.compose import Probe
from tasks.mail.probe.match import (
    HEADERS,
    POLICY,
    comes_as_bounce,
    decoded,
    has_ids,
    is_autoreply,
    may_be_from,
    own_parts,
    text_of,
)
from tasks.mail.probe.octets import MOST_HEADER_LINES, bounded, mentions

STATUS_TYPES = {"message/delivery-status", "message/global-delivery-status"}  # the second is for SMTPUTF8 (RFC 6533)
ORIGINAL_TYPES = {"message/rfc822", "message/global", "message/rfc822-headers", "message/global-headers"}
TYPED = re.compile(r"[\w-]+ ?;(.*)", re.ASCII)

# A header quoted in a text: three fields or more, one of them telling it from what a notice says of itself.
FIELDS = re.compile(rb"^(?:[A-Za-z][A-Za-z0-9-]*:.*\n(?:[ \t].*\n)*+){3,}+", re.MULTILINE)
TELLING = ("Received", "Message-ID", "X-Mail-Loop-Id")
# What a notice in plain text says. Where it is not clear that nobody tries any more, it is taken for a delay.
GIVEN_UP = re.compile(
    r"\bpermanent|\bfatal|\bfailed\b|\bundeliver|\bgiv(?:en|ing) up\b|\b(?:not be|unable to be|not) delivered\b"
    r"|\b(?:unable|wasn't able) to deliver\b|\b5\d\d[ -]",
    re.IGNORECASE,
)
TRYING = re.compile(
    r"\bdelay|\bwarning\b|\bnot yet\b|\bstill trying\b|\bwill (?:be retried|retry|try again|keep|continue)\b",
    re.IGNORECASE,
)
NOTHING_ELSE = re.compile(rf"{GIVEN_UP.pattern}|\bfailure\b", re.IGNORECASE)  # in the subject of an empty notice
# The standard library takes time quadratic in a list of addresses; a bounce comes to one, and passes few servers.
MOST_LINES, LONGEST_LINE = 4, 1000
ADDRESSED = ("To", "Delivered-To", "X-Original-To", "Envelope-To")  # whom it came to, the last three by its server

# What reads like an SMTP reply, and the enhanced code in it, by what it is the reason for.
REPLY = {
    FAILED: re.compile(r"(?:^[ \t]*|[:'] ?)(5\d\d[ -].*)", re.MULTILINE),
    DELAYED: re.compile(r"(?:^[ \t]*|[:'] ?)(4\d\d[ -].*)", re.MULTILINE),
}
STATUS = {
    FAILED: re.compile(r"(?:\b5\d\d[ -]|\(#)(5\.\d{1,3}\.\d{1,3})\b"),
    DELAYED: re.compile(r"(?:\b4\d\d[ -]|\(#)(4\.\d{1,3}\.\d{1,3})\b"),
}

log = logging.getLogger(__name__)


def bounce_of(raw: bytes, probe: Probe, fresh: bool = True) -> Bounce | None:
    """The bounce of `probe` in the message `raw`; None if it reports on something else, or does not report a failure.

    A report of a delay is none: the relay is still trying. `fresh`: it came after the probe was sent; else the address
    that it came to, six digits of the id, is not enough to make it the probe's.
    """
    return _notice_of(raw, probe, FAILED, fresh) if concerns(raw, probe, fresh) else None


def delay_of(raw: bytes, probe: Probe, fresh: bool = True) -> Bounce | None:
    """The notice in the message `raw` that `probe` is delayed; None if it says anything else."""
    return _notice_of(raw, probe, DELAYED, fresh) if concerns(raw, probe, fresh) else None


def notice_of(raw: bytes, probe: Probe, fresh: bool = True) -> Bounce | None:
    """The bounce of `probe`, or else the notice that it is delayed, in a message that concerns it."""
    return _notice_of(raw, probe, FAILED, fresh) or _notice_of(raw, probe, DELAYED, fresh)


def concerns(raw: bytes, probe: Probe, fresh: bool = True) -> bool:
    """Whether the octets of a message have a word of `probe`: without one it is no notice, and is not parsed."""
    if mentions(raw, probe.id):
        return True
    if not (fresh and probe.verp and probe.token.encode() in raw.lower()):
        return False
    return _came_to(HEADERS.parsebytes(bounded(raw, MOST_HEADER_LINES)), probe)


def _notice_of(raw: bytes, probe: Probe, action: str, fresh: bool) -> Bounce | None:
    try:
        return _notice_in(_parsed(raw), probe, action, fresh)
    except Exception as error:  # the standard library's parser raises many things, RecursionError among them
        log.info("A delivery report could not be parsed: %s", type(error).__name__)
        return None


@lru_cache(maxsize=4)
def _parsed(raw: bytes) -> Message:
    """Each notice is read for a bounce and for a delay, by all who wait in the mailbox that it comes to."""
    return message_from_bytes(bounded(raw), policy=POLICY)


def _notice_in(report: Message, probe: Probe, action: str, fresh: bool) -> Bounce | None:
    if not comes_as_bounce(report):
        return None
    # Only the report's own parts: a returned message may itself have the probe, or a report on it, attached.
    parts = list(own_parts(report))
    notice, quoted = _notice(parts)
    originals = [original for part in parts for original in _originals(part)] or quoted
    by_address = False
    if not any(has_ids(original, probe) for original in originals):
        by_address = fresh and not any(_is_another(original, probe) for original in originals)
        by_address = by_address and _came_to(report, probe)
        if not by_address:
            return None
    if report.get_content_type() == "multipart/report" or any(
        part.get_content_type() in STATUS_TYPES for part in parts
    ):
        return _from_status([group for part in parts for group in _status_groups(part)], action)
    # Without a word of the probe in it, it may be what an autoresponder sent; and who is away writes of delays, too.
    if (by_address or action == DELAYED) and is_autoreply(report):
        return None
    return _from_text(report, notice, action, by_address)


def _from_status(groups: Sequence[Message], action: str) -> Bounce | None:
    told = next((group for group in groups if _action(group) == action), None)
    if told is None:
        return None
    reporting = next((group for group in groups if group.get("Reporting-MTA")), told)
    return Bounce(
        status=one_line(decoded(told.get("Status"))),
        diagnostic=_typed(told.get("Diagnostic-Code")),
        recipient=_typed(told.get("Final-Recipient")),
        reporting_mta=_typed(reporting.get("Reporting-MTA")),
        remote_mta=_typed(told.get("Remote-MTA")),
        action=action,
    )


def _from_text(report: Message, notice: str, action: str, by_address: bool) -> Bounce | None:
    """What a notice for people says; its reason is what reads like an SMTP reply."""
    subject = decoded(report.get("Subject"))
    trying = TRYING.search(f"{subject}\n{notice}") is not None
    given_up = GIVEN_UP.search(notice) is not None
    if by_address:  # then there may be no more than a subject
        given_up |= (GIVEN_UP if notice.strip() else NOTHING_ELSE).search(subject) is not None
    if not (trying if action == DELAYED else given_up and not trying):
        return None
    reply, status = REPLY[action].search(notice), STATUS[action].search(notice)
    return Bounce(
        status=status[1] if status else "",
        diagnostic=one_line(reply[1]) if reply else "",
        recipient=one_line(decoded(report.get("X-Failed-Recipients"))),
        reporting_mta="",
        remote_mta="",
        action=action,
    )


def _came_to(report: Message, probe: Probe) -> bool:
    """Whether it came to the address that this probe alone was sent from."""
    if not probe.verp:
        return False
    values = [str(value)[:LONGEST_LINE] for name in ADDRESSED for value in report.get_all(name, [])[:MOST_LINES]]
    readable = [value.encode("utf-8", "surrogateescape").decode("utf-8", "replace") for value in values]
    addresses = getaddresses([" ".join(value.split()) for value in readable])
    return any(address.casefold() == probe.envelope_from.casefold() for _, address in addresses)


def _is_another(original: Message, probe: Probe) -> bool:
    """Whether what was returned without the ids of the probe has those of another message, or another sender."""
    return any(name in original for name in ("X-Mail-Loop-Id", "Message-ID")) or not may_be_from(original, probe)


def _notice(parts: Sequence[Message]) -> tuple[str, list[Message]]:
    """What the report says in plain text before it quotes a header, and that header."""
    texts = [text_of(part) for part in parts if part.get_content_type() == "text/plain"]
    text = b"\n".join(texts).replace(b"\r\n", b"\n") + b"\n"
    for block in FIELDS.finditer(text):
        header = HEADERS.parsebytes(block[0])
        if any(name in header for name in TELLING):
            return text[: block.start()].decode("utf-8", "replace"), [header]
    return text.decode("utf-8", "replace"), []


def _action(group: Message) -> str:
    """What was done, without a comment such as `(will not retry)`."""
    return decoded(group.get("Action")).partition("(")[0].strip().lower()


def _typed(value: object) -> str:
    """The value of a field such as `smtp; 550 no`, without its type."""
    text = decoded(value)
    return one_line(match[1] if (match := TYPED.fullmatch(text)) else text)


def _messages(part: Message) -> list[Message]:
    """What a message/* part holds."""
    payload = part.get_payload()
    return [inner for inner in payload if isinstance(inner, Message)] if isinstance(payload, list) else []


def _status_groups(part: Message) -> Iterator[Message]:
    """The field groups of the delivery-status part: the first is about the message, each other about a recipient."""
    if part.get_content_type() not in STATUS_TYPES:
        return
    for group in _messages(part):
        yield group
        # The parser splits message/delivery-status alone; in the other type the rest is the first group's body.
        for text in re.split(rb"(?:\r?\n){2,}", text_of(group)):
            yield HEADERS.parsebytes(text)


def _originals(part: Message) -> Iterator[Message]:
    """The returned message or its header, as the report has it."""
    if part.get_content_type() in ORIGINAL_TYPES:
        yield from _messages(part)
    elif part.get_content_type() == "text/rfc822-headers":
        yield HEADERS.parsebytes(text_of(part))
