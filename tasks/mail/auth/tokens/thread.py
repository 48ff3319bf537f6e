"""Requests for tokens in threads of their own: who waits for one may be cancelled, and its event loop may end."""

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, TypeVar

from tasks.mail.net.threads import in_own_thread

_Found = TypeVar("_Found")

THREAD = "token request"  # the threads are named so


class _Loop(asyncio.SelectorEventLoop):
    """One whose look-ups keep neither it nor the process from ending, unlike those in its pool of threads."""

    async def getaddrinfo(self, host: Any, port: Any, **how: int) -> Any:
        return await in_own_thread(partial(socket.getaddrinfo, host, port, **how))


def in_thread(
    call: Callable[[], Coroutine[Any, Any, _Found]],
    end: Callable[[_Found | BaseException], None],
    *,
    daemon: bool = True,
) -> None:
    """Await `call` in another thread. `end` is called there, once, with what came of it, whatever that is."""

    async def asked() -> None:
        found: _Found | BaseException
        try:
            found = await call()
        except BaseException as error:
            found = error
        ended.append(True)
        end(found)  # now: the end of the loop may have to wait for its pool of threads

    def run() -> None:
        coroutine = asked()
        try:
            with asyncio.Runner(loop_factory=_Loop) as runner:
                runner.run(coroutine)
        except BaseException as error:  # there is no loop where no file can be opened
            coroutine.close()
            if not ended:
                end(error)

    ended: list[bool] = []
    threading.Thread(target=run, name=THREAD, daemon=daemon).start()
