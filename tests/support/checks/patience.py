"""Bounds of time for tests whose clock is set."""

from __future__ import annotations

from typing import Any

from tasks.mail.config.loop import LoopConfig
from tests.support.checks.rounds import Round

PATIENCE = 60.0  # seconds that a check may take on a busy machine, far from an hour


def limited(way: Round, max_wait: float, warn_after: float | None = None, **imap: Any) -> LoopConfig:
    loop = way.loop(max_wait, **imap)
    return loop.model_copy(update={"limits": loop.limits.model_copy(update={"warn_after": warn_after})})
