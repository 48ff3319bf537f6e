"""Text from servers and strangers, for people to see."""

import re
from typing import Annotated

from pydantic import AfterValidator

MAX_LINE_CHARS = 300
_LINK = re.compile(r"(https?):(?=//)", re.IGNORECASE)
_OCTETS = re.compile("[\udc80-\udcff]+")  # what is not ASCII, or not UTF-8, as Python keeps it in a text


def as_text(octets: bytes) -> str:
    """Octets of unknown charset: UTF-8, and what is none is Latin-1."""
    text = octets.decode("utf-8", "surrogateescape")
    return _OCTETS.sub(lambda run: run[0].encode("ascii", "surrogateescape").decode("latin-1"), text)


def printable(text: str) -> str:
    """The text with what is not printable (control characters, direction marks, halves of characters) as escapes."""
    if text.isprintable():
        return text
    legible = _OCTETS.sub(lambda run: as_text(run[0].encode("ascii", "surrogateescape")), text)
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in legible)


def one_line(text: str, limit: int | None = MAX_LINE_CHARS) -> str:
    """One line of at most `limit` characters; what could move a cursor, forge a line or hide is shown as an escape."""
    shown = printable(" ".join(text.split()))
    return shown if limit is None or len(shown) <= limit else f"{shown[: limit - 1]}…"


def unlinked(text: str) -> str:
    """The text with a blank in its addresses: Prefect's UI makes links of all that begin with http in a log."""
    return _LINK.sub(r"\1: ", text)


# What strangers wrote may be what no JSON, terminal or log can carry.
SafeText = Annotated[str, AfterValidator(printable)]
