"""A name and its addresses, for as long as a test lasts: a resolver that answers what the test says.

It stands where Python asks the system, since a hosts file or a name server of its own takes root.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator, Sequence
from typing import Any
from unittest import mock

ask = socket.getaddrinfo

UNKNOWN = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
FAILING = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

Answer = Sequence[str] | socket.gaierror | None
"""These addresses in this order, a failure, or None: no answer until the test is over."""


@contextlib.contextmanager
def resolving(name: str, *answers: Answer) -> Iterator[None]:
    """Give each question for `name` the next of these answers, and the last one ever after. Others ask the system."""
    left = list(answers)
    over = threading.Event()

    def getaddrinfo(host: Any, port: Any, *args: Any, **options: Any) -> list[Any]:
        if host != name:
            return ask(host, port, *args, **options)
        answer = left.pop(0) if len(left) > 1 else left[0]
        if answer is None:
            over.wait(60)
            answer = FAILING
        if isinstance(answer, socket.gaierror):
            raise socket.gaierror(*answer.args)  # not itself: it would keep the frames of whoever caught it
        return [row for address in answer for row in ask(address, port, *args, **options)]

    with mock.patch("socket.getaddrinfo", getaddrinfo):
        try:
            yield
        finally:
            over.set()
