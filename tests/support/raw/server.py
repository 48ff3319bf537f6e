"""What the scripted servers share: actions, connections, the log, TLS."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import socket
import ssl
import struct
import time
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import ClassVar, NoReturn, Self

from tasks.sandbox.imap import end
from tests.support.raw.sasl import Logins


class Fault(enum.Enum):
    """What a server does instead of answering."""

    DROP = "drop"  # resets the connection
    CLOSE = "close"  # closes it in good order
    SILENCE = "silence"  # keeps it open and never answers again
    DEFAULT = "default"  # no fault: a place in a list where it behaves


DROP, CLOSE, SILENCE, DEFAULT = Fault.DROP, Fault.CLOSE, Fault.SILENCE, Fault.DEFAULT


@dataclass(frozen=True)
class Part:
    """The first bytes of the right reply, and then a fault."""

    size: int
    then: Fault


@dataclass(frozen=True)
class Slow:
    """The right reply, byte by byte with a pause (seconds) before each."""

    pause: float


@dataclass(frozen=True)
class Endless:
    """The same bytes again and again, without a pause, for as long as the client takes them."""

    chunk: bytes
    first: bytes = b""


@dataclass(frozen=True)
class Extra:
    """The right reply and, in the same packet, what nobody asked for."""

    before: bytes = b""
    behind: bytes = b""


Action = bytes | Fault | Part | Slow | Endless | Extra
"""The bytes of a reply, as they go on the wire, a fault, or something in between."""


class Gone(Exception):
    """This connection is over: the client has left, or a fault has ended it."""


class Line:
    """One client connection: reads lines, writes bytes, records what it reads."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.encrypted = False
        self.over = False  # a fault has ended it

    async def start_tls(self, context: ssl.SSLContext) -> None:
        plain = self.writer.transport
        try:
            await self.writer.start_tls(context)
        except AttributeError:
            if self.writer.transport is not None:
                raise
            # What asyncio leaves behind when a client goes at the end of the handshake; not even close() works.
            self.writer._transport = plain
            raise Gone from None
        self.encrypted = True

    async def read(self) -> bytes:
        line = await self.reader.readline()
        if not line.endswith(b"\n"):
            raise Gone
        return line.rstrip(b"\r\n")

    async def write(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def write_slowly(self, data: bytes, pause: float) -> None:
        for byte in data:
            await asyncio.sleep(pause)
            await self.write(bytes([byte]))

    async def suffer(self, fault: Fault) -> NoReturn:
        """End this connection as `fault` says."""
        self.over = True
        if fault is Fault.DROP:
            self.reset()
        elif fault is Fault.SILENCE:
            while await self.reader.read(65536):
                pass
        raise Gone

    def reset(self) -> None:
        connection = self.writer.get_extra_info("socket")
        if connection is not None:
            # Without this a close is a FIN as long as nothing unread is left.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


class RawServer:
    """A server on 127.0.0.1 that follows a script: phase -> action, or a list of actions that are used up one by one.

    `tls` allows STARTTLS, with `implicit` it is TLS from the first byte; the phase `handshake` stands for what is said
    instead of a ServerHello. `log` has every command line of all connections, without its IMAP tag and without secrets;
    `logins` says who may log in, `credentials` has what clients logged in with, `in_clear` the verbs that came without
    TLS, and `played` the phases in which the script had its way.
    """

    phases: ClassVar[frozenset[str]]

    def __init__(
        self,
        script: Mapping[str, Action | Sequence[Action]] | None = None,
        *,
        tls: ssl.SSLContext | None = None,
        implicit: bool = False,
    ) -> None:
        self.script: dict[str, Action | list[Action]] = {}
        for phase, action in (script or {}).items():
            self.play(phase, action)
        self.tls = tls
        self.implicit = implicit
        self.host = "127.0.0.1"
        self.port = 0
        self.connections = 0
        self.log: list[str] = []
        self.logins = Logins()
        self.credentials = self.logins.credentials
        self.in_clear: set[str] = set()
        self.last_word = 0.0  # when the last reply was sent, in monotonic seconds
        self.played: set[str] = set()
        self._errors: list[Exception] = []
        self._lines: dict[asyncio.Task[None], Line] = {}

    def play(self, phase: str, action: Action | Sequence[Action]) -> None:
        """Change one phase of the script."""
        if phase not in self.phases:
            raise ValueError(f"no such phase: {phase}")
        self.script[phase] = list(action) if isinstance(action, Sequence) and not isinstance(action, bytes) else action

    def count(self, command: str) -> int:
        """How many commands began with `command`."""
        return sum(1 for line in self.log if f"{line} ".upper().startswith(f"{command} ".upper()))

    def hang_up(self, fault: Fault = DROP) -> None:
        """End all open connections now, by DROP or CLOSE."""
        for line in self._lines.values():
            if fault is Fault.DROP:
                line.reset()
            else:
                line.writer.close()

    async def reply(self, line: Line, phase: str, default: bytes, tag: bytes = b"") -> bytes:
        """Answer in this phase, by the script or by default; returns what was sent.

        In a scripted reply `{tag}` becomes the tag.
        """
        action = self.script.get(phase, DEFAULT)
        if isinstance(action, list):
            action = action.pop(0) if action else DEFAULT
        if action is not DEFAULT:
            self.played.add(phase)
        sent = action.replace(b"{tag}", tag) if isinstance(action, bytes) else default
        match action:
            case Part(size, then):
                await line.write(default[:size])
                await line.suffer(then)
            case Slow(pause):
                await line.write_slowly(default, pause)
            case Endless(chunk, first):
                await line.write(first)
                while True:
                    await line.write(chunk)
                    await asyncio.sleep(0)  # a client that reads as fast as we write would let nobody else run
            case Extra(before, behind):
                await line.write(before + default + behind)
            case Fault.DROP | Fault.CLOSE | Fault.SILENCE:
                await line.suffer(action)
            case _:
                await line.write(sent)
        self.last_word = time.monotonic()
        return sent

    async def secure(self, line: Line, context: ssl.SSLContext) -> None:
        """Do the handshake of TLS, or what the script says."""
        if self.script.get("handshake"):
            await line.reader.read(1)  # the client has begun
            await self.reply(line, "handshake", b"")
            await line.suffer(SILENCE)
        await line.start_tls(context)

    @abstractmethod
    async def converse(self, line: Line) -> None:
        """One connection, from greeting to end."""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, self.host, self.port, limit=2**24)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.close()
        for line in self._lines.values():
            line.writer.transport.abort()
        if self._lines:
            await asyncio.wait(self._lines)
        if self._errors and error is None:
            raise self._errors[0]

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._server.is_serving():  # accepted just before it was closed
            writer.transport.abort()
            return
        self.connections += 1
        line = Line(reader, writer)
        task = asyncio.create_task(self._serve(line))
        self._lines[task] = line
        task.add_done_callback(self._lines.pop)

    async def _serve(self, line: Line) -> None:
        try:
            with contextlib.suppress(Gone, OSError, EOFError):
                if self.implicit and self.tls:
                    await self.secure(line, self.tls)
                await self.converse(line)
        except Exception as failure:  # a client that this server does not understand is for its test to see
            self._errors.append(failure)
        finally:
            await end(line.writer)
