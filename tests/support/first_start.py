"""What the first start of a Prefect server leaves in its home: a database, which takes longer than all else of it."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from flows.server import processes
from flows.server.prefect import SERVER, free_port, start_server
from tasks.mail.config.state_dir import make_private

DATABASE = "prefect.db"
SEEN = "memo_store.toml"  # where Prefect notes that its kinds of blocks are in the database


class FirstStart:
    """One start in `folder`, shared by all processes of a test run, whose outcome is put into other homes."""

    def __init__(self, folder: Path) -> None:
        self._home = folder / "home"
        self._done = folder / "done"

    def __call__(self, home: Path) -> Path:
        """`home`, in which the next start is not the first."""
        with processes.locked(self._done.with_suffix(".lock")):
            if not self._done.exists():
                self._start()
        make_private(home)
        for name in (DATABASE, SEEN):
            shutil.copy(self._home / name, home / name)
        return home

    def _start(self) -> None:
        try:
            start_server(self._home, free_port())
        finally:
            processes.stop(self._home, SERVER)
        with closing(sqlite3.connect(self._home / DATABASE)) as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # else it is in two files
        self._done.touch()
