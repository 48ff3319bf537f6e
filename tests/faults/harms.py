"""What the cells of both legs that go through the laboratory share: harm done on the way to a real server."""

from __future__ import annotations

from tasks.mail.model.outcome import ErrorType
from tests.faults.proxy import Harm
from tests.faults.scripted import AMPLE, BROKEN, PAUSE

SHORT = 1.0  # seconds for one step where a fault is one of silence: a process of the server may have to start within
ARRIVES = 30.0  # seconds to wait for what arrives
MOST = 20.0  # seconds for a check that ends with a delivery

HARMS = {
    "close": Harm("close"),
    "reset": Harm("reset"),
    "reset after n bytes": Harm("reset", after=8),
    "silence": Harm("silence"),
    "one byte a second": Harm("slow", pause=PAUSE),
    "garbage": Harm("garbage"),
}


def faults(garbage: ErrorType) -> dict[str, tuple[Harm, ErrorType]]:
    """Each harm with the error it is told as; that of garbage depends on the protocol."""
    return {fault: (harm, BROKEN.get(fault, garbage)) for fault, harm in HARMS.items()}


def timeout_for(kind: ErrorType) -> float:
    return SHORT if kind is ErrorType.TIMEOUT else AMPLE
