"""`mail-loop check` in a process of its own, on servers that repeat the password, with all that logs at DEBUG."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Container, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from tests.prefect.records import columns
from tests.support.canaries import IMAP, PASSWORD, SMTP, USER, seen_in
from tests.support.certificates import ServerTls
from tests.support.raw.imap import RawImap
from tests.support.raw.server import Action, RawServer
from tests.support.raw.smtp import RawSmtp

BREAKING = Path(__file__).parents[2] / "support" / "breaking"  # holds a sitecustomize
MOST_SECONDS = 240.0  # on a machine that is busy with other tests; alone it takes 15
DEBUG = {
    "PREFECT_LOGGING_LEVEL": "DEBUG",
    "PREFECT_LOGGING_ROOT_LEVEL": "DEBUG",
    "PREFECT_LOGGING_SERVER_LEVEL": "DEBUG",
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "DEBUG",
    "PREFECT_LOGGING_EXTRA_LOGGERS": "aioimaplib,aiosmtplib,tasks,flows",  # with asyncio, Prefect 3.8 waits for itself
    "PREFECT_RESULTS_PERSIST_BY_DEFAULT": "true",
    "PYTHONASYNCIODEBUG": "1",
    "PYTHONPATH": str(BREAKING),
    "LOG_EVERYTHING": "1",
    "DO_NOT_TRACK": "1",
}

Script = Mapping[str, Action | Sequence[Action]]


@dataclass
class Ended:
    """A command that has ended; `children` are the command lines of all processes that were seen meanwhile."""

    code: int
    out: str
    err: str
    children: set[bytes] = field(default_factory=set)

    @property
    def results(self) -> dict[str, dict[str, Any]]:
        return {result["loop"]: result for result in map(json.loads, self.out.splitlines())}


class Checks:
    """Loops, each on a relay and a mailbox of its own, and the files that describe them.

    By `password_secret`, or with the password in the file, in turn; with `in_clear` false by name only.
    """

    def __init__(self, folder: Path, tls: ServerTls, secret: str = "canary-password", in_clear: bool = True) -> None:
        folder.mkdir()
        self.folder = folder
        self.tls = tls
        self.secret = secret
        self.in_clear = in_clear
        self.files: list[Path] = []
        self.breaking: list[int] = []  # ports
        self.servers: list[RawServer] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: Any) -> None:
        for server in self.servers:
            await server.__aexit__(*error)

    async def add(
        self, name: str, smtp: Script | None = None, imap: Script | None = None, breaks: str = "", **options: Any
    ) -> tuple[RawSmtp, RawImap | None]:
        """A loop; `imap` None leaves out the mailbox, `breaks` is the leg whose login cannot be sent."""
        relay = RawSmtp(smtp, tls=self.tls.context)
        mailbox = RawImap(imap, tls=self.tls.context, implicit=True, **options) if imap is not None else None
        by_name = not self.in_clear or len(self.files) % 2 == 0
        password = {"password_secret": self.secret} if by_name else {"password": PASSWORD}
        await self.add_servers(name, relay, mailbox, password)
        if breaks:
            self.breaking.append(relay.port if breaks == "smtp" or mailbox is None else mailbox.port)
        return relay, mailbox

    async def add_servers(self, name: str, relay: RawSmtp, mailbox: RawImap | None, secret: Mapping[str, Any]) -> None:
        """A loop on these; `secret` is what it logs in with, at both."""
        for server in (relay, mailbox):
            if server is not None:
                self.servers.append(await server.__aenter__())
        if mailbox is not None:
            relay.deliver = mailbox.append
        login = {"username": USER, "ca_file": self.tls.ca_file, "timeout": 10, "retry_delay": 0.1, **secret}
        addresses = {"from_addr": "probe@raw.test", "to_addr": "box@raw.test", "subject_prefix": "[canary]"}
        data: dict[str, Any] = {
            "smtp": {"host": relay.host, "port": relay.port, "retries": 1, **login, **addresses},
            "limits": {"max_wait": 2},
        }
        if mailbox is not None:
            data["imap"] = {"host": mailbox.host, "port": mailbox.port, **login}
        self.files.append(self.folder / f"{name}.json")
        self.files[-1].write_text(json.dumps(data), encoding="utf-8")

    async def add_all(self, names: Container[str]) -> None:
        """Of success, every failure, and a crash, on both legs, those named."""
        loops: dict[str, dict[str, Any]] = {
            "success": {"imap": {}},
            **{f"smtp-{name}": {"smtp": echo.script} for name, echo in SMTP.items()},
            **{f"imap-{name}": {"imap": echo.script, **echo.options} for name, echo in IMAP.items()},
            "smtp-crash": {"breaks": "smtp"},
            "imap-crash": {"imap": {}, "breaks": "imap"},
            "imap-crash-login": {"imap": {}, "breaks": "imap", "capabilities": "IMAP4rev1"},
        }
        for name, loop in loops.items():
            if name in names:
                await self.add(name, **loop)


@asynccontextmanager
async def started(checks: Checks, home: Path, *arguments: str, **env: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """`mail-loop check` of all these loops, with its state in `home`."""
    own = {"HOME": str(home), "XDG_STATE_HOME": str(home), "CANARY_PASSWORD": PASSWORD}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    await asyncio.to_thread(home.mkdir, exist_ok=True)
    breaks = {"BREAKS_AT_PORTS": ",".join(map(str, checks.breaking))}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "flows.cli.main", "check", "--json", *arguments, *map(str, checks.files)),
        env=inherited | own | DEBUG | breaks | env,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def run(checks: Checks, home: Path, *arguments: str, **env: str) -> Ended:
    """The whole of it."""
    children: set[bytes] = set()
    async with asyncio.timeout(MOST_SECONDS), started(checks, home, *arguments, **env) as process:
        watching = asyncio.create_task(watch(children))
        try:
            out, err = await process.communicate()
        finally:
            watching.cancel()
    return Ended(process.returncode or 0, out.decode(), err.decode(), children)


async def watch(children: set[bytes]) -> None:
    """What anybody on this machine sees of all processes, again and again."""
    while True:
        children |= await asyncio.to_thread(_command_lines)
        await asyncio.sleep(0.05)


def _command_lines() -> set[bytes]:
    lines = set()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.add(path.read_bytes())
        except OSError:  # it has ended
            continue
    return lines


async def until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(MOST_SECONDS):
        while not done():
            await asyncio.sleep(0.05)


def places(home: Path, seen: Callable[[bytes], list[str]] = seen_in) -> list[str]:
    """Where something of the password stands: columns of databases, files under `home`."""
    databases = list(home.rglob("*.db"))
    return [
        *(where for database in databases for where, data in columns(database) if seen(data)),
        *(str(path.relative_to(home)) for path in home.rglob("*") if path.is_file() and seen(path.read_bytes())),
    ]
