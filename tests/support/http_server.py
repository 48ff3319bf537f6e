"""HTTP servers of tests, on loopback."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from tests.support.checks.bounds import THREAD_SECONDS


class Quiet:
    """Of a handler: it does not say on stderr what was asked."""

    def log_message(self, format: str, *_: object) -> None:  # noqa: A002  # its name in the standard library
        """Nobody reads it."""


@contextmanager
def listening(handler: Callable[..., BaseHTTPRequestHandler], port: int = 0) -> Iterator[int]:
    """Answer requests, until the end of the block; yields the port."""
    with ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join(THREAD_SECONDS)
            assert not thread.is_alive()
