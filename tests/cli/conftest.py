"""A mail system in this process, the command in another, as a user runs it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from flows.server import processes
from flows.server.prefect import SERVER, free_port, server_settings, start_server
from tasks.sandbox import Sandbox
from tests.support.first_start import FirstStart

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = 's3cret "quoted" \\ pässword'
ADDRESS = "monitor@sandbox.test"
MOST_SECONDS = 120

Config = dict[str, dict[str, object]]


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def results(self) -> list[dict[str, object]]:
        """The results on stdout, which is nothing but JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]


Command = Callable[..., Awaitable[Ended]]


@pytest.fixture
async def box() -> AsyncIterator[Sandbox]:
    async with Sandbox(users={"monitor": PASSWORD}) as sandbox:
        yield sandbox


@dataclass(frozen=True)
class Served:
    """A Prefect server in `home`, and the environment of what talks to it."""

    home: Path
    env: dict[str, str]


@pytest.fixture
def prefect_server(first_start: FirstStart, tmp_path: Path) -> Iterator[Served]:
    """A Prefect server of the test's own."""
    home = first_start(tmp_path / "server")
    port = free_port()
    try:
        start_server(home, port)
        yield Served(home, server_settings(home, port))
    finally:
        processes.stop(home, SERVER)


@pytest.fixture
def mail_loop(tmp_path: Path) -> Command:
    """Run `mail-loop` with a home of its own, away from the checkout."""

    async def run(
        *arguments: str | Path,
        until: Callable[[], bool] | None = None,
        then: Callable[[], bool] | None = None,
        number: signal.Signals = signal.SIGTERM,
        closed_stdout: bool = False,
        module: str = "flows.cli.main",
        warnings: str = "error",
        **env: str,
    ) -> Ended:
        """`until` says when to send the signal `number`; `then` is called until it says that it is done."""
        own = {"HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state"), "CHECK_PASSWORD": PASSWORD}
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
        stdout = asyncio.subprocess.PIPE
        if closed_stdout:
            reader, stdout = os.pipe()
            os.close(reader)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-W",
            warnings,
            "-m",
            module,
            *map(str, arguments),
            cwd=tmp_path,
            env=inherited | own | env,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=stdout,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(MOST_SECONDS):
                if event := until or then:
                    while not event():
                        await asyncio.sleep(0.05)
                if until:
                    process.send_signal(number)
                out, err = await process.communicate()
            if closed_stdout:
                os.close(stdout)
        except TimeoutError:
            process.kill()
            raise
        return Ended(process.returncode or 0, (out or b"").decode(), err.decode())

    return run


async def forked(mail_loop: Command, commands: Iterable[Sequence[str]], **env: str) -> list[Ended]:
    """How these commands end, each a fork of one process that has imported Prefect."""
    env |= {"warnings": "ignore", "PYTHONPATH": str(ROOT)}
    forks = await mail_loop(json.dumps([*commands]), module="tests.cli.trouble.forks", **env)
    assert forks.code == 0, forks
    return [Ended(*one) for one in json.loads(forks.out)]


def config(box: Sandbox, **changes: object) -> Config:
    """A loop through the sandbox; `smtp__retries=0` changes one field, `imap=None` drops a section."""
    login = {"host": box.host, "username": "monitor", "password_secret": "check-password", "ca_file": str(box.ca_file)}
    data: Config = {
        "smtp": {
            **login,
            "port": box.smtp_port,
            "from_addr": ADDRESS,
            "to_addr": ADDRESS,
            "subject_prefix": "[loop]",
            "retry_delay": 0.0,
        },
        "imap": {**login, "port": box.imaps_port, "retry_delay": 0.1},
        "limits": {"max_wait": 5.0},
    }
    for name, value in changes.items():
        section, _, field = name.partition("__")
        if field:
            data[section][field] = value
        else:
            del data[section]
    return data


def written(folder: Path, name: str, data: object) -> Path:
    path = folder / f"{name}.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    return path
