"""How many checks run at once: servers count the connections that one client has, and refuse those beyond."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tasks.mail.config import InboundConfig, LoopConfig

IN_ONE_MAILBOX = 5  # Dovecot allows a user 10 connections from one address


class Places:
    """So many at a time. With `patience` (seconds) who takes longer than that goes on, and holds up nobody behind."""

    def __init__(self, at_once: int, patience: float | None = None) -> None:
        self._free = asyncio.Semaphore(at_once)
        self._patience = patience

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """Wait for a place, and have it."""
        await self._free.acquire()
        held = True

        def leave() -> None:
            nonlocal held
            if held:
                held = False
                self._free.release()

        loop = asyncio.get_running_loop()
        impatient = loop.call_later(self._patience, leave) if self._patience is not None else None
        try:
            yield
        finally:
            leave()
            if impatient is not None:
                impatient.cancel()


class Gates:
    """Lets `at_once` checks through at a time, and no more than a few of one mailbox.

    With `patience` (seconds) a check that takes longer makes room for another one, until there are `most`.
    """

    def __init__(self, at_once: int, patience: float | None = None, most: int | None = None) -> None:
        self._most = Places(most or at_once)
        self._quick = Places(at_once, patience)
        self._mailboxes: defaultdict[tuple[object, ...], Places] = defaultdict(lambda: Places(IN_ONE_MAILBOX))

    @asynccontextmanager
    async def passed(self, config: LoopConfig | InboundConfig) -> AsyncIterator[None]:
        """Wait until `config` may be checked. The mailbox first: who waits for it keeps nobody else waiting."""
        if config.imap is None:
            async with self._most.one(), self._quick.one():
                yield
            return
        async with self._mailboxes[config.imap.host, config.imap.username].one(), self._most.one(), self._quick.one():
            yield
