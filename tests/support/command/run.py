"""`mail-loop` as a user runs it: in a process with arguments, environment, folder and streams of its own."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

from tests.support.checks.bounds import PROGRAM_SECONDS
from tests.support.command.forks import ROOT, Fork, forks

AT_START = ("PYTHON", "LANG", "LC_", "LD_", "TZ")  # how the variables begin that are read when Python starts


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def results(self) -> list[dict[str, Any]]:
        """The results on stdout, which is nothing but JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]


class Running:
    """A command that runs, and what it has said so far."""

    def __init__(self, process: Fork | asyncio.subprocess.Process, out: IO[bytes], err: IO[bytes]) -> None:
        self.process = process
        self._streams = out, err

    def has_said_a_line(self) -> bool:
        """Whether there is one on stdout."""
        return b"\n" in os.pread(self._streams[0].fileno(), 2**20, 0)

    def said(self) -> str:
        """All that it has said so far, on stdout and then on stderr."""
        return "".join(os.pread(one.fileno(), 2**20, 0).decode("utf-8", "replace") for one in self._streams)

    async def ended(self) -> Ended:
        """Wait until it has ended."""
        return Ended(await self.process.wait(), *map(text_of, self._streams))


def text_of(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()


def without_prefect(**more: str) -> dict[str, str]:
    """The environment of this process without what it says of Prefect, and `more`."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")} | more


async def start(
    *arguments: str | Path,
    env: Mapping[str, str],
    folder: Path,
    out: int,
    err: int,
    warnings: str | None = None,
    apart: bool = False,
    module: str = "flows.cli.main",
) -> Fork | asyncio.subprocess.Process:
    """Start `mail-loop`: `apart` as a program of its own, else as a fork, where its environment allows that.

    `warnings` is Python's option -W.
    """
    words = [*map(str, arguments)]
    if not apart and at_start(env) == at_start(os.environ):
        return forks().start(module, words, env, folder, out, err, warnings)
    argv = [sys.executable, *(["-W", warnings] if warnings else []), "-m", module, *words]
    nowhere = asyncio.subprocess.DEVNULL
    return await asyncio.create_subprocess_exec(*argv, cwd=folder, env=env, stdin=nowhere, stdout=out, stderr=err)


def at_start(env: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in env.items() if name.startswith(AT_START)}


@asynccontextmanager
async def running(
    *arguments: str | Path, env: Mapping[str, str], folder: Path = ROOT, seconds: float = PROGRAM_SECONDS, **how: Any
) -> AsyncIterator[Running]:
    """`mail-loop` while it runs, as start() starts it. It is killed where the block ends earlier or takes longer."""
    with TemporaryFile() as out, TemporaryFile() as err:
        streams = {"out": out.fileno(), "err": err.fileno()} | how
        process = await start(*arguments, env=env, folder=folder, **streams)
        try:
            async with asyncio.timeout(seconds):
                yield Running(process, out, err)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


async def mail_loop(*arguments: str | Path, **how: Any) -> Ended:
    """Run it to its end."""
    async with running(*arguments, **how) as command:
        return await command.ended()
