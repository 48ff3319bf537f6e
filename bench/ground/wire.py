"""A proxy between a check and a server that counts what goes by, in clear: connections, commands and bytes."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self, TypeVar

from tests.support.servers.processes import HOST, Endpoint

CHUNK = 65536
IMAP_COMMAND = re.compile(rb"^\S+ (?:UID )?([A-Za-z]{3,})\b")
SMTP_COMMAND = re.compile(rb"^(EHLO|HELO|STARTTLS|AUTH|MAIL|RCPT|DATA|RSET|NOOP|QUIT)\b", re.IGNORECASE)
EXAMINED = re.compile(rb"^\S+ OK \[READ-ONLY\]", re.MULTILINE)

T = TypeVar("T")


@dataclass
class Traffic:
    """What went by since it was begun. Times are wall-clock seconds."""

    connections: int = 0
    up: int = 0  # bytes from the client
    down: int = 0
    commands: list[tuple[float, str]] = field(default_factory=list)
    answers: list[tuple[float, bytes]] = field(default_factory=list)

    def first_answer(self, pattern: re.Pattern[bytes], after: float = 0.0) -> float | None:
        """When the first piece of an answer that holds this went by."""
        return next((at for at, piece in self.answers if at >= after and pattern.search(piece)), None)

    def bytes_after(self, since: float, until: float) -> int:
        """Bytes that the client read in this time."""
        return sum(len(piece) for at, piece in self.answers if since < at <= until)


class Wire:
    """One proxy for each server, all in a thread of their own: what is measured has the main thread, or a process."""

    def __init__(self, imap: Endpoint, smtp: Endpoint) -> None:
        self._targets = {"imap": imap, "smtp": smtp}
        self.examine_seconds = 0.0  # EXAMINE's answer is handed on so long after it was asked for, and no sooner
        self.traffic = {name: Traffic() for name in self._targets}
        self.endpoints: dict[str, Endpoint] = {}
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._tasks: set[asyncio.Task[None]] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        for name in self._targets:
            self.endpoints[name] = self.do(self._listen(name))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.do(self._end())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the thread of the proxies."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()

    def begin(self) -> dict[str, Traffic]:
        """Count anew from here on; returns what will have gone by."""
        self.traffic = {name: Traffic() for name in self._targets}
        return self.traffic

    async def _listen(self, name: str) -> Endpoint:
        def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = self.loop.create_task(self._serve(name, reader, writer))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        server = await asyncio.start_server(serve, HOST, 0)
        return Endpoint(HOST, server.sockets[0].getsockname()[1])

    async def _end(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        traffic = self.traffic[name]
        traffic.connections += 1
        answers, server = await asyncio.open_connection(*self._targets[name])
        commands = _commands_of(name, traffic)
        pumps = [
            asyncio.create_task(_pump(reader, server, commands)),
            asyncio.create_task(_pump(answers, writer, lambda data: self._answer(traffic, data))),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            for side in (writer, server):
                side.close()

    async def _answer(self, traffic: Traffic, data: bytes) -> None:
        if self.examine_seconds and EXAMINED.search(data):
            asked = max(at for at, verb in traffic.commands if verb == "EXAMINE")
            await asyncio.sleep(asked + self.examine_seconds - time.time())
        traffic.down += len(data)
        traffic.answers.append((time.time(), data))


async def _pump(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, note: Callable[[bytes], Awaitable[None]]
) -> None:
    try:
        while data := await reader.read(CHUNK):
            await note(data)
            writer.write(data)
            await writer.drain()
    except OSError:
        pass


def _commands_of(name: str, traffic: Traffic) -> Callable[[bytes], Awaitable[None]]:
    """What notes the commands of one connection, and passes over the message that follows DATA."""
    pattern = IMAP_COMMAND if name == "imap" else SMTP_COMMAND
    rest, in_message = b"", False

    async def note(data: bytes) -> None:
        nonlocal rest, in_message
        traffic.up += len(data)
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            if in_message:
                in_message = line.rstrip(b"\r") != b"."
            elif found := pattern.match(line):
                verb = found[1].decode().upper()
                traffic.commands.append((time.time(), verb))
                in_message = name == "smtp" and verb == "DATA"

    return note
