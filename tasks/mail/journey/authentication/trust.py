"""Header fields: their comments (RFC 5322, 3.2.2), and who wrote them: the receiver's own servers, or another before?

A server puts what it adds on top (RFC 5321, 4.4), so a sender writes into nothing that stands above the Received field
by which its message came in. What a server says of its own steps, such as a content filter on the same host, is no such
field. What a step is, is judged strictly: a step that is taken for an entry costs a result, the other way round it
would be believed.
"""

import re
from collections.abc import Collection, Sequence
from ipaddress import ip_address
from typing import NamedTuple

from tasks.mail.journey.received.hops import hops

Field = tuple[str, str]  # name and value of a header field, as it stands; a header is a sequence of them, top first

_COMMENT_PIECE = re.compile(r"[^()\\]++|\\.?|[()]", re.DOTALL)

_BY = re.compile(r"\sby\s+\[?([\w.:-]{1,255})", re.IGNORECASE)
_LMTP = re.compile(r"\swith\s+LMTPS?A?(?![\w-])", re.IGNORECASE)  # never used between sites (RFC 2033, 5)
_MAX_CHARS = 4096  # characters that are looked at for the first word
_ADDRESS = re.compile(r"[0-9A-Fa-f.:]{3,45}")


def comment_end(text: str, start: int) -> int:
    """Where the comment that begins at `start` ends, in linear time; one that does not end takes the rest."""
    depth, place = 0, start
    while match := _COMMENT_PIECE.match(text, place):
        place = match.end()
        depth += (match[0] == "(") - (match[0] == ")")
        if not depth:
            break
    return place


def _without_comments(text: str) -> str:
    """The text with a blank in the place of each comment."""
    kept, place = [], 0
    while match := _COMMENT_PIECE.match(text, place):
        is_comment = match[0] == "("
        place = comment_end(text, place) if is_comment else match.end()
        kept.append(" " if is_comment else match[0])
    return "".join(kept)


def is_step(received: str) -> bool:
    """Whether a Received field is about a step within the receiver's own system: no client from elsewhere is behind it.

    It has no `from`, comes by LMTP, or its client is the host itself: not by the name it gave, but by its address,
    which the server saw and put in a comment.
    """
    plain = _without_comments(received)
    if plain[:_MAX_CHARS].lower().split()[:1] != ["from"] or _LMTP.search(plain):
        return True
    client = re.split(r"\sby\s", received, maxsplit=1, flags=re.IGNORECASE)[0].partition("(")[2]
    seen = [
        local for text in _ADDRESS.findall(client.replace("IPv6:", " ")) if (local := _is_loopback(text)) is not None
    ]
    return bool(seen) and all(seen)


def is_written_by(received: str, hosts: Collection[str]) -> bool:
    """Whether a Received field names one of `hosts` (in lower case), or a host below one, as its writer."""
    found = _BY.search(_without_comments(received))
    writer = found[1].lower().rstrip(".") if found else ""
    return any(host and (writer == host or writer.endswith(f".{host}")) for host in hosts)


def border_of(fields: Sequence[Field]) -> int:
    """How many fields stand above the first Received field by which the message may have come in from elsewhere."""
    entries = (i for i, (name, value) in enumerate(fields) if name.lower() == "received" and not is_step(value))
    return next(entries, len(fields))


def _is_loopback(text: str) -> bool | None:
    """None where the text is no address."""
    try:
        return ip_address(text).is_loopback
    except ValueError:
        return None


class Written(NamedTuple):
    """A header field, and the server that wrote it; empty where that is not known."""

    name: str
    value: str
    writer: str


def with_writers(fields: Sequence[Field]) -> tuple[Written, ...]:
    """The same fields with their writers: a server writes above its own Received field, so the next one below tells."""
    found, below = [], ""
    for name, value in reversed(fields):
        if name.lower() == "received":
            below = hops([value])[0].by
        found.append(Written(name, value, below))
    return tuple(reversed(found))
