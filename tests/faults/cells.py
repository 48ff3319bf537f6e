"""What a cell of the fault matrix is, and how one is measured."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from flows import direct
from tasks.mail.config.loop import CheckConfig
from tasks.mail.model.outcome import ErrorType, Outcome, Status
from tasks.mail.model.result import LoopResult
from tests.support import certificates
from tests.support.certificates import ServerTls
from tests.support.servers.lab import Lab

SETUP_SECONDS = 30.0  # for the servers of a cell, around its check
SETTLE_SECONDS = 3.0  # the operating system tells nobody when a socket is gone


@dataclass(frozen=True)
class Expected:
    """What the check must report. `within`: seconds that it may take; a hang is what this shows, so it is generous.

    The status is that of the outcome: ok where delivered, else error, unless `status` says something else. `copies` is
    looked at where it is given.
    """

    outcome: Outcome
    error_type: ErrorType | None
    leg: str | None
    stage: str | None
    attempts: int
    within: float
    status: Status | None = None
    copies: int | None = None

    @property
    def ok(self) -> bool:
        return self.outcome is Outcome.DELIVERED


@dataclass(frozen=True)
class Cell:
    """One fault in one stage. `run` sets up its servers, runs one whole check by `ground.check`, and takes all down.

    It may also assert what its servers have seen: an AssertionError makes the cell wrong. `needs_lab` has the
    laboratory started before anything is counted.
    """

    leg: str
    stage: str
    fault: str
    expected: Expected
    run: Run
    needs_lab: bool = False

    @property
    def name(self) -> str:
        return f"{self.leg}-{self.stage}-{self.fault}"


class Ground:
    """What a cell may use: certificates, a folder, the laboratory, and the one way to run a check."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.seconds = 0.0  # that the last check took
        self.bound = SETUP_SECONDS
        self.lines: list[str] = []  # what a cell says beside its row of the table, last of all
        self._tls: dict[str, ServerTls] = {}

    def tls(self, kind: str = "good") -> ServerTls:
        """A server's TLS: `good`, `old TLS`, or a key of `certificates.BAD`, made once."""
        if kind not in self._tls:
            folder = self.folder / kind.replace(" ", "-")
            folder.mkdir()
            make = {"good": certificates.good, "old TLS": certificates.old_tls, **certificates.BAD}[kind]
            self._tls[kind] = make(folder)
        return self._tls[kind]

    @cached_property
    def lab(self) -> Lab:
        """The real servers. A cell that uses them says `needs_lab`."""
        return Lab()

    async def check(self, config: CheckConfig) -> LoopResult:
        """Run one whole check, timed; a TimeoutError when it takes longer than its cell allows."""
        begun = time.monotonic()
        try:
            async with asyncio.timeout(self.bound):
                return await direct.check(config)
        finally:
            self.seconds = time.monotonic() - begun

    def close(self) -> None:
        """Stop the laboratory where it was started."""
        if "lab" in self.__dict__:
            self.lab.close()


Run = Callable[[Ground], Awaitable[LoopResult]]


@dataclass
class Measured:
    """What came of a cell. `wrong` and `left` say in words what should not be."""

    cell: Cell
    seconds: float = 0.0
    result: LoopResult | None = None
    hung: bool = False
    wrong: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    @property
    def right(self) -> bool:
        return not (self.hung or self.wrong or self.left)

    @property
    def false_ok(self) -> bool:
        return self.result is not None and self.result.status is Status.OK and not self.cell.expected.ok

    @property
    def false_alarm(self) -> bool:
        return self.cell.expected.ok and (self.result is None or self.result.status is not Status.OK)


async def measure(cell: Cell, ground: Ground) -> Measured:
    """Run a cell and compare: the result, the time, and what the process has afterwards that it had not before."""
    if cell.needs_lab:
        _ = ground.lab
    measured = Measured(cell)
    reported: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: reported.append(context))
    before = _Belongings()
    ground.bound = cell.expected.within
    try:
        async with asyncio.timeout(cell.expected.within + SETUP_SECONDS):
            measured.result = await cell.run(ground)
    except TimeoutError:
        measured.hung = True
        measured.wrong.append(f"did not end within {cell.expected.within:g} s")
    except Exception as error:
        measured.wrong.append(f"{type(error).__name__}: {error}")
    measured.seconds = ground.seconds
    measured.left = await before.more_than_before()
    measured.left += [f"reported to the event loop: {context}" for context in reported]
    if measured.result is not None:
        measured.wrong += differences(cell.expected, measured.result)
    return measured


def differences(expected: Expected, result: LoopResult) -> list[str]:
    """Every field in which the result is not what it must be."""
    status = expected.status or (Status.OK if expected.ok else Status.ERROR)
    pairs: dict[str, tuple[object, object]] = {
        "outcome": (expected.outcome, result.outcome),
        "error_type": (expected.error_type, result.error_type),
        "leg": (expected.leg, result.leg),
        "stage": (expected.stage, result.stage),
        "attempts": (expected.attempts, result.attempts),
        "status": (status, result.status),
    }
    if expected.copies is not None:
        pairs["copies"] = (expected.copies, result.copies)
    found = [f"{name}: {is_!s}, not {must!s}" for name, (must, is_) in pairs.items() if must != is_]
    return [*found, f"sentence: {result.sentence}"] if found else []


class _Belongings:
    """The tasks, open files and sockets, and threads that the process has at one moment."""

    def __init__(self) -> None:
        self.tasks = asyncio.all_tasks()
        self.files = _open_files()
        self.threads = set(threading.enumerate())

    async def more_than_before(self) -> list[str]:
        """What there is now and was not then, once what is only about to end has ended."""
        end = time.monotonic() + SETTLE_SECONDS
        while (left := self._more()) and time.monotonic() < end:
            await asyncio.sleep(0.01)
        return left

    def _more(self) -> list[str]:
        now = _Belongings()
        left = [f"task {task.get_name()}: {task.get_coro()}" for task in now.tasks - self.tasks]
        left += [f"thread {thread.name}" for thread in now.threads - self.threads]
        return left + [f"file {number}: {now.files[number]}" for number in now.files.keys() - self.files.keys()]


def _open_files() -> dict[int, str]:
    """The file descriptors in use, with what they stand for."""
    links = {}
    for number in os.listdir("/proc/self/fd"):
        try:
            links[int(number)] = os.readlink(f"/proc/self/fd/{number}")
        except FileNotFoundError:  # that of the listing itself
            continue
    return links
