"""What a run has of what takes too long to be run whole each time: another part for each commit.

The seed is the commit, by `make test`; without one everything is run: `make test WHOLE=1`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from typing import TypeVar

_T = TypeVar("_T")

SEED = os.environ.get("TESTS_SAMPLE", "")
LONG_SHARE = 8  # of so many tests that are marked `long` a sample has one


def drawn(name: str, seed: str) -> bytes:
    """The lot of a case in the sample of this seed: the lowest ones are taken."""
    return hashlib.sha256(f"{seed} {name}".encode()).digest()


def sampled(cases: Iterable[_T], most: int, of: str = "", seed: str = SEED) -> list[_T]:
    """So many of the cases, in their order; all where the run is whole. `of` tells apart what has the same cases."""
    every = list(cases)
    if not seed:
        return every
    chosen = sorted(range(len(every)), key=lambda at: drawn(f"{of} {every[at]}", seed))[:most]
    return [every[at] for at in sorted(chosen)]


def long_ones(scenes: Sequence[str], seed: str = SEED) -> set[str]:
    """Which of the long tests a run has, by their names."""
    return set(sampled(sorted(set(scenes)), -(-len(set(scenes)) // LONG_SHARE), seed=seed))
