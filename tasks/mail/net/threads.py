"""Calls that block and cannot be stopped, in threads of their own."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar

_Found = TypeVar("_Found")


async def in_own_thread(call: Callable[[], _Found], name: str = "look-up") -> _Found:
    """Await what blocks and cannot be stopped, such as getaddrinfo.

    The event loop's pool has few threads: a handful of names that do not resolve would make every other one wait. And
    as a daemon, unlike a thread of any pool, it does not keep the process from ending.
    """
    loop = asyncio.get_running_loop()
    found: asyncio.Future[_Found] = loop.create_future()

    def end(finish: Callable[[], None]) -> None:
        if not found.done():  # else nobody waits any more
            finish()

    def run() -> None:
        finish: Callable[[], None]
        try:
            finish = partial(found.set_result, call())
        except Exception as error:
            finish = partial(found.set_exception, error)
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(end, finish)

    threading.Thread(target=run, name=name, daemon=True).start()
    return await found
