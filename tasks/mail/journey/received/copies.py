"""Where the ways of two copies of one message part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tasks.mail.model.journey_record import HopRecord


@dataclass(frozen=True, slots=True)
class Parting:
    """`last` is the last server that both copies went by, and `first` and `second` the servers behind it, in order.

    Without `last` they went apart from the beginning: the message was handed in twice.
    """

    last: HopRecord | None
    first: tuple[str, ...]
    second: tuple[str, ...]


def parting(first: Sequence[HopRecord], second: Sequence[HopRecord]) -> Parting:
    """Compare the hops of two copies, oldest first: a server gives each message that it takes a name and a date."""
    common = 0
    for one, other in zip(first, second, strict=False):
        if (one.by.lower(), one.id, one.at) != (other.by.lower(), other.id, other.at):
            break
        common += 1
    return Parting(first[common - 1] if common else None, _servers(first[common:]), _servers(second[common:]))


def _servers(hops: Sequence[HopRecord]) -> tuple[str, ...]:
    return tuple(hop.by for hop in hops if hop.by)
