"""Prefect's own command (`python -m flows.prefect_server`), for a server on SQLite that does not stand still.

Prefect lets a connection wait 60 s for the lock of another one. Should Python's garbage collector meet a cursor of the
waiting connection meanwhile, in the thread of the event loop, that thread waits as well, and the lock is not released:
its holder needs the event loop. So the wait is cut short. What fails then is answered with 503, and asked again by all
of Prefect's clients.

Nor does Prefect look at Host, so that a web page whose name is made to lead to this machine could talk to its server.
With MAIL_LOOP_TRUSTED_HOSTS (names and addresses, with commas between) all other hosts are answered with 400.
"""

import os
import sys
from collections.abc import Sequence
from typing import Any

import uvicorn
from prefect.cli import app
from sqlalchemy import event
from sqlalchemy.pool import ConnectionPoolEntry, Pool
from starlette.middleware.trustedhost import TrustedHostMiddleware

BUSY_MILLISECONDS = 2000
_MARK = "mail-loop: waits briefly"


def wait_briefly(connection: Any, entry: ConnectionPoolEntry, _proxy: object) -> None:
    """On its way out of the pool for the first time, a connection to SQLite has its wait shortened."""
    if _MARK in entry.info or "sqlite" not in type(connection).__module__:
        return
    entry.info[_MARK] = True
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {BUSY_MILLISECONDS};")
    cursor.close()


def trust(hosts: Sequence[str]) -> None:
    """Have the server of this process refuse requests, WebSockets too, for any other host.

    Around what uvicorn serves, not within it: of Prefect's app its own services ask things by a name that is no host's.
    """
    serve = uvicorn.run

    def run(app: Any, **options: Any) -> None:
        serve(TrustedHostMiddleware(app, allowed_hosts=list(hosts), www_redirect=False), **options)

    uvicorn.run = run


if __name__ == "__main__":
    if trusted := [host.strip() for host in os.environ.get("MAIL_LOOP_TRUSTED_HOSTS", "").split(",") if host.strip()]:
        if any(one in ("-b", "--background") or one.startswith("--workers") for one in sys.argv):
            sys.exit("MAIL_LOOP_TRUSTED_HOSTS is for a server of one process: leave out --workers and --background")
        trust(trusted)
    event.listen(Pool, "checkout", wait_briefly)
    app()
