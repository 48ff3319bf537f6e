"""Many loops that share one scripted mailbox."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

from tasks.mail.config.loop import LoopConfig
from tests.support.checks.rounds import LONG, Round


def loops(way: Round, count: int, max_wait: float = LONG, **imap: Any) -> list[LoopConfig]:
    config = way.loop(max_wait, **imap)
    return [config.model_copy(update={"name": f"raw-{number}"}) for number in range(count)]


def once_all_wait(way: Round, count: int, then: Callable[[list[bytes]], object], seconds: float = 0.2) -> None:
    """So much after all have sent their messages, `then` decides what becomes of these; in the order of the loops."""
    sent: list[bytes] = []

    def arrive(raw: bytes) -> None:
        sent.append(raw)
        if len(sent) == count:
            sent.sort(key=lambda one: int(re.search(rb"X-Mail-Loop-Name: raw-(\d+)", one)[1]))  # type: ignore[index]
            asyncio.get_running_loop().call_later(seconds, then, sent)

    way.relay.arrive = arrive
