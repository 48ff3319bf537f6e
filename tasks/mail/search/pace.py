"""When to look again.

On one connection: in tight steps at first, then as the mailbox has news; other folders in between. Over another
one, where one has failed: after a pause, unless another could not end otherwise.
"""

import time
from collections.abc import Callable

from tasks.mail.mailboxes.mailbox import Mailbox
from tasks.mail.model.cause import Cause
from tasks.mail.model.errors import MailboxFailure
from tasks.mail.model.moment import Moment, Tried

TIGHT_SECONDS = 3.0
_TIGHT_JUNK_SECONDS, _JUNK_SECONDS = 1.0, 5.0  # between two looks at the junk folder, at first and later
_SOON_SECONDS = 1.0  # a look aside that is due within so many seconds is done with the one that is done now
_FIRST_SWEEP = 5.0  # seconds until all other folders are looked at for the first time; the interval then doubles
SECOND_LOOK = 10.0  # seconds until a second look settles what waiting does not change: see LASTING
_SLACK = 0.01  # seconds that a timer may ring early


class Pace:
    """The rhythm of one connection's looks."""

    def __init__(self, deadline: float) -> None:
        """`deadline`: in monotonic seconds, when the last look begins."""
        self.deadline = deadline
        self.begun = time.monotonic()
        self.next_junk = self.begun
        self.next_sweep = self.begun + _FIRST_SWEEP
        self.sweep = _FIRST_SWEEP

    @property
    def over(self) -> bool:
        return time.monotonic() >= self.deadline

    def junk_is_due(self) -> bool:
        now = time.monotonic()
        tight = now - self.begun < TIGHT_SECONDS
        if now < self.next_junk - (0.0 if tight else _SOON_SECONDS):
            return False
        self.next_junk = now + (_TIGHT_JUNK_SECONDS if tight else _JUNK_SECONDS)
        return True

    def sweep_is_due(self) -> bool:
        if (now := time.monotonic()) < self.next_sweep:
            return False
        self.sweep *= 2
        self.next_sweep = now + self.sweep
        return True

    async def pause(self, box: Mailbox) -> None:
        """Wait until the next look is worth it, never beyond the deadline."""
        now = time.monotonic()
        left = max(0.0, self.deadline - now)
        if (tight := self.begun + TIGHT_SECONDS - now) > 0:
            aside = self.next_junk - now
            await box.wait(min(left, tight, aside if aside > 0 else _TIGHT_JUNK_SECONDS), hurry=True)
        else:
            await box.wait(max(0.0, min(left, self.next_sweep - now)), hurry=False)


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

    def failed(self, failure: MailboxFailure) -> None:
        """The try that began last has failed; the failure hears of all tries, and may be final by now."""
        failure.tried = self.so_far()
        if failure.lasting is None or failure.lasting is not self._said:
            self._said, self._since = failure.lasting, self._last.monotonic
        elif self._left() <= _SLACK:
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
