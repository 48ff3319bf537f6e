"""When a loop of a fleet is due: hundreds of them are spread over the interval. Pure."""

import hashlib
from datetime import UTC, datetime, timedelta

SINCE = datetime(2024, 1, 1, tzinfo=UTC)


def anchor(name: str, every: timedelta) -> datetime:
    """The moment that a loop's schedule is reckoned from: the same for the same name, whatever others there are."""
    digest = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    return SINCE + timedelta(seconds=digest % int(every.total_seconds()))


def nth(number: int, of: int, every: timedelta) -> datetime:
    """The same for one of so many shards (the first is 0), which are at equal distances."""
    return SINCE + timedelta(seconds=int(every.total_seconds()) * number // of)


def shard(name: str, of: int) -> int:
    """Which of so many shards a loop belongs to, whatever others there are; with one more shard, few loops move."""
    return max(range(of), key=lambda number: hashlib.sha256(f"{name} {number}".encode()).digest())
