"""How much many checks together ask of one server at once: servers count the connections of a client, and refuse more.

Only for checks that run together in one process: see together() in mailboxes.imap.pool.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from contextvars import ContextVar
from typing import TypeVar

_Value = TypeVar("_Value")

# Sessions in one mailbox. Dovecot's mail_max_userip_connections is 10; Gmail allowed 10 an account at first
# (support.google.com/mail/answer/97150), and 15 now; Courier's MAXPERIP is 4.
_IN_ONE_MAILBOX = 4
# Sessions at one IMAP server. Dovecot's imap-login has 100 processes (default_process_limit), one of them for each
# connection with TLS as long as service_count is 1, as it is by default.
MAX_SESSIONS_A_HOST = 100
# Connections to one relay. Postfix's smtpd_client_connection_count_limit is 50; Exim's smtp_accept_max is 20 in all.
MAX_CONNECTIONS_A_RELAY = 20
SPREAD = 0.01  # seconds between the beginnings of two of them
RELAY_PATIENCE_SECONDS = 10.0  # after them one that does not end keeps no other one waiting: the relay may be dead

# Connections of one sender at the relays of a provider, where that says so; by what its hosts end in.
# Exchange Online: learn.microsoft.com/exchange/troubleshoot/send-emails/smtp-submission-improvements
_SENDERS = {"office365.com": 3, "outlook.com": 3}
# Hosts that are one provider's count together. None of these says how many sessions one client may have in all.
_PROVIDERS = {
    "gmail.com": "google",
    "googlemail.com": "google",
    "office365.com": "microsoft",
    "outlook.com": "microsoft",
    "yahoo.com": "yahoo",
    "aol.com": "yahoo",
    "mail.me.com": "apple",
}


class Limiter:
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


class MailboxLimits:
    """The sessions that there may be at once: in a mailbox, and at all servers of one provider or at one host."""

    def __init__(self) -> None:
        self._mailboxes: defaultdict[tuple[str, str], Limiter] = defaultdict(lambda: Limiter(_IN_ONE_MAILBOX))
        self._hosts: defaultdict[str, Limiter] = defaultdict(lambda: Limiter(MAX_SESSIONS_A_HOST))

    @asynccontextmanager
    async def session(self, host: str, username: str) -> AsyncIterator[None]:
        """Wait until there may be another one: first for the mailbox, so that nobody else waits meanwhile."""
        async with self._mailboxes[host.casefold(), username].one(), self._hosts[provider(host)].one():
            yield


class Relays:
    """The connections that there may be at once to one relay."""

    def __init__(self) -> None:
        self._places: defaultdict[tuple[object, ...], Limiter] = defaultdict(
            lambda: Limiter(MAX_CONNECTIONS_A_RELAY, RELAY_PATIENCE_SECONDS)
        )
        self._senders: dict[tuple[str, str | None], Limiter] = {}
        self._next: dict[tuple[object, ...], float] = {}

    @asynccontextmanager
    async def connection(self, host: str, port: int, username: str | None) -> AsyncIterator[None]:
        """Wait until there may be another one, and make it."""
        async with AsyncExitStack() as held:
            if (at_once := _of(_SENDERS, host)) is not None:
                sender = self._senders.setdefault((provider(host), username), Limiter(at_once, RELAY_PATIENCE_SECONDS))
                await held.enter_async_context(sender.one())
            relay_slot = host.casefold(), port
            await held.enter_async_context(self._places[relay_slot].one())
            now = time.monotonic()
            begins = max(now, self._next.get(relay_slot, now))
            self._next[relay_slot] = begins + SPREAD
            await asyncio.sleep(begins - now)
            yield


relays: ContextVar[Relays | None] = ContextVar("relays", default=None)


def relay_slot(host: str, port: int, username: str | None) -> AbstractAsyncContextManager[None]:
    """Connect to a relay when it is this check's turn: at once, where it runs alone."""
    return nullcontext() if (paced := relays.get()) is None else paced.connection(host, port, username)


def provider(host: str) -> str:
    """What counts together with `host`: all servers of a provider that is known, else the host alone."""
    return _of(_PROVIDERS, host) or host.casefold()


def _of(table: Mapping[str, _Value], host: str) -> _Value | None:
    name = host.casefold().rstrip(".")
    return next((value for suffix, value in table.items() if name == suffix or name.endswith(f".{suffix}")), None)
