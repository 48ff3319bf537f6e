"""When to look again: in tight steps at first, then woken by IDLE, with a look between short slices of it."""

from __future__ import annotations

import asyncio
import time

from tasks.mail.mailboxes.imap.mailbox import UNTOLD_SECONDS, Mailbox

# Seconds between two looks of the tight phase, and the factor by which they grow: a message is seen after half of one.
FIRST_STEP, LONGEST_STEP, GROWTH = 0.02, 0.08, 1.5
TIGHT_SECONDS = 3.0
SLICE_SECONDS = 5.0  # IDLE is an alarm clock, not a clock: servers push late, or never
POLL_SECONDS = 2.5  # between two looks on a server without IDLE: each second one opens the view anew
JUNK_SECONDS = 1.0  # between two looks at the junk folder in the tight phase, and a slice of IDLE later
SOON = 1.0  # a look aside that is due within so many seconds is done with the one that is done now
FIRST_SWEEP = 5.0  # seconds until all other folders are looked at for the first time; the interval then doubles


class Pace:
    """The rhythm of one connection's looks."""

    def __init__(self, deadline: float) -> None:
        """`deadline`: in monotonic seconds, when the last look begins."""
        self.deadline = deadline
        self.begun = time.monotonic()
        self.step = FIRST_STEP
        self.next_junk = self.begun
        self.next_sweep = self.begun + FIRST_SWEEP
        self.sweep = FIRST_SWEEP

    @property
    def over(self) -> bool:
        return time.monotonic() >= self.deadline

    def junk_is_due(self) -> bool:
        now = time.monotonic()
        tight = now - self.begun < TIGHT_SECONDS
        if now < self.next_junk - (0.0 if tight else SOON):
            return False
        self.next_junk = now + (JUNK_SECONDS if tight else SLICE_SECONDS)
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
            await box.rest(min(self.step, left), min(left, tight, aside if aside > 0 else JUNK_SECONDS))
            self.step = min(self.step * GROWTH, LONGEST_STEP)
        elif box.can_idle:
            await box.idle(max(0.0, min(SLICE_SECONDS, left, self.next_sweep - now, UNTOLD_SECONDS - box.unfetched)))
            # A busy mailbox, or a server that ends IDLE at once, must not make the looks follow each other unpaced.
            await asyncio.sleep(max(0.0, now + min(LONGEST_STEP, left) - time.monotonic()))
        else:
            await box.rest(min(POLL_SECONDS, left), min(left, SLICE_SECONDS))
