"""Stages of a leg: each is told, bounded and timed in one place."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tasks.mail.model import progress
from tasks.mail.model.moment import Moment


class Stages:
    """How long each stage of a leg took. A stage entered twice counts once, with both times added."""

    def __init__(self, leg: str, timeout: float) -> None:
        """`timeout`: seconds that one step of a stage may take before TimeoutError."""
        self.leg = leg
        self.timeout = timeout
        self.current = "dns"
        self.ended = Moment.now()
        self.seconds: dict[str, float] = {}

    @asynccontextmanager
    async def __call__(self, stage: str) -> AsyncIterator[None]:
        self.current = stage
        progress.tell(self.leg, stage)
        begun = Moment.now()
        try:
            async with asyncio.timeout(self.timeout):
                yield
        finally:
            self.ended = Moment.now()
            self.seconds[stage] = self.seconds.get(stage, 0.0) + self.ended.since(begun)
