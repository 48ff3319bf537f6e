"""A mail system in this process, the command in another, as a user runs it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from flows.server import processes
from flows.server.prefect import SERVER, free_port, server_settings, start_server
from tasks.sandbox import Sandbox
from tests.support.command.run import Ended, running, without_prefect
from tests.support.first_start import FirstStart

PASSWORD = 's3cret "quoted" \\ pässword'
ADDRESS = "monitor@sandbox.test"
MOST_SECONDS = 120

Config = dict[str, dict[str, object]]


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


@pytest.fixture(scope="module")
def prefect_server(first_start: FirstStart, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A Prefect server of the file's own."""
    home = first_start(tmp_path_factory.mktemp("server"))
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
        warnings: str = "error",
        apart: bool = False,
        module: str = "flows.cli.main",
        **env: str,
    ) -> Ended:
        """`until` says when to send the signal `number`; `then` is called until it says that it is done."""
        own = {"HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state"), "CHECK_PASSWORD": PASSWORD}
        how: dict[str, Any] = {"warnings": warnings, "apart": apart or until is not None, "module": module}
        if closed_stdout:
            reader, how["out"] = os.pipe()
            os.close(reader)
        async with running(
            *arguments, env=without_prefect() | own | env, folder=tmp_path, seconds=MOST_SECONDS, **how
        ) as command:
            if closed_stdout:
                os.close(how["out"])
            if event := until or then:
                while not event():
                    await asyncio.sleep(0.05)
            if until:
                command.process.send_signal(number)
            return await command.ended()

    return run


async def forked(mail_loop: Command, commands: Iterable[Sequence[str]], **env: str) -> list[Ended]:
    """How these commands end, each a fork of one process that has imported Prefect."""
    forks = await mail_loop(json.dumps([*commands]), module="tests.cli.trouble.forks", warnings="ignore", **env)
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
