"""Who wrote a header field: the receiver's own servers, or somebody before them? Pure.

A server puts what it adds on top (RFC 5321, 4.4), so a sender writes into nothing that stands above the Received field
by which his message came in. What a server says of its own steps, such as a content filter on the same host, is no such
field. What a step is, is judged strictly: a step that is taken for an entry costs a result, the other way round it
would be believed.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from ipaddress import ip_address

from tasks.mail.journey.comments import without_comments

Field = tuple[str, str]  # name and value of a header field, as it stands; a header is a sequence of them, top first

BY = re.compile(r"\sby\s+\[?([\w.:-]{1,255})", re.IGNORECASE)
LMTP = re.compile(r"\swith\s+LMTPS?A?(?![\w-])", re.IGNORECASE)  # never used between sites (RFC 2033, 5)
LONGEST = 4096  # characters that are looked at for the first word
ADDRESS = re.compile(r"[0-9A-Fa-f.:]{3,45}")


def is_step(received: str) -> bool:
    """Whether a Received field is about a step within the receiver's own system: no client from elsewhere is behind it.

    It has no `from`, comes by LMTP, or its client is the host itself: not by the name it gave, but by its address,
    which the server saw and put in a comment.
    """
    plain = without_comments(received)
    if plain[:LONGEST].lower().split()[:1] != ["from"] or LMTP.search(plain):
        return True
    client = re.split(r"\sby\s", received, maxsplit=1, flags=re.IGNORECASE)[0].partition("(")[2]
    seen = [
        local for text in ADDRESS.findall(client.replace("IPv6:", " ")) if (local := _is_loopback(text)) is not None
    ]
    return bool(seen) and all(seen)


def is_written_by(received: str, hosts: Collection[str]) -> bool:
    """Whether a Received field names one of `hosts` (in lower case), or a host below one, as its writer."""
    found = BY.search(without_comments(received))
    writer = found[1].lower().rstrip(".") if found else ""
    return any(host and (writer == host or writer.endswith(f".{host}")) for host in hosts)


def entry(fields: Sequence[Field]) -> int:
    """How many fields stand above the first Received field by which the message may have come in from elsewhere."""
    for index, (name, value) in enumerate(fields):
        if name.lower() == "received" and not is_step(value):
            return index
    return len(fields)


def _is_loopback(text: str) -> bool | None:
    """None where the text is no address."""
    try:
        return ip_address(text).is_loopback
    except ValueError:
        return None
