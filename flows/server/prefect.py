"""A Prefect server of our own: started, waited for, shared by those who need it at the same time, and ended."""

from __future__ import annotations

import fcntl
import os
import socket
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from http.client import HTTPException
from pathlib import Path
from typing import BinaryIO

from flows.server import login as logins
from flows.server import processes
from flows.server.processes import Background
from tasks.mail.config.state_dir import make_private, open_state_file, unwritable
from tasks.mail.model.errors import MailLoopError

SERVER = "server"
# The history that a server keeps, where its environment does not say otherwise: events for 7 days, runs with all that
# belongs to them for 90. Prefect alone would keep runs for ever.
KEPT = {
    "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
    "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": "7776000",
    "PREFECT_SERVER_EVENTS_RETENTION_PERIOD": "P7D",
}
ORIGINS = "PREFECT_SERVER_CORS_ALLOWED_ORIGINS"
TRUSTED_HOSTS = "MAIL_LOOP_TRUSTED_HOSTS"  # read by flows.prefect_server
OWN_HOSTS = ",".join([*logins.LOOPBACK, "[::1]"])
START_SECONDS = 120.0  # the first start makes the database; a slow disk takes its time


class ServerError(MailLoopError):
    """The Prefect server could not be started."""


def settings(home: Path, port: int) -> dict[str, str]:
    """The environment of the server in `home` and of all that talks to it. Nothing calls home."""
    url = f"http://127.0.0.1:{port}"
    login = logins.known(home)
    return ({logins.OF_CLIENT: login} if login else {}) | {
        "PREFECT_HOME": str(home),
        "PREFECT_PROFILES_PATH": str(home / "profiles.toml"),
        "PREFECT_API_URL": f"{url}/api",
        "PREFECT_UI_URL": f"{url}/v2",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "DO_NOT_TRACK": "1",
    }


def doors(port: int) -> dict[str, str]:
    """What a server on `port` lets in: its own pages, by its own names, and what the environment says of either.

    A page of another origin gets no answer from it, and neither does one whose host name was made to lead here.
    """
    origins = ",".join(f"http://{host}:{port}" for host in logins.LOOPBACK)
    return {
        ORIGINS: os.environ.get(ORIGINS) or origins,
        TRUSTED_HOSTS: ",".join(filter(None, [OWN_HOSTS, os.environ.get(TRUSTED_HOSTS)])),
    }


def guarded(home: Path, server: Background) -> bool:
    """Whether the server that runs in `home` asks for the login that it has to have, and looks at Host."""
    env, login = processes.environment(server), logins.wanted(home)
    return login is not None and env.get(logins.OF_SERVER) == login and bool(env.get(TRUSTED_HOSTS))


def free_port() -> int:
    """A TCP port on loopback that nobody listens on just now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def start_server(home: Path, port: int) -> str:
    """Start a server in `home`, wait until it answers, and return the URL of its API. Raises ServerError."""
    make_private(home)
    login = logins.settle(home)
    env = KEPT | os.environ | doors(port) | settings(home, port) | {logins.OF_SERVER: login}
    argv = [sys.executable, "-m", "flows.prefect_server", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    until = time.monotonic() + START_SECONDS
    try:
        server = processes.start(home, SERVER, argv, env, url=env["PREFECT_API_URL"])
        while not answers(server.url):
            if not server.alive or time.monotonic() > until:
                raise ServerError(f"the Prefect server did not start: see {home / SERVER}.log")
            time.sleep(0.1)
        logins.remember(server, home)
    except BaseException:
        processes.stop(home, SERVER)
        raise
    return server.url


def answers(url: str) -> bool:
    """Whether the API at `url` answers that it is healthy."""
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=2) as response:  # noqa: S310  # http, on loopback
            return bool(response.status == 200)
    except (OSError, HTTPException):  # the latter where something else listens there
        return False


@contextmanager
def private_server(home: Path) -> Iterator[str]:
    """The API of a server in `home`, started if it is not there, ended by the last one that uses it."""
    try:
        with ExitStack() as held:
            try:
                make_private(home)
                url = _joined(home, held.enter_context(open(home / "users.lock", "ab", opener=open_state_file)))
            except OSError as error:
                raise ServerError(f"no private Prefect server: {unwritable(error)}") from None
            yield url
    finally:
        with suppress(OSError):  # what was done is done, and the next one that ends looks again
            end_unused(home)


def _joined(home: Path, in_use: BinaryIO) -> str:
    """The API of the server in `home`, which nobody ends as long as `in_use` is open."""
    with processes.locked(home / "start.lock"):
        running = processes.running(home, SERVER)
        url = running.url if running and answers(running.url) else ""
        if running and url and not guarded(home, running) and _alone(in_use):
            print(
                "the private Prefect server of a former version was left running: it is started anew", file=sys.stderr
            )
            url = ""
        if not url:
            processes.stop(home, SERVER)
            url = start_server(home, free_port())
        fcntl.flock(in_use, fcntl.LOCK_SH)
    return url


def _alone(in_use: BinaryIO) -> bool:
    """Whether nobody else uses the server of this lock."""
    try:
        fcntl.flock(in_use, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def end_unused(home: Path) -> bool:
    """End the private server in `home`, unless a check still uses it: that one will end it. False if nothing ended."""
    if processes.running(home, SERVER) is None:
        return False
    with processes.locked(home / "start.lock"), open(home / "users.lock", "ab", opener=open_state_file) as users:
        return _alone(users) and processes.stop(home, SERVER)
