"""A Prefect server of our own: how it is started and waited for, and whom it lets in."""

import os
import random
import socket
import sys
import time
import urllib.request
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path

from flows.server import login as logins
from flows.server import processes
from flows.server.processes import Background
from tasks.mail.config.state_dir import make_private
from tasks.mail.model.errors import MailLoopError

SERVER = "server"
# The history that a server keeps, where its environment does not say otherwise: events for 7 days, runs with all that
# belongs to them for 90. Prefect alone would keep runs for ever.
RETENTION = {
    "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
    "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": "7776000",
    "PREFECT_SERVER_EVENTS_RETENTION_PERIOD": "P7D",
}
_ORIGINS = "PREFECT_SERVER_CORS_ALLOWED_ORIGINS"
TRUSTED_HOSTS = "MAIL_LOOP_TRUSTED_HOSTS"  # read by flows.prefect_server
_OWN_HOSTS = ",".join([*logins.LOOPBACK, "[::1]"])
_PORTS = range(20000, 30000)
SERVER_START_SECONDS = 120.0  # the first start makes the database; a slow disk takes its time


class ServerError(MailLoopError):
    """The Prefect server could not be started."""


def server_settings(home: Path, port: int) -> dict[str, str]:
    """The environment of the server in `home` and of all that talks to it. Nothing calls home."""
    url = f"http://127.0.0.1:{port}"
    login = logins.known_login(home)
    return ({logins.OF_CLIENT: login} if login else {}) | {
        "PREFECT_HOME": str(home),
        "PREFECT_PROFILES_PATH": str(home / "profiles.toml"),
        "PREFECT_API_URL": f"{url}/api",
        "PREFECT_UI_URL": f"{url}/v2",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "DO_NOT_TRACK": "1",
    }


def admission_settings(port: int) -> dict[str, str]:
    """What a server on `port` lets in: its own pages, by its own names, and what the environment says of either.

    A page of another origin gets no answer from it, and neither does one whose host name was made to lead here.
    """
    origins = ",".join(f"http://{host}:{port}" for host in logins.LOOPBACK)
    return {
        _ORIGINS: os.environ.get(_ORIGINS) or origins,
        TRUSTED_HOSTS: ",".join(filter(None, [_OWN_HOSTS, os.environ.get(TRUSTED_HOSTS)])),
    }


def guarded(home: Path, server: Background) -> bool:
    """Whether the server that runs in `home` asks for the login that it has to have, and looks at Host."""
    env, login = processes.environment(server), logins.required_login(home)
    return login is not None and env.get(logins.OF_SERVER) == login and bool(env.get(TRUSTED_HOSTS))


def free_port() -> int:
    """A TCP port on loopback that nobody listens on just now; none of those that the system gives to connections."""
    for port in random.sample(_PORTS, len(_PORTS)):
        with socket.socket() as sock, suppress(OSError):
            sock.bind(("127.0.0.1", port))
            return port
    raise ServerError("there is no free port on loopback")


def start_server(home: Path, port: int) -> str:
    """Start a server in `home`, wait until it answers, and return the URL of its API. Raises ServerError."""
    make_private(home)
    login = logins.ensure_login(home)
    env = RETENTION | os.environ | admission_settings(port) | server_settings(home, port) | {logins.OF_SERVER: login}
    argv = [sys.executable, "-m", "flows.prefect_server", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    until = time.monotonic() + SERVER_START_SECONDS
    try:
        server = processes.start(home, SERVER, argv, env, url=env["PREFECT_API_URL"])
        while not answers(server.url):
            if not server.alive or time.monotonic() > until:
                raise ServerError(f"the Prefect server did not start: see {home / SERVER}.log")
            time.sleep(0.1)
        logins.remember_server(server, home)
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
