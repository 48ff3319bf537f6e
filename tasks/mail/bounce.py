"""Notices that our probe bounced or is delayed, as status notifications (RFC 3464) or in plain text: pure."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from email import message_from_bytes
from email.message import Message

from tasks.mail.facts import DELAYED, FAILED, Bounce
from tasks.mail.match import (
    HEADERS,
    POLICY,
    comes_as_bounce,
    decoded,
    has_ids,
    is_autoreply,
    own_parts,
    text_of,
)
from tasks.mail.probe import Probe
from tasks.mail.visible import one_line

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


def bounce_of(raw: bytes, probe: Probe) -> Bounce | None:
    """The bounce of `probe` in the message `raw`; None if it reports on something else, or does not report a failure.

    A report of a delay is none: the relay is still trying.
    """
    return _notice_of(raw, probe, FAILED)


def delay_of(raw: bytes, probe: Probe) -> Bounce | None:
    """The notice in the message `raw` that `probe` is delayed; None if it says anything else."""
    return _notice_of(raw, probe, DELAYED)


def _notice_of(raw: bytes, probe: Probe, action: str) -> Bounce | None:
    try:
        return _notice_in(message_from_bytes(raw, policy=POLICY), probe, action)
    except Exception as error:  # the standard library's parser raises many things, RecursionError among them
        log.info("A delivery report could not be parsed: %s", type(error).__name__)
        return None


def _notice_in(report: Message, probe: Probe, action: str) -> Bounce | None:
    if not comes_as_bounce(report):
        return None
    # Only the report's own parts: a returned message may itself have the probe, or a report on it, attached.
    parts = list(own_parts(report))
    notice, quoted = _notice(parts)
    originals = [original for part in parts for original in _originals(part)] or quoted
    if not any(has_ids(original, probe) for original in originals):
        return None
    if report.get_content_type() == "multipart/report" or any(
        part.get_content_type() in STATUS_TYPES for part in parts
    ):
        return _from_status([group for part in parts for group in _status_groups(part)], action)
    return _from_text(report, notice) if action == FAILED else _delay_from_text(report, notice)


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


def _from_text(report: Message, notice: str) -> Bounce | None:
    """What a notice for people says."""
    if TRYING.search(f"{decoded(report.get('Subject'))}\n{notice}") or not GIVEN_UP.search(notice):
        return None
    return _in_words(report, notice, FAILED)


def _delay_from_text(report: Message, notice: str) -> Bounce | None:
    """The same of a delay. Who is away may write of delays and warnings, too."""
    if is_autoreply(report) or not TRYING.search(f"{decoded(report.get('Subject'))}\n{notice}"):
        return None
    return _in_words(report, notice, DELAYED)


def _in_words(report: Message, notice: str, action: str) -> Bounce:
    """The reason is what reads like an SMTP reply."""
    reply, status = REPLY[action].search(notice), STATUS[action].search(notice)
    return Bounce(
        status=status[1] if status else "",
        diagnostic=one_line(reply[1]) if reply else "",
        recipient=one_line(decoded(report.get("X-Failed-Recipients"))),
        reporting_mta="",
        remote_mta="",
        action=action,
    )


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
