"""Checks that run together in one process share what they can: one session for all that wait in the same mailbox.

Within `together` each search takes part in a session where there is one already; a check alone has its own.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from contextvars import ContextVar

from tasks.mail.config.mailbox import ProbeMailbox
from tasks.mail.mailboxes.imap.client import Client
from tasks.mail.mailboxes.imap.pool.mailbox import SharedMailbox
from tasks.mail.mailboxes.imap.pool.session import SharedSession
from tasks.mail.net.limits import MailboxLimits, Relays, relays


class Sessions:
    """The sessions that are open, each for as long as it has waiters."""

    def __init__(self) -> None:
        self._open: dict[Hashable, SharedSession] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._places = MailboxLimits()

    async def join(self, config: ProbeMailbox, until: float, probe_id: str) -> Client:
        """The mailbox of `config` for one search, for that probe; fails as Client.open() does."""
        key = _key(config)
        shared = self._open.get(key)
        if shared is None or not (shared.alive or shared.refused(time.monotonic())):
            shared = self._open[key] = SharedSession(config, self._places.session(config.host, config.username))
            self._tasks.add(shared.task)
            shared.task.add_done_callback(self._tasks.discard)
        return await SharedMailbox.join(shared, config, until, probe_id)

    async def close(self) -> None:
        """Wait for the ends of the sessions."""
        for shared in self._open.values():
            shared.task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)


_sessions: ContextVar[Sessions | None] = ContextVar("sessions", default=None)


@asynccontextmanager
async def together(checks: int) -> AsyncIterator[None]:
    """The checks that are begun within run together; one alone does without."""
    if checks < 2:
        yield
        return
    sessions = Sessions()
    marks = _sessions.set(sessions), relays.set(Relays())
    try:
        yield
    finally:
        _sessions.reset(marks[0])
        relays.reset(marks[1])
        await sessions.close()


async def opened(config: ProbeMailbox, until: float, probe_id: str) -> Client:
    """The mailbox, logged in to: shared, where checks run together. See Client.open()."""
    if (sessions := _sessions.get()) is None:
        return await Client.open(config, until)
    return await sessions.join(config, until, probe_id)


def _key(config: ProbeMailbox) -> Hashable:
    """What a session depends on. By folder as well: IDLE reports on the open one alone."""
    login = config.username, config.password, config.oauth, config.cert_file, config.key_file
    server = config.host, config.port, config.tls, config.ca_file, config.verify
    return (*server, *login, config.folder, config.timeout)
