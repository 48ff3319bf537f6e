"""A pager: what is posted to it rings."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler
from typing import Self

from tests.support.http_server import Quiet, listening

PATIENCE = 60.0  # seconds until a call must have come, on a busy machine


class Pager:
    """Listens on loopback; `rung` has the subjects of what it took, oldest first. While `down` it answers 503."""

    def __init__(self) -> None:
        self._open = ExitStack()
        self.down = False
        self.refused = 0
        self.rung: list[str] = []
        self.texts: list[str] = []

    def __enter__(self) -> Self:
        pager = self

        class Taking(Quiet, BaseHTTPRequestHandler):
            def do_POST(self) -> None:  # the library calls it so
                call = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if pager.down:
                    pager.refused += 1
                else:
                    pager.texts.append(call.get("text") or call["message"])
                    pager.rung.append(call.get("subject") or call["title"])
                self.send_response(503 if pager.down else 200)
                self.end_headers()

        self._port = self._open.enter_context(listening(Taking))
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def url(self, scheme: str = "http") -> str:
        return f"{scheme}://127.0.0.1:{self._port}/canary-of-the-pager"

    def calls(self, loop: str) -> list[str]:
        """What it was called for, about one loop."""
        return [subject.partition(": ")[2] for subject in self.rung if subject.startswith(f"[mail-loop] {loop}: ")]

    async def rings(self, loop: str, expected: list[str], seconds: float = PATIENCE) -> None:
        """Wait until it has been called for all this; more than this is a failure at once."""
        until = time.monotonic() + seconds
        while self.calls(loop) != expected:
            assert self.calls(loop) == expected[: len(self.calls(loop))]
            assert time.monotonic() < until, f"{self.calls(loop)} instead of {expected}"
            await asyncio.sleep(0.1)
