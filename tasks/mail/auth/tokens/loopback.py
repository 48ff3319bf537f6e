"""A port of 127.0.0.1 to which a browser brings the answer of a login (RFC 8252, 7.3): one answer, and no more."""

import asyncio
import secrets
from contextlib import suppress
from types import TracebackType
from typing import Self, cast
from urllib.parse import parse_qsl, urlsplit

_HOST = "127.0.0.1"
_REQUEST_SECONDS = 10.0  # for the head of a request, and for our answer
_MOST_OCTETS = 16 * 1024  # of a head

_TAKEN = "The answer has arrived. Close this page: what becomes of it stands in the terminal."
_REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed"}
Answer = dict[str, str]


class Loopback:
    """It listens within the block. What does not have `state` is not taken, and the wait goes on (RFC 6749, 10.12)."""

    def __init__(self, state: str, port: int = 0) -> None:
        self._state = state
        self._wanted = port
        self._found: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._open: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, _HOST, self._wanted, limit=_MOST_OCTETS)
        self.port: int = self._server.sockets[0].getsockname()[1]
        self.uri = f"http://{_HOST}:{self.port}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, frames: TracebackType | None
    ) -> None:
        self._server.close()
        await asyncio.sleep(0.01)  # what it has accepted begins by then, and is ended here
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def answer(self, seconds: float) -> Answer | None:
        """What the browser brings, by name: `code`, or `error`; None where it brings nothing in that time."""
        try:
            async with asyncio.timeout(seconds):
                return await self._found
        except TimeoutError:
            return None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(task := cast("asyncio.Task[None]", asyncio.current_task()))
        found: Answer = {}
        try:
            # Cancelled it ends, too: Python 3.11 would report a task of its server that is not over by itself.
            with suppress(asyncio.CancelledError, OSError, EOFError, ValueError, asyncio.LimitOverrunError):
                async with asyncio.timeout(_REQUEST_SECONDS):
                    status, text, found = self._judged(await reader.readuntil(b"\r\n\r\n"))
                    writer.write(_page(status, text))
                    await writer.drain()
        finally:
            self._open.discard(task)
            writer.close()
            if found and not self._found.done():
                self._found.set_result(found)

    def _judged(self, head: bytes) -> tuple[int, str, Answer]:
        """What is said to a request, and the answer in it."""
        method, _, rest = head.decode("latin-1").partition("\r\n")[0].partition(" ")
        target = urlsplit(rest.partition(" ")[0])
        brought = dict(parse_qsl(target.query, max_num_fields=50))
        if target.path not in ("", "/"):
            return 404, "There is nothing here.", {}
        if method != "GET":
            return 405, "This is no answer of a browser.", {}
        if not secrets.compare_digest(brought.get("state", "").encode(), self._state.encode()):
            return 400, "This is not the answer to the login that is waited for here: open the address anew.", {}
        if not brought.keys() & {"code", "error"}:
            return 400, "This answer says nothing: open the address anew.", {}
        return 200, _TAKEN, brought


def _page(status: int, text: str) -> bytes:
    body = f"{text}\n".encode()
    lines = (
        f"HTTP/1.1 {status} {_REASONS[status]}",
        "Content-Type: text/plain; charset=utf-8",
        f"Content-Length: {len(body)}",
        "Cache-Control: no-store",
        "Referrer-Policy: no-referrer",
        "X-Content-Type-Options: nosniff",
        "Connection: close",
    )
    return "\r\n".join([*lines, "", ""]).encode() + body
