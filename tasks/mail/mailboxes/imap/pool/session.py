"""One session that many wait on: a task of its own asks for them all, and hands new messages to those they concern.

It never gives up a command because a waiter has left: an answer left behind would end the connection for all. When the
connection is lost each waiter gets the failure, and this session is over.
"""

import asyncio
import contextvars
import math
import time
from contextlib import AbstractAsyncContextManager, suppress

from tasks.mail.config.mailbox import ProbeMailbox
from tasks.mail.mailboxes.imap.pool.folders import SharedFolders, Waiter
from tasks.mail.mailboxes.imap.pool.queue import Job, Jobs
from tasks.mail.mailboxes.imap.session import Session
from tasks.mail.model.errors import MailboxFailure

_REMEMBERED_SECONDS = 60.0  # in which a refusal that would be met again is not asked for: logins too many lock out
_SHARED_SECONDS = 1.0  # in which those that come with the first get its failure, where a second look may settle it
_BEAT_SECONDS = 0.05  # between two looks for all that are in their tight phase: a message is seen after half of it
_LINGER_SECONDS = 0.1  # for another question before IDLE begins
_IDLE_SECONDS = 300.0  # of one IDLE, where there is no question: each waiter has one every few seconds


class SharedSession(SharedFolders):
    """The session of one mailbox, for as long as there are waiters."""

    def __init__(self, config: ProbeMailbox, place: AbstractAsyncContextManager[None]) -> None:
        super().__init__(Session(config))
        self.config = config
        self.admitted = asyncio.Event()  # it has the place that it may need at the server
        self.ready = asyncio.Event()  # it is open, or over
        self.jobs = Jobs(self._stir)
        self._place = place
        self._resting: dict[Waiter, float | None] = {}  # by what may be their seconds between two looks; None: IDLE
        self._stirred = asyncio.Event()
        self._was_open = False
        self._ended = 0.0
        self._cut_short = False  # the server has ended IDLE by itself: it may not have announced all
        self._hurry: float | None = math.inf  # seconds between the looks that go on; inf while none rests
        # An empty context: what it does is not part of the check that happened to come first.
        self.task = asyncio.create_task(self._run(), context=contextvars.Context())

    @property
    def alive(self) -> bool:
        return self.jobs.over is None

    def refused(self, now: float) -> bool:
        """Whether another one would, at that time (monotonic seconds), be refused the same way."""
        over = self.jobs.over
        if self._was_open or not isinstance(over, MailboxFailure) or not (over.permanent or over.lasting):
            return False
        return now <= self._ended + (_REMEMBERED_SECONDS if over.permanent else _SHARED_SECONDS)

    def leave(self, waiter: Waiter) -> bool:
        """Take a waiter out; returns whether it was the last one, with which the session ends."""
        self.waiters.discard(waiter)
        self._resting.pop(waiter, None)
        if self.waiters:
            return False
        self._end(self.session.connection.failure())
        self.task.cancel()
        return True

    def rests(self, waiter: Waiter, seconds: float | None) -> None:
        """A waiter begins to wait for news: by looks so many `seconds` apart, or by IDLE."""
        self._resting[waiter] = seconds
        if self._hurry is None and seconds is None:
            return
        if self._hurry is None or max(seconds or math.inf, _BEAT_SECONDS) < self._hurry or math.isinf(self._hurry):
            self._stir()

    def rises(self, waiter: Waiter) -> None:
        self._resting.pop(waiter, None)

    async def _run(self) -> None:
        try:
            async with self._place:
                self.admitted.set()
                try:
                    await self.session.open()
                    self.ready.set()
                    self._was_open = True
                    while True:
                        await self._turn()
                except Exception as error:  # of ours as well: each waiter reports what became of its search
                    self._end(error)
                finally:
                    self._end(self.session.connection.failure())
                    await self.session.close()
        finally:
            self._end(self.session.connection.failure())

    def _end(self, failure: Exception) -> None:
        """Give the failure to all waiters, once."""
        if isinstance(failure, MailboxFailure):
            failure.alone()  # it is kept, and the way to it leads by the password
        if self.jobs.over is None:
            self.jobs.end(failure)
            self._ended = time.monotonic()
            self.admitted.set()
            self.ready.set()
            for waiter in [*self.waiters]:
                waiter.wake.set()

    async def _turn(self) -> None:
        """Answer one question; without any, wait for news or for the next one."""
        self._stirred.clear()
        if (job := self.jobs.next()) is not None:
            await self._answer(job)
        elif self._resting:
            await self._wait_for_news()
        else:
            await self._stirred.wait()

    async def _answer(self, job: Job) -> None:
        try:
            answer = await job.run()
            await self.take_news()
        except Exception as error:  # what is no MailboxFailure is a fault of ours, for the asker to report
            if not self.session.connection.alive:
                self._end(error)
            job.fail(error)
            if not self.session.connection.alive:
                raise
        except BaseException:
            job.fail(self.session.connection.failure())
            raise
        else:
            job.answer(answer)

    async def _wait_for_news(self) -> None:
        """For those that rest: looks at the pace of the one in the greatest hurry, else IDLE."""
        place = next(iter(self._resting)).place
        hurry = min(
            (max(seconds, _BEAT_SECONDS) for seconds in self._resting.values() if seconds is not None), default=None
        )
        self._hurry = hurry
        try:
            seconds = _LINGER_SECONDS if hurry is None else self.looked + hurry - time.monotonic()
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, seconds)):
                    await self._stirred.wait()
                    return  # there is a question to answer
            if place is None:
                return
            if hurry is not None:
                await self.look(*place)
            elif self.box.can_idle:
                await (self.look if self._cut_short else self.ensure)(*place)
                if not self._stirred.is_set():
                    await self.box.idle(_IDLE_SECONDS)
                    self._cut_short = not self._stirred.is_set()
                if not self.box.can_idle:
                    for one in [*self._resting]:
                        one.wake.set()
            else:
                await self._stirred.wait()
            await self.take_news()
        except MailboxFailure:
            if not self.session.connection.alive:
                raise
            # Each waiter gets the refusal with a look of its own.
            for one in [*self._resting]:
                one.wake.set()
            self._resting.clear()
        finally:
            self._hurry = math.inf

    def _stir(self) -> None:
        self._stirred.set()
        self.session.connection.stir()
