"""A private PostgreSQL, of Debian's programs, gone afterwards."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.servers import IS_ROOT
from tests.support.servers.accounts import account
from tests.support.servers.processes import HOST, Child, Ports, environment, run, until

BIN = sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")))
NEEDED = "PostgreSQL is needed: apt-get install postgresql (its own server need not run)"


@dataclass(frozen=True)
class Database:
    """Where it is, and its first process."""

    port: int
    pid: int

    @property
    def url(self) -> str:
        return f"postgresql+asyncpg://postgres@{HOST}:{self.port}/prefect"

    def ask(self, query: str) -> list[dict[str, Any]]:
        """The rows of a query."""
        said = self._psql("prefect", f"WITH found AS ({query}) SELECT coalesce(json_agg(found), '[]') FROM found")
        rows: list[dict[str, Any]] = json.loads(said)
        return rows

    def make(self) -> None:
        self._psql("postgres", "CREATE DATABASE prefect")

    def _psql(self, database: str, command: str) -> str:
        argv = [f"{BIN[-1]}/psql", "-h", HOST, "-p", str(self.port), "-U", "postgres", "-d", database]
        return run([*argv, "-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", command])


@contextmanager
def postgres(folder: Path, ports: Ports) -> Iterator[Database]:
    """One in `folder`, with the settings that it comes with. Raises SystemExit where it is not installed."""
    if not BIN:
        raise SystemExit(NEEDED)
    port, data = ports.take(), folder / "data"
    folder.mkdir()
    as_owner: list[str] = []
    if IS_ROOT:  # which PostgreSQL refuses to run as
        account("postgres").own(folder)
        as_owner = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    done = subprocess.run(
        [*as_owner, f"{BIN[-1]}/initdb", "-D", str(data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"],
        capture_output=True,
        text=True,
        env=environment(),
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"initdb failed: {done.stderr}")
    argv = [*as_owner, f"{BIN[-1]}/postgres", "-D", str(data), "-p", str(port), "-c", f"listen_addresses={HOST}"]
    child = Child([*argv, "-c", f"unix_socket_directories={folder}"], folder.parent / "postgres.log", {})
    (folder / "pid").write_text(str(child.pid))
    database = Database(port, child.pid)
    try:
        until(lambda: _answers(database) if child.running else None, lambda: f"PostgreSQL: see {child.output}")
        database.make()
        yield database
    finally:
        if child.running:
            os.kill(child.pid, signal.SIGINT)  # at once, whoever is connected
        child.stop()


def _answers(database: Database) -> bool | None:
    argv = [f"{BIN[-1]}/pg_isready", "-q", "-h", HOST, "-p", str(database.port)]
    return subprocess.run(argv, check=False).returncode == 0 or None
