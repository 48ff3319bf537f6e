"""What has been dealt with, remembered for as long as it may be met again: pure."""

from __future__ import annotations

from collections.abc import Hashable
from datetime import datetime
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Seen(Generic[K]):
    """A set whose members know when they were last met."""

    def __init__(self) -> None:
        self._met: dict[K, datetime] = {}

    def add(self, key: K, now: datetime) -> bool:
        """Remember `key`; returns whether it is new."""
        new = self._met.pop(key, None) is None
        self._met[key] = now
        return new

    def forget(self, before: datetime) -> None:
        """Forget what has not been met since."""
        for key in [key for key, met in self._met.items() if met < before]:
            del self._met[key]

    def __contains__(self, key: object) -> bool:
        return key in self._met

    def __len__(self) -> int:
        return len(self._met)
