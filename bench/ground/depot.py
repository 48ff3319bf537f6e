"""A relay that keeps what it is given until it shall land, and then hands it to Dovecot's LMTP.

Held behind a real one, a thousand messages would wait for its twenty delivery agents instead.
"""

from __future__ import annotations

import asyncio
import re
import smtplib
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.support.raw.server import SILENCE
from tests.support.raw.smtp import RawSmtp

ID = re.compile(rb"^X-Mail-Loop-Id: (\w+)", re.MULTILINE)
TO = re.compile(rb"^To: ([^@\r\n]+)@", re.MULTILINE)
AT_ONCE = 4  # LMTP connections


class Depot:
    """`relay` takes messages, `hole` is one that never answers; `landed`: wall-clock times by the id of the probe."""

    def __init__(self, lmtp: Path) -> None:
        self.relay = RawSmtp()
        self.hole = RawSmtp({"banner": SILENCE})
        self._lmtp = lmtp
        self._pool = ThreadPoolExecutor(AT_ONCE)
        self._own = threading.local()
        self.held: list[bytes] = []
        self.landed: dict[str, float] = {}
        self.forget()

    def pass_on(self, seconds: float = 0.0) -> None:
        """From now on what comes lands so much later."""

        def later(message: bytes) -> None:
            asyncio.get_running_loop().call_later(seconds, self._land, message)

        self.relay.deliver = later if seconds else self._land

    def release(self) -> None:
        """Let all that is held land as fast as it can."""
        self.pass_on()
        held, self.held = self.held, []
        for message in held:
            self._land(message)

    def forget(self) -> None:
        """Begin anew, and keep what comes."""
        self.held = []
        self.landed = {}
        self.relay.deliver = lambda message: self.held.append(message)

    async def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
        for server in (self.relay, self.hole):
            await server.__aexit__(None, None, None)

    def _land(self, message: bytes) -> None:
        self._pool.submit(self._hand_over, message)

    def _hand_over(self, message: bytes) -> None:
        lmtp: Any = getattr(self._own, "lmtp", None)
        if lmtp is None:
            lmtp = self._own.lmtp = smtplib.LMTP(str(self._lmtp))
        user, number = TO.search(message), ID.search(message)
        if user is None or number is None:
            raise RuntimeError("this is no probe")
        lmtp.sendmail("probe@inbox.test", [f"{user[1].decode()}@inbox.test"], message)
        self.landed[number[1].decode()] = time.time()
