"""Progress of a check, for those that show it: they set `listener`; it is optional."""

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass


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


def tell(leg: str, stage: str, text: str = "") -> None:
    """Report that a step begins."""
    if (show := listener.get()) is not None:
        show(Progress(leg, stage, text))
