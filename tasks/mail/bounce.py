"""Delivery status notifications (RFC 3464): does one report our probe as failed? Pure."""

from __future__ import annotations

from collections.abc import Iterator
from email import message_from_bytes, message_from_string
from email.message import Message

from tasks.mail.facts import Bounce
from tasks.mail.match import decoded
from tasks.mail.probe import Probe


def bounce_of(raw: bytes, probe: Probe) -> Bounce | None:
    """The bounce of `probe` in the message `raw`; None if it reports on something else, or does not report a failure.

    A report of a delay is none: the relay is still trying.
    """
    message = message_from_bytes(raw)
    if not any(_is_probe(original, probe) for original in _originals(message)):
        return None
    groups = list(_status_groups(message))
    failed = next((group for group in groups if decoded(group.get("Action")).lower() == "failed"), None)
    if failed is None:
        return None
    reporting = next((group for group in groups if group.get("Reporting-MTA")), failed)
    return Bounce(
        status=decoded(failed.get("Status")),
        diagnostic=_typed(failed.get("Diagnostic-Code")),
        recipient=_typed(failed.get("Final-Recipient")),
        reporting_mta=_typed(reporting.get("Reporting-MTA")),
        remote_mta=_typed(failed.get("Remote-MTA")),
    )


def _typed(value: object) -> str:
    """The value of a field such as `smtp; 550 no`, without its type."""
    text = decoded(value)
    _, separator, rest = text.partition(";")
    return rest.strip() if separator else text


def _status_groups(message: Message) -> Iterator[Message]:
    """The field groups of the delivery-status part: the first is about the message, each other about a recipient."""
    for part in message.walk():
        if part.get_content_type() == "message/delivery-status" and isinstance(part.get_payload(), list):
            yield from (group for group in part.get_payload() if isinstance(group, Message))


def _originals(message: Message) -> Iterator[Message]:
    """The returned message or its header, as the report has it."""
    for part in message.walk():
        kind, payload = part.get_content_type(), part.get_payload()
        if kind in {"message/rfc822", "message/global"} and isinstance(payload, list):
            yield from (original for original in payload if isinstance(original, Message))
        elif kind in {"text/rfc822-headers", "message/rfc822-headers"}:
            text = part.get_payload(decode=True)
            yield message_from_bytes(text) if isinstance(text, bytes) else message_from_string(str(payload))


def _is_probe(original: Message, probe: Probe) -> bool:
    return (
        decoded(original.get("X-Mail-Loop-Id")) == probe.id or decoded(original.get("Message-ID")) == probe.message_id
    )
