"""Checks in processes of their own, one after the other."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.prefect.failures.apart import Apart

STAGGER = 1.0  # seconds between the starts of two commands, each of which keeps a core busy for as long
Check = tuple[int, str]
DELIVERED: Check = (0, "delivered")
REJECTED: Check = (2, "rejected")


async def one_by_one(cases: list[Apart], folder: Path) -> None:
    """Start a check every few seconds, and wait until all have ended."""

    async def later(number: int, case: Apart) -> None:
        await asyncio.sleep(STAGGER * number)
        await case.run(folder / case.name)

    await asyncio.gather(*(later(number, case) for number, case in enumerate(cases)))
