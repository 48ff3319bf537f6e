"""Which server wrote a header field, by its place in the header: pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tasks.mail.journey.authentication.trust import Field
from tasks.mail.journey.received.hops import hops


class Written(NamedTuple):
    """A header field, and the server that wrote it; empty where that cannot be told."""

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
