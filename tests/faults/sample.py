"""A sample of the fault matrix: each kind of action in each stage of both legs, with other cells for each commit."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

from tests.faults.cells import Cell
from tests.support.checks.sample import drawn

MIN_CELLS = 150

# What the other side does, by the names of the faults.
ACTIONS: dict[str, tuple[str, ...]] = {
    "ends the connection": ("close", "reset", "reset after n bytes", "BYE", "refused", "both addresses refuse"),
    "is silent": (
        *("silence", "one byte a second", "resolver is silent"),
        *("black hole", "both addresses are black holes"),
    ),
    "does not speak the protocol": (
        *("garbage", "plain text", "a second reply", "stripped", "PREAUTH", "bytes pipelined behind it"),
        *("over at once", "INTERNALDATE", "sent on"),
        *("not base64", "another message", "too many iterations", "agrees too early"),
    ),
    "never stops": (
        *("a line without end", "lines without end", "100,000 lines", "a literal of 2 GB", "a message of 16 MB"),
        *("requests without end", "39 MB of headers between two looks", "200 kB of another field before ours"),
        *("300 copies", "bombs of strangers", "16 MB", "challenges without end"),
    ),
    "refuses for now": (
        *("4xx", "[UNAVAILABLE]", "[LIMIT]", "resolver fails"),
        *("HTTP 408", "HTTP 429", "HTTP 503"),
    ),
    "refuses": (
        *("5xx", "NO", "BAD", "[AUTHENTICATIONFAILED]", "wrong password", "no such folder"),
        *("no such name", "name without an address"),
        *("HTTP 400", "HTTP 401", "HTTP 403", "token refused"),
    ),
    "shows a wrong certificate": ("wrong name", "wrong-name", "expired", "not yet valid", "self-signed", "old TLS"),
    "answers": (
        *("no fault", "slow", "late", "byte by byte", "first of two addresses refuses"),
        *("first of two addresses is a black hole", "second of two addresses is a black hole"),
    ),
}
_ACTION_OF = {fault: action for action, faults in ACTIONS.items() for fault in faults}


def action(cell: Cell) -> str:
    """What the other side does in this cell; a KeyError for a fault that has no place in ACTIONS."""
    fault = re.sub(r"^(Postfix|Dovecot): | \(.*\)$", "", cell.fault).split(", ")[0]
    return _ACTION_OF["INTERNALDATE" if fault.startswith("INTERNALDATE") else fault]


def sample(cells: Sequence[Cell], seed: str) -> list[Cell]:
    """At least one cell of each leg, stage, action and expected ending, MIN_CELLS in all; `seed` decides which.

    The ending counts since one action can end in several ways: lost or delivered, tried again or not.
    """
    groups: dict[tuple[object, ...], list[Cell]] = defaultdict(list)
    for cell in cells:
        must = cell.expected
        groups[cell.leg, cell.stage, action(cell), must.outcome, must.error_type, must.attempts].append(cell)

    def lot(cell: Cell) -> bytes:
        return drawn(cell.name, seed)

    chosen = {min(group, key=lot).name for group in groups.values()}
    others = sorted((cell for cell in cells if cell.name not in chosen), key=lot)
    chosen |= {cell.name for cell in others[: max(0, MIN_CELLS - len(chosen))]}
    return [cell for cell in cells if cell.name in chosen]
