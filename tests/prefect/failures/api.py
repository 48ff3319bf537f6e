"""A way to the Prefect API on which requests are late, wait, or find that the server has gone."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from types import TracebackType
from typing import Self

import httpx

HOST = "127.0.0.1"


class Api:
    """Passes everything on to the API at `url`.

    Each request comes `delay` seconds late. One that contains `holds` waits until `go_on` is set; the server is gone
    for good once one that contains `dies_at` has come for the `times`th time. From one that contains `turns_at` on,
    each is answered with `answer`, byte by byte after a `pause` (seconds) each if there is one; where it is empty, with
    silence. `reached` tells that one of these has happened. With `tls` it speaks that to its clients.
    """

    def __init__(
        self,
        url: str,
        *,
        delay: float = 0.0,
        holds: bytes = b"",
        dies_at: bytes = b"",
        times: int = 1,
        turns_at: bytes = b"",
        answer: bytes = b"",
        pause: float = 0.0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._target = httpx.URL(url)
        self._delay = delay
        self._holds = holds
        self._dies_at = dies_at
        self._times = times
        self._turns_at = turns_at
        self._answer = answer
        self._pause = pause
        self.turned = False
        self._tls = tls
        self._open: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self.reached = asyncio.Event()
        self.go_on = asyncio.Event()
        self.requests = 0

    @property
    def url(self) -> str:
        return f"http{'s' if self._tls else ''}://{HOST}:{self.port}/api"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, HOST, 0, ssl=self._tls)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.die()
        if self._open:
            await asyncio.wait(self._open)

    def die(self) -> None:
        """Be gone, in the middle of everything."""
        self._server.close()
        self.go_on.set()
        for task, writer in self._open.items():
            writer.transport.abort()
            task.cancel()

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._server.is_serving():  # accepted just before it was closed
            writer.transport.abort()
            return
        task = asyncio.create_task(self._serve(reader, writer))
        self._open[task] = writer
        task.add_done_callback(self._open.pop)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            far_reader, far = await asyncio.open_connection(self._target.host, self._target.port)
            back = asyncio.create_task(_pump(far_reader, writer))
            try:
                while chunk := await reader.read(2**16):
                    await self._let_through(chunk)
                    if self.turned:
                        await self._refuse(writer)
                        return
                    far.write(chunk)
                    await far.drain()
            finally:
                back.cancel()
                far.transport.abort()
                writer.transport.abort()

    async def _let_through(self, chunk: bytes) -> None:
        self.requests += 1
        if self._turns_at and self._turns_at in chunk:
            self.turned = True
            self.reached.set()
        await asyncio.sleep(self._delay)
        if self._holds and self._holds in chunk:
            self.reached.set()
            await self.go_on.wait()
        if self._dies_at and self._dies_at in chunk:
            self._times -= 1
            if self._times == 0:
                self.reached.set()
                self.die()

    async def _refuse(self, writer: asyncio.StreamWriter) -> None:
        if not self._answer:
            await self.go_on.wait()
        size = 1 if self._pause else len(self._answer)
        for start in range(0, len(self._answer), size or 1):
            writer.write(self._answer[start : start + size])
            await writer.drain()
            await asyncio.sleep(self._pause)
        writer.close()
        await writer.wait_closed()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await reader.read(2**16):
            writer.write(chunk)
            await writer.drain()
        writer.close()
