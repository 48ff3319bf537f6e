"""Delivery status notifications (RFC 3464): does one report our probe as failed? Pure."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from email import message_from_bytes
from email.message import Message

from tasks.mail.facts import Bounce
from tasks.mail.match import HEADERS, POLICY, decoded
from tasks.mail.probe import Probe
from tasks.mail.visible import one_line

STATUS_TYPES = {"message/delivery-status", "message/global-delivery-status"}  # the second is for SMTPUTF8 (RFC 6533)
ORIGINAL_TYPES = {"message/rfc822", "message/global", "message/rfc822-headers", "message/global-headers"}
TYPED = re.compile(r"[\w-]+ ?;(.*)", re.ASCII)

log = logging.getLogger(__name__)


def bounce_of(raw: bytes, probe: Probe) -> Bounce | None:
    """The bounce of `probe` in the message `raw`; None if it reports on something else, or does not report a failure.

    A report of a delay is none: the relay is still trying.
    """
    try:
        return _bounce_of(message_from_bytes(raw, policy=POLICY), probe)
    except Exception as error:  # the standard library's parser raises many things, RecursionError among them
        log.info("A delivery report could not be parsed: %s", type(error).__name__)
        return None


def _bounce_of(report: Message, probe: Probe) -> Bounce | None:
    # Only the report's own parts: a returned message may itself have the probe, or a report on it, attached.
    parts = _messages(report)
    if not any(_is_probe(original, probe) for part in parts for original in _originals(part)):
        return None
    groups = [group for part in parts for group in _status_groups(part)]
    failed = next((group for group in groups if _action(group) == "failed"), None)
    if failed is None:
        return None
    reporting = next((group for group in groups if group.get("Reporting-MTA")), failed)
    return Bounce(
        status=one_line(decoded(failed.get("Status"))),
        diagnostic=_typed(failed.get("Diagnostic-Code")),
        recipient=_typed(failed.get("Final-Recipient")),
        reporting_mta=_typed(reporting.get("Reporting-MTA")),
        remote_mta=_typed(failed.get("Remote-MTA")),
    )


def _action(group: Message) -> str:
    """What was done, without a comment such as `(will not retry)`."""
    return decoded(group.get("Action")).partition("(")[0].strip().lower()


def _typed(value: object) -> str:
    """The value of a field such as `smtp; 550 no`, without its type."""
    text = decoded(value)
    return one_line(match[1] if (match := TYPED.fullmatch(text)) else text)


def _messages(part: Message) -> list[Message]:
    """What a multipart or a message/* part holds."""
    payload = part.get_payload()
    return [inner for inner in payload if isinstance(inner, Message)] if isinstance(payload, list) else []


def _status_groups(part: Message) -> Iterator[Message]:
    """The field groups of the delivery-status part: the first is about the message, each other about a recipient."""
    if part.get_content_type() not in STATUS_TYPES:
        return
    for group in _messages(part):
        yield group
        # The parser splits message/delivery-status alone; in the other type the rest is the first group's body.
        if isinstance(rest := group.get_payload(decode=True), bytes):
            for text in re.split(rb"(?:\r?\n){2,}", rest):
                yield HEADERS.parsebytes(text)


def _originals(part: Message) -> Iterator[Message]:
    """The returned message or its header, as the report has it."""
    if part.get_content_type() in ORIGINAL_TYPES:
        yield from _messages(part)
    elif part.get_content_type() == "text/rfc822-headers" and isinstance(text := part.get_payload(decode=True), bytes):
        yield HEADERS.parsebytes(text)


def _is_probe(original: Message, probe: Probe) -> bool:
    return (
        decoded(original.get("X-Mail-Loop-Id")) == probe.id or decoded(original.get("Message-ID")) == probe.message_id
    )
