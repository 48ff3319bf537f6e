"""Prefect's own command (`python -m flows.prefect_server`), for a server on SQLite that does not stand still.

Prefect lets a connection wait 60 s for the lock of another one. Should Python's garbage collector meet a cursor of the
waiting connection meanwhile, in the thread of the event loop, that thread waits as well, and the lock is not released:
its holder needs the event loop. So the wait is cut short. What fails then is answered with 503, and asked again by all
of Prefect's clients.
"""

from __future__ import annotations

from typing import Any

from prefect.cli import app
from sqlalchemy import event
from sqlalchemy.pool import ConnectionPoolEntry, Pool

MILLISECONDS = 2000
MARK = "mail-loop: waits briefly"


def wait_briefly(connection: Any, entry: ConnectionPoolEntry, _proxy: object) -> None:
    """On its way out of the pool for the first time, a connection to SQLite has its wait shortened."""
    if MARK in entry.info or "sqlite" not in type(connection).__module__:
        return
    entry.info[MARK] = True
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {MILLISECONDS};")
    cursor.close()


if __name__ == "__main__":
    event.listen(Pool, "checkout", wait_briefly)
    app()
