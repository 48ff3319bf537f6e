"""The tries to read one mailbox, as they happen: when, and whether another one could end otherwise."""

from __future__ import annotations

from collections.abc import Callable

from tasks.mail.model.cause import Cause
from tasks.mail.model.errors import ImapFailure
from tasks.mail.model.moment import Moment, Tried

SECOND_LOOK = 10.0  # seconds until a second look settles what waiting does not change: see LASTING
SLACK = 0.01  # seconds that a timer may ring early


class Tries:
    """How many there were, when the first and the last began, and what the last one failed of."""

    def __init__(self, second_look: float = SECOND_LOOK, now: Callable[[], Moment] = Moment.now) -> None:
        """`second_look`: seconds after which what is said again is final, if it is of a lasting kind."""
        self.count = 0
        self._second_look = second_look
        self._now = now
        self._first = self._last = now()
        self._said: Cause | None = None
        self._since = 0.0  # when the try began in which it was said first, in monotonic seconds

    def begin(self) -> float:
        """One more try begins; returns when, in monotonic seconds."""
        self._last = self._now()
        if self.count == 0:
            self._first = self._last
        self.count += 1
        return self._last.monotonic

    def failed(self, failure: ImapFailure) -> None:
        """The try that began last has failed; the failure hears of all tries, and may be final by now."""
        failure.tried = self.so_far()
        if failure.lasting is None or failure.lasting is not self._said:
            self._said, self._since = failure.lasting, self._last.monotonic
        elif self._left() <= SLACK:
            failure.permanent = True

    def so_far(self) -> Tried:
        """The tries up to this moment."""
        return Tried(self.count, self._first, self._last, self._now())

    def pause(self, retry_delay: float) -> float:
        """Seconds from the beginning of the last try to that of the next: a second look waits for no longer delay."""
        return retry_delay if self._said is None else min(retry_delay, self._left())

    def _left(self) -> float:
        """Seconds from the beginning of the last try to that of one that settles what is said."""
        return self._since + self._second_look - self._last.monotonic
