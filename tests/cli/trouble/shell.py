"""The command in a shell, with its streams as a test wants them."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from tests.cli.conftest import MOST_SECONDS, PASSWORD
from tests.support.command.forks import ROOT
from tests.support.command.run import Ended


async def shell(folder: Path, arguments: str, redirection: str, first: str = "", **env: str) -> Ended:
    """The command in bash after `first`, its streams as `redirection` says."""
    own = {"HOME": str(folder), "XDG_STATE_HOME": str(folder / "state"), "CHECK_PASSWORD": PASSWORD}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    process = await asyncio.create_subprocess_exec(
        *("bash", "-c", f'{first} "{sys.executable}" -m flows.cli.main {arguments} {redirection}'),
        cwd=folder,
        env=inherited | own | {"PYTHONPATH": str(ROOT)} | env,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(MOST_SECONDS):
        out, err = await process.communicate()
    return Ended(process.returncode or 0, out.decode(), err.decode())
