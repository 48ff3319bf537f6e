"""Which servers say that they have greylisted a message, as Postgrey, sqlgrey and others do in X-Greylist: pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from tasks.mail.journey.border import Field
from tasks.mail.journey.hops import hops

DELAYED = re.compile(r"\s*delayed\b", re.IGNORECASE)


def greylisting(fields: Sequence[Field]) -> frozenset[str]:
    """Their names. A server writes above its own Received field, so the next one below says whose it is."""
    return frozenset(_servers(fields))


def _servers(fields: Sequence[Field]) -> Iterator[str]:
    below = ""
    for name, value in reversed(fields):
        if name.lower() == "received":
            below = hops([value])[0].by
        elif name.lower() == "x-greylist" and below and DELAYED.match(value):
            yield below
