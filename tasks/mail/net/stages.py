"""The stages of a check: each is reported as it begins, bounded and timed in one place.

Who shows progress sets `listener`; it is optional.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from tasks.mail.model.moment import Moment


@dataclass(frozen=True, slots=True)
class Progress:
    """A step that begins: the leg (see outcome.Leg), its stage, and a few words for people."""

    leg: str
    stage: str
    text: str = ""


listener: ContextVar[Callable[[Progress], None] | None] = ContextVar("listener", default=None)


# Those that follow several loops at once make a listener for each.
followers: ContextVar[Callable[[str], Callable[[Progress], None]] | None] = ContextVar("followers", default=None)


def follow(loop: str) -> None:
    """From here on, in this task and those that it starts, the steps are those of `loop`."""
    if (make := followers.get()) is not None:
        listener.set(make(loop))


def report_stage(leg: str, stage: str, text: str = "") -> None:
    """Report that a step begins."""
    if (show := listener.get()) is not None:
        show(Progress(leg, stage, text))


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
        report_stage(self.leg, stage)
        begun = Moment.now()
        try:
            async with asyncio.timeout(self.timeout):
                yield
        finally:
            self.ended = Moment.now()
            self.seconds[stage] = self.seconds.get(stage, 0.0) + self.ended.since(begun)
