"""Whether the body of a probe came as it was sent, or a gateway on the way has added to it or rewritten it: pure."""

from __future__ import annotations

from email.message import Message
from enum import StrEnum

from tasks.mail.match import own_parts, text_of
from tasks.mail.probe import checksum


class Body(StrEnum):
    """What became of the body."""

    INTACT = "intact"
    CHANGED = "changed"
    UNKNOWN = "unknown"  # it carries no checksum


def body_of(message: Message, expected: str | None = None) -> Body:
    """Compare the body with `expected`, or else with the checksum that the message carries itself."""
    wanted = expected or " ".join(str(message.get("X-Mail-Loop-Body", "")).split())
    if not wanted:
        return Body.UNKNOWN
    parts = list(own_parts(message))
    # A gateway that cannot add to a text adds a part.
    intact = len(parts) == 1 and checksum(text_of(parts[0])) == wanted
    return Body.INTACT if intact else Body.CHANGED
