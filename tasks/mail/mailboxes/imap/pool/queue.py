"""What several ask of one session, one after the other: the same question is asked once for all that wait for it.

Only a question that is not on the wire yet is joined, so that no answer is older than its question. A question that all
have given up before it is on the wire is not asked.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tasks.mail.model.errors import MailboxFailure

_Answer = TypeVar("_Answer")


@dataclass(eq=False, slots=True)
class Job:
    """A question, and those that wait for its answer."""

    key: Hashable | None
    run: Callable[[], Awaitable[Any]]
    waiting: list[asyncio.Future[Any]] = field(default_factory=list)

    def answer(self, answer: object) -> None:
        for one in self.waiting:
            if not one.done():
                one.set_result(answer)

    def fail(self, error: Exception) -> None:
        for one in self.waiting:
            if not one.done():
                one.set_exception(again(error))


class Jobs:
    """The questions that wait. `stir` is called when there is a new one."""

    def __init__(self, stir: Callable[[], None]) -> None:
        self._stir = stir
        self._all: deque[Job] = deque()
        self._alone: deque[Job] = deque()  # of the one that has the session for itself
        self._by_key: dict[Hashable, Job] = {}
        self._lock = asyncio.Lock()
        self._holder: object | None = None
        self.over: Exception | None = None

    async def ask(self, who: object, key: Hashable | None, run: Callable[[], Awaitable[_Answer]]) -> _Answer:
        """The answer to a question. `key`: what is the same question, or None where it is not to be shared.

        Raises what asking raised. The caller bounds it.
        """
        if self.over is not None:
            raise again(self.over)
        alone = self.is_alone(who)
        job = self._by_key.get(key) if key is not None and not alone else None
        if job is None:
            job = Job(key, run)
            (self._alone if alone else self._all).append(job)
            if key is not None and not alone:
                self._by_key[key] = job
            self._stir()
        mine: asyncio.Future[_Answer] = asyncio.get_running_loop().create_future()
        job.waiting.append(mine)
        return await mine

    def is_alone(self, who: object) -> bool:
        return self._holder is not None and who is self._holder

    @asynccontextmanager
    async def alone(self, who: object) -> AsyncIterator[None]:
        """No other question is asked meanwhile. What was waiting before is asked first, so none waits for many."""

        async def begin() -> None:
            self._holder = who

        async with self._lock:
            try:
                await self.ask(who, None, begin)
                yield
            finally:
                self._holder = None
                self._stir()

    def next(self) -> Job | None:
        """The next question that has waiters; it can be joined no longer."""
        jobs = self._all if self._holder is None else self._alone
        while jobs:
            job = jobs.popleft()
            if job.key is not None and self._by_key.get(job.key) is job:
                del self._by_key[job.key]
            if not all(one.done() for one in job.waiting):
                return job
        return None

    def end(self, error: Exception) -> None:
        """Nothing is asked any more."""
        self.over = error
        for job in (*self._all, *self._alone):
            job.fail(error)
        self._all.clear()
        self._alone.clear()
        self._by_key.clear()


def again(error: Exception) -> Exception:
    """The same failure for another waiter."""
    if not isinstance(error, MailboxFailure):
        return error
    copy = error.at(error.stage)
    copy.stages = dict(error.stages)
    return copy
