"""How many checks run at once: servers count the connections that one client has, and refuse those beyond."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tasks.mail.config import InboundConfig, LoopConfig

IN_ONE_MAILBOX = 5  # Dovecot allows a user 10 connections from one address


class Gates:
    """Lets `at_once` checks through at a time, and no more than a few of one mailbox."""

    def __init__(self, at_once: int) -> None:
        self._all = asyncio.Semaphore(at_once)
        self._mailboxes: defaultdict[tuple[object, ...], asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(IN_ONE_MAILBOX)
        )

    @asynccontextmanager
    async def passed(self, config: LoopConfig | InboundConfig) -> AsyncIterator[None]:
        """Wait until `config` may be checked. The mailbox first: who waits for it keeps nobody else waiting."""
        if config.imap is None:
            async with self._all:
                yield
            return
        async with self._mailboxes[config.imap.host, config.imap.username], self._all:
            yield
