"""When a loop of a fleet is due: hundreds of them are spread over the interval. Pure."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

SINCE = datetime(2024, 1, 1, tzinfo=UTC)


def anchor(name: str, every: timedelta) -> datetime:
    """The moment that a loop's schedule is reckoned from: the same for the same name, whatever others there are."""
    digest = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    return SINCE + timedelta(seconds=digest % int(every.total_seconds()))
