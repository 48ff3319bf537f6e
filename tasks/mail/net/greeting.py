"""Waiting for the first word of a server, and seeing whether it waits for ours: for the TLS handshake of its port."""

import asyncio
import ssl
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from aiohappyeyeballs import AddrInfoType

from tasks.mail.net.connect import connect
from tasks.mail.net.tls import ssl_context

_RECORDS = (b"\x15", b"\x16")  # what TLS begins with: an alert, or the handshake
_PATIENCE = 2.0  # seconds of silence before it is looked into
# Who speaks first there is taken for a sender of spam, by servers that make each client wait.
_BEGIN_IN_CLEAR = frozenset({25, 587, 2525, 143})

_T = TypeVar("_T")


class WaitsForTls(Exception):
    """The server says nothing, and answers a TLS handshake: its port is for TLS from the first byte."""


async def greeted(greeting: Coroutine[Any, Any, _T], port: int, addresses: Sequence[AddrInfoType]) -> _T:
    """What `greeting` returns. Raises WaitsForTls. The caller bounds it.

    It is tried on a connection of its own, so that nothing is disturbed where the server is merely slow.
    """
    waiting = asyncio.ensure_future(greeting)
    trying: asyncio.Task[bool] | None = None
    try:
        await asyncio.wait({waiting}, timeout=_PATIENCE)
        if not waiting.done() and port not in _BEGIN_IN_CLEAR:
            trying = asyncio.create_task(_takes_tls(addresses))
            await asyncio.wait({waiting, trying}, return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done() and trying.result():
                raise WaitsForTls
        return await waiting
    finally:
        tasks = [task for task in (waiting, trying) if task is not None and not task.done()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _takes_tls(addresses: Sequence[AddrInfoType]) -> bool:
    """Whether a server answers the beginning of a handshake in TLS."""
    outgoing = ssl.MemoryBIO()
    hello = ssl_context(None, False).wrap_bio(ssl.MemoryBIO(), outgoing)
    with suppress(ssl.SSLWantReadError):
        hello.do_handshake()
    loop = asyncio.get_running_loop()
    try:
        with await connect(addresses) as sock:
            await loop.sock_sendall(sock, outgoing.read())
            return (await loop.sock_recv(sock, 1)) in _RECORDS
    except OSError:
        return False
