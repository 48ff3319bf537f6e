"""When mail lands, by Dovecot's own word, and how long it is held back before.

It stands between Postfix and Dovecot's LMTP socket: a message is held as long as it shall take, and has landed when
Dovecot answers that it is in the mailbox.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from pathlib import Path

from bench.ground.wire import CHUNK, Wire

END = b"\r\n.\r\n"
RECIPIENT = re.compile(rb"RCPT TO:<([^@>+]+)")


class Landings:
    """In the place of Dovecot's LMTP socket. `hold`: seconds by user; `landed`: wall-clock times by user."""

    def __init__(self, socket: Path, wire: Wire) -> None:
        self.hold: dict[str, float] = {}
        self.landed: dict[str, list[float]] = {}
        self.real = socket.with_name("lmtp-itself")
        self._tasks: set[asyncio.Task[None]] = set()
        # Dovecot goes on listening on it under its new name.
        os.rename(socket, self.real)
        wire.do(self._listen(socket))
        socket.chmod(0o666)

    def since(self, user: str, begun: float) -> float | None:
        """When this user's first message since `begun` landed."""
        return next((at for at in self.landed.get(user, []) if at >= begun), None)

    async def _listen(self, socket: Path) -> None:
        await asyncio.start_unix_server(self._connected, socket)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, server = await asyncio.open_unix_connection(self.real)
        user, waiting, tail = "", False, b""

        async def down() -> None:
            nonlocal waiting
            while data := await answers.read(CHUNK):
                if waiting and data.startswith(b"250"):
                    self.landed.setdefault(user, []).append(time.time())
                waiting = False
                writer.write(data)

        answering = asyncio.create_task(down())
        try:
            while data := await reader.read(CHUNK):
                if found := RECIPIENT.search(data):
                    user = found[1].decode()
                if END in tail + data:
                    await asyncio.sleep(self.hold.get(user, 0.0))
                    waiting = True
                tail = (tail + data)[-len(END) :]
                server.write(data)
        finally:
            answering.cancel()
            server.close()
            writer.close()
