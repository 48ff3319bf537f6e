"""Which servers say that they have greylisted a message, as Postgrey, sqlgrey and others do in X-Greylist: pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tasks.mail.journey.authentication.trust import Field
from tasks.mail.journey.owner import with_writers

DELAYED = re.compile(r"\s*delayed\b", re.IGNORECASE)


def greylisting(fields: Sequence[Field]) -> frozenset[str]:
    """Their names."""
    return frozenset(
        field.writer
        for field in with_writers(fields)
        if field.name.lower() == "x-greylist" and field.writer and DELAYED.match(field.value)
    )
