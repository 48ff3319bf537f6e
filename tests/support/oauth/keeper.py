"""Refresh tokens kept in a file, as a Secret block keeps them: slowly, and for all processes."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tasks.mail.config.state_dir import write_whole

NAME = "app-refresh"


class FileKeeper:
    """See Keeper in tasks.mail.auth.tokens.rotation. `broken`: why nothing can be written; `lost`: read."""

    def __init__(self, path: Path, broken: str = "") -> None:
        self.path = path
        self.broken = broken
        self.lost: OSError | None = None
        self.kept: list[str] = []

    async def reread(self, name: str) -> str | None:
        assert name == NAME
        await asyncio.sleep(0.01)
        if self.lost is not None:
            raise self.lost
        return self.path.read_text(encoding="utf-8") if self.path.exists() else None

    async def keep(self, name: str, before: str, value: str) -> str:
        assert (name, before) == (NAME, self.path.read_text(encoding="utf-8"))
        await asyncio.sleep(0.05)
        if not self.broken:
            self.kept.append(value)
            write_whole(self.path, value)
        return self.broken
