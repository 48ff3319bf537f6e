"""Whether the body of a probe came as it was sent, or a gateway on the way has added to it or rewritten it."""

import re
from collections.abc import Iterator
from email.message import Message
from enum import StrEnum

from tasks.mail.model.safe_text import one_line
from tasks.mail.probe.compose import checksum
from tasks.mail.probe.match import own_parts, text_of

_TAG = re.compile(r"<[^<>]*>")
_WORD = re.compile(r"[^\W\d_]{3}")
_MAX_OCTETS = 2**16  # of a part that are looked through for what was added
_MAX_SHOWN_CHARS = 80  # characters of it that are shown


class Body(StrEnum):
    """What became of the body."""

    INTACT = "intact"
    CHANGED = "changed"
    UNKNOWN = "unknown"  # it carries no checksum, or could not be read


def body_of(message: Message, sent: bytes | None = None) -> Body:
    """Compare the body with what was sent, or else with the checksum that the message carries itself."""
    wanted = " ".join(str(message.get("X-Mail-Loop-Body", "")).split()) if sent is None else checksum(sent)
    if not wanted:
        return Body.UNKNOWN
    parts = list(own_parts(message))
    # A gateway that cannot add to a text adds a part.
    intact = len(parts) == 1 and checksum(text_of(parts[0])) == wanted
    return Body.INTACT if intact else Body.CHANGED


def added_line(message: Message, sent: bytes) -> str:
    """The first line with a word in it that was not sent: a footer often says whose it is. Else empty."""
    own = {" ".join(line.split()) for line in sent.decode("utf-8", "replace").splitlines()}
    return next(
        (one_line(line, _MAX_SHOWN_CHARS) for line in _lines(message) if line not in own and _WORD.search(line)), ""
    )


def _lines(message: Message) -> Iterator[str]:
    """Those of the texts; of HTML without its tags."""
    for part in own_parts(message):
        if part.get_content_maintype() == "text":
            text = text_of(part)[:_MAX_OCTETS].decode("utf-8", "replace")
            text = _TAG.sub(" ", text) if part.get_content_subtype() == "html" else text
            yield from (" ".join(line.split()) for line in text.splitlines())
