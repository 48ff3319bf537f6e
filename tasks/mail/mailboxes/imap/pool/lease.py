"""One waiter's share of a session that others use as well: what is open for it, and the time that it spends waiting."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import asynccontextmanager
from typing import TypeVar

from tasks.mail.config.mailbox import ProbeMailbox
from tasks.mail.mailboxes.failures import no_answer
from tasks.mail.mailboxes.imap.framing import Reply
from tasks.mail.mailboxes.imap.pool.folders import Waiter
from tasks.mail.mailboxes.imap.pool.queue import again
from tasks.mail.mailboxes.imap.pool.session import SharedSession
from tasks.mail.model.errors import MailboxFailure
from tasks.mail.model.journey_record import TlsRecord
from tasks.mail.model.outcome import ErrorType
from tasks.mail.net.stages import report_stage

_CHANGES = frozenset({"UID STORE", "UID EXPUNGE", "UID COPY", "UID MOVE"})  # each is asked for by itself
_IN_A_FOLDER = frozenset({"FETCH", "UID FETCH", "UID SEARCH"}) | _CHANGES

_Answer = TypeVar("_Answer")


class Share(Waiter):
    """A waiter with its own time and its own open folder. `until`: see Session."""

    def __init__(self, shared: SharedSession, config: ProbeMailbox, until: float, probe_id: str) -> None:
        super().__init__(probe_id)
        self.shared = shared
        self.config = config
        self.until = until
        self.writable = False
        self.over: MailboxFailure | None = None
        self.stages: dict[str, float] = {}  # seconds that it has waited
        self.connection = shared.session.connection
        self.tls: TlsRecord | None = None
        self.capabilities: frozenset[str] = frozenset()

    @property
    def alive(self) -> bool:
        return self.over is None and self.shared.alive

    async def join(self) -> None:
        """Wait until the session is open. The time until there is a place for it at the server does not count."""
        session, asked = self.shared.session, time.monotonic()
        await self.shared.admitted.wait()
        begun = time.monotonic()
        self.until += begun - asked
        if not self.shared.ready.is_set():
            report_stage("imap", "connect")
            try:
                async with self._in_time(None, "login"):
                    await self.shared.ready.wait()
            except MailboxFailure as failure:
                failure.stages = dict(session.stages)
                spent = time.monotonic() - begun - sum(failure.stages.values())
                failure.stages[failure.stage] = failure.stages.get(failure.stage, 0.0) + max(0.0, spent)
                raise
            self.stages = dict(session.stages)
        if self.shared.jobs.over is not None:
            raise again(self.shared.jobs.over)
        self.tls, self.capabilities = session.tls, session.capabilities

    async def ask(self, stage: str, verb: str, *arguments: bytes, about: str = "", permanent: bool = False) -> Reply:
        """One command, as Session.ask(), in the folder that is open for it."""
        place, writable = self.place, self.writable

        async def run() -> Reply:
            if verb in _IN_A_FOLDER and place is not None:
                await self.shared.ensure(*place, writable)
            return await self.shared.session.ask(stage, verb, *arguments, about=about, permanent=permanent)

        return await self.do(stage, verb, None if verb in _CHANGES else (verb, arguments, place, writable), run)

    async def do(self, stage: str, what: str, key: Hashable | None, run: Callable[[], Awaitable[_Answer]]) -> _Answer:
        """Have something done on the session; for `key` see Jobs."""
        if self.over is not None:
            raise again(self.over)
        report_stage("imap", stage)
        begun = time.monotonic()
        try:
            async with self._in_time(stage, f"answer to {what}"):
                return await self.shared.jobs.ask(self, key, run)
        finally:
            self.stages[stage] = self.stages.get(stage, 0.0) + time.monotonic() - begun

    @asynccontextmanager
    async def _in_time(self, stage: str | None, awaited: str) -> AsyncIterator[None]:
        """Bounds what is waited for. Without a `stage` it is the one that the session is in."""
        left = None if math.isinf(self.until) else max(0.0, self.until - time.monotonic())
        try:
            async with asyncio.timeout(left):
                yield
        except TimeoutError:
            stage = stage or self.connection.stage
            is_connected = self.connection.transport is not None
            self.over = no_answer(stage, f"no {awaited} in the time that was left", is_connected)
            raise again(self.over) from None

    async def idle(self, seconds: float) -> bool:
        raise NotImplementedError("the session idles for all: see SharedMailbox.idle()")

    async def close(self) -> None:
        self.over = MailboxFailure(ErrorType.CONNECTION, "search", "the connection is closed")
