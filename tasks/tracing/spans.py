"""What a trace is made of, before any telemetry library knows of it."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from tasks.mail.model.safe_text import one_line

AttributeValue = str | int | float | bool | tuple[str, ...]
Attributes = dict[str, AttributeValue]

MAX_NAME_CHARS = 80  # characters
MAX_TEXTS = 10
_MAX_INTEGER = 2**63  # OTLP carries integers of 64 bits


@dataclass(frozen=True, slots=True)
class Event:
    """A moment, in seconds since the trace began."""

    name: str
    at: float
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Span:
    """What took from `start` to `end`, in seconds since the trace began.

    `failed` says why it failed, None where it did not. `client`: it is our side of a dialogue with a server.
    """

    name: str
    start: float
    end: float
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)
    children: "tuple[Span, ...]" = ()
    events: tuple[Event, ...] = ()
    failed: str | None = None
    client: bool = False

    def walk(self) -> "Iterator[Span]":
        """The span and all below it."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(frozen=True, slots=True)
class Trace:
    """One check: its root span, and when that began by this machine's clock."""

    began: datetime
    root: Span


def within(span: Span, start: float, end: float) -> Span:
    """The span cut to what lies between `start` and `end`, and what is below it to what is left of it.

    Times come from clocks that may contradict each other; no span here is ever of negative length or outlasts another
    that it is a part of.
    """
    start = _between(span.start, start, end)
    end = _between(span.end, start, end)
    return replace(
        span,
        name=one_line(span.name, MAX_NAME_CHARS),
        start=start,
        end=end,
        children=tuple(within(child, start, end) for child in span.children),
        events=tuple(replace(event, at=_between(event.at, start, end)) for event in span.events),
        failed=None if span.failed is None else one_line(span.failed),
    )


def attributes_of(facts: Mapping[str, AttributeValue | None]) -> Attributes:
    """The attributes that there are: what is not known is left out, and a text is one line of bounded length."""
    known: Attributes = {}
    for name, value in facts.items():
        if isinstance(value, tuple) and value:
            known[name] = tuple(map(one_line, value[:MAX_TEXTS]))
        elif isinstance(value, str) and value:
            known[name] = one_line(value)
        elif isinstance(value, int | float) and math.isfinite(value) and abs(value) < _MAX_INTEGER:
            known[name] = value
    return known


def _between(moment: float, start: float, end: float) -> float:
    return min(max(moment, start), end) if math.isfinite(moment) else start
