"""The login of a Prefect server of ours: made at its first start, kept beside its database, found again by its URL."""

import json
import os
import secrets
import shlex
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from flows.server import processes
from flows.server.processes import Background
from tasks.mail.config.state_dir import state_home, write_whole
from tasks.mail.model.errors import ConfigError

LOGIN_FILE = "api-login"
_SERVERS_FILE = "servers.json"  # in the state folder of this user: by port, whose home the server there has
OF_SERVER = "PREFECT_SERVER_API_AUTH_STRING"
OF_CLIENT = "PREFECT_API_AUTH_STRING"
LOOPBACK = ("127.0.0.1", "localhost")


def known_login(home: Path) -> str | None:
    """The login of the server in `home`; None if it never had one, or the file is damaged."""
    with suppress(FileNotFoundError, UnicodeDecodeError):
        login = (home / LOGIN_FILE).read_text(encoding="utf-8").rstrip("\n")
        return login if login and login.isprintable() else None
    return None


def required_login(home: Path) -> str | None:
    """The login that a server in `home` has to have: the environment's, else the one it had before.

    Raises ConfigError.
    """
    login = os.environ.get(OF_SERVER) or known_login(home)
    if login is not None and not login.isprintable():
        raise ConfigError(f"{OF_SERVER}: has a line break or another character that cannot be typed: set it without")
    return login


def ensure_login(home: Path) -> str:
    """The login for a server that is about to start in `home`, new if there is none; on file with mode 0600."""
    with processes.locked(home / f"{LOGIN_FILE}.lock"):
        login = required_login(home) or f"admin:{secrets.token_hex(16)}"
        if login != known_login(home):
            write_whole(home / LOGIN_FILE, login)
    return login


def remember_server(server: Background, home: Path) -> None:
    """Have `login_for` know the server, from whatever folder a command is run."""
    where = state_home() / _SERVERS_FILE
    with suppress(OSError), processes.locked(where.with_suffix(".lock")):  # without it the login is to be exported
        others = {port: entry for port, entry in _servers(where).items() if _runs(entry, port)}
        entry = {"home": str(home), "name": server.name}
        write_whole(where, json.dumps(others | {str(urlsplit(server.url).port): entry}))


def login_for(url: str) -> str | None:
    """The login of the API at `url`, if a server of ours, and nothing else, listens there."""
    home = home_of(url)
    return None if home is None else known_login(home)


def home_of(url: str) -> Path | None:
    """The folder of the server at `url`, if one that this user has started, and nothing else, listens there."""
    with suppress(ValueError):  # no port
        parts = urlsplit(url)
        if parts.scheme == "http" and parts.hostname in LOOPBACK:
            entry: Any = _servers(state_home() / _SERVERS_FILE).get(port := str(parts.port))
            if _runs(entry, port):
                return Path(entry["home"])
    return None


def how_to_log_in(home: Path, url: str, *, show: bool) -> list[str]:
    """What a person has to know of the login, in lines; with `show` what to type, unless the environment has it."""
    file = home / LOGIN_FILE
    what, where = f"what {file} holds", ""
    if show and not os.environ.get(OF_SERVER):
        what, where = str(known_login(home)), f"; it is kept in {file}"
    return [
        f"To log in, type {what} into the one field of the page{where}",
        f'For prefect commands: export PREFECT_API_URL={url} {OF_CLIENT}="$(cat {shlex.quote(str(file))})"',
    ]


def _runs(entry: Any, port: str) -> bool:
    """Whether the server of an entry is still there, on this port."""
    try:
        server = processes.running(Path(entry["home"]), str(entry["name"]))
    except (TypeError, KeyError):
        return False
    return server is not None and str(urlsplit(server.url).port) == port


def _servers(where: Path) -> dict[str, Any]:
    try:
        found = json.loads(where.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
