"""The period that a history is about."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from tasks.history.formats import minute
from tasks.mail.model.durations import span
from tasks.mail.model.errors import ConfigError


def period_length(text: str) -> timedelta:
    """A length of time such as 90m, 24h, 7d or 4w. Raises ConfigError."""
    if (length := span(text)) is not None:
        return length
    raise ConfigError(f"since: must be a length of time such as 90m, 24h, 7d or 4w, at most 520w, not {text[:40]!r}")


@dataclass(frozen=True, slots=True)
class Window:
    """From `start` to `end`, both UTC."""

    start: datetime
    end: datetime

    @property
    def length(self) -> timedelta:
        return self.end - self.start

    @property
    def middle(self) -> datetime:
        return self.start + self.length / 2

    def __str__(self) -> str:
        return f"{minute(self.start)} to {minute(self.end)} UTC"


def window(since: str, now: datetime) -> Window:
    """The period that began `since` ago and ends now. Raises ConfigError."""
    return Window(now - period_length(since), now)
