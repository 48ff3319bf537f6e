"""A TCP proxy between a check and a real server that does to a connection what networks and middleboxes do."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self

from tasks.sandbox.imap import end

CHUNK = 65536
MOST_KEPT = 2**20  # bytes of what the client sent
HOST = "127.0.0.1"

What = Literal["close", "reset", "silence", "slow", "garbage", "delay"]


@dataclass(frozen=True)
class Harm:
    """What goes wrong, and when.

    It begins once `on` has gone by from the client to the server (empty: with the connection), and `after` more bytes
    `toward` one end. From there on: the connection is closed or reset, nothing passes either way any more (silence),
    bytes pass one by one with a `pause` (seconds) before each (slow), `data` comes before them (garbage), or they come
    after one pause (delay).
    """

    what: What
    on: bytes = b""
    after: int = 0
    toward: Literal["client", "server"] = "client"
    data: bytes = b"HTTP/1.1 400 Bad Request\r\n\r\n"
    pause: float = 0.0


class Proxy:
    """Listens on `host`, passes every connection on to the server at `target`, and does `harm` to it.

    `rewrite` replaces bytes on their way to the client, each chunk on its own. With `once` only the first connection is
    harmed. `sent` is what clients have sent, `connections` how many there were, `harmed` how many of them took harm.
    """

    def __init__(
        self,
        target: tuple[str, int],
        harm: Harm | None = None,
        *,
        rewrite: Mapping[bytes, bytes] | None = None,
        once: bool = False,
        host: str = HOST,
    ) -> None:
        self.target = target
        self.harm = harm
        self.rewrite = dict(rewrite or {})
        self.once = once
        self.host = host
        self.port = 0
        self.connections = 0
        self.harmed = 0
        self.sent = bytearray()
        self._open: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._open:
            task.cancel()
        if self._open:
            await asyncio.wait(self._open)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._server.is_serving():  # accepted just before it was closed
            writer.transport.abort()
            return
        self.connections += 1
        harm = self.harm if self.connections == 1 or not self.once else None
        task = asyncio.create_task(self._serve(reader, writer, harm))
        self._open[task] = writer
        task.add_done_callback(self._open.pop)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, harm: Harm | None) -> None:
        server: asyncio.StreamWriter | None = None
        try:
            with contextlib.suppress(OSError):
                answers, server = await asyncio.open_connection(*self.target)
                wire = _Wire(self, harm, writer, server)
                pumps = [
                    asyncio.create_task(wire.pump(reader, server, "server")),
                    asyncio.create_task(wire.pump(answers, writer, "client")),
                ]
                try:
                    await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for pump in pumps:
                        pump.cancel()
                    await asyncio.wait(pumps)
        finally:
            for side in (writer, server):
                if side is not None:
                    await end(side)

    def note(self, data: bytes) -> None:
        """Remember what a client sent."""
        if len(self.sent) < MOST_KEPT:
            self.sent += data


class _Wire:
    """One connection through the proxy."""

    def __init__(
        self, proxy: Proxy, harm: Harm | None, client: asyncio.StreamWriter, server: asyncio.StreamWriter
    ) -> None:
        self.proxy = proxy
        self.harm = harm
        self.client = client
        self.server = server
        self.begun = harm is not None and not harm.on
        self.left = harm.after if harm else 0  # bytes that still pass unharmed
        self.hurt = False
        self.done = False  # what happens once has happened
        self.dead = False
        self.tail = b""  # the end of what went by, where `on` may have begun

    async def pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, toward: str) -> None:
        """Pass bytes one way until an end of the connection has gone."""
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK):
                if toward == "server":
                    self.proxy.note(data)
                    free = self._watch(data)
                else:
                    free = 0
                    for old, new in self.proxy.rewrite.items():
                        data = data.replace(old, new)
                if not await self._pass(data, writer, toward, free):
                    return
            if self.dead and toward == "client":
                await asyncio.Event().wait()  # where nothing passes, the server's good-bye does not either

    def _watch(self, data: bytes) -> int:
        """Look for what the harm begins on; returns how many of these bytes came before its end."""
        if self.harm is None or self.begun:
            return 0
        seen = self.tail + data
        at = seen.find(self.harm.on)
        if at < 0:
            self.tail = seen[-len(self.harm.on) :]
            return len(data)
        self.begun = True
        return at + len(self.harm.on) - len(self.tail)

    async def _pass(self, data: bytes, writer: asyncio.StreamWriter, toward: str, free: int) -> bool:
        """Write what passes. False when the connection is over."""
        if self.dead:
            return True
        harm = self.harm
        if harm is None or not self.begun or harm.toward != toward:
            await _write(writer, data)
            return True
        passing = free + min(self.left, len(data) - free)
        self.left -= passing - free
        await _write(writer, data[:passing])
        # With nothing left to wait for, an end that is to come after so many bytes comes now.
        if data[passing:] or (self.left == 0 and harm.what in ("close", "reset", "silence") and not free):
            return await self._hurt(harm, data[passing:], writer)
        return True

    async def _hurt(self, harm: Harm, data: bytes, writer: asyncio.StreamWriter) -> bool:
        self.proxy.harmed += not self.hurt
        self.hurt = True
        match harm.what:
            case "close":
                return False
            case "reset":
                sock = self.client.get_extra_info("socket")
                # Without this a close is a FIN as long as nothing unread is left.
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.client.transport.abort()
                return False
            case "silence":
                self.dead = True
                return True
            case "slow":
                for byte in data:
                    await asyncio.sleep(harm.pause)
                    await _write(writer, bytes([byte]))
                return True
            case "garbage" if not self.done:
                data = harm.data + data
            case "delay" if not self.done:
                await asyncio.sleep(harm.pause)
        self.done = True
        await _write(writer, data)
        return True


async def _write(writer: asyncio.StreamWriter, data: bytes) -> None:
    if data:
        writer.write(data)
        await writer.drain()


@contextlib.contextmanager
def refused(host: str = HOST) -> Iterator[tuple[str, int]]:
    """An address where nobody listens: a port that is taken, and stays silent about it."""
    with socket.socket() as sock:
        sock.bind((host, 0))
        yield sock.getsockname()


@contextlib.contextmanager
def black_hole(host: str = HOST, port: int = 0) -> Iterator[tuple[str, int]]:
    """An address that never answers, not even with a refusal: what Linux does when a backlog is full."""
    with contextlib.ExitStack() as held:
        listener = held.enter_context(socket.socket())
        listener.bind((host, port))
        listener.listen(0)
        for _ in range(3):
            waiting = held.enter_context(socket.socket())
            waiting.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                waiting.connect(listener.getsockname())
        yield listener.getsockname()
