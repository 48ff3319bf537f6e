"""A mail system of our own in a process of its own, for those who have no other at hand."""

import json
import os
import secrets
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flows.server import processes
from flows.server.prefect import ServerError

SANDBOX = "sandbox"
PASSWORD = "MAIL_LOOP_SANDBOX_PASSWORD"  # noqa: S105  # the name of a variable
_START_SECONDS = 30.0


def start_sandbox(home: Path, *options: str) -> dict[str, Any]:
    """Start one, with options of `python -m tasks.sandbox`, and return where it listens. Raises ServerError."""
    os.environ[PASSWORD] = secrets.token_urlsafe(12)
    log = home / f"{SANDBOX}.log"
    log.unlink(missing_ok=True)
    sandbox = processes.start(home, SANDBOX, [sys.executable, "-m", "tasks.sandbox", *options], os.environ.copy())
    until = time.monotonic() + _START_SECONDS
    while sandbox.alive and time.monotonic() < until:
        for text in log.read_text(encoding="utf-8").splitlines():
            if text.startswith("{"):
                box: dict[str, Any] = json.loads(text)
                return box
        time.sleep(0.05)
    raise ServerError(f"the mail system of our own did not start: see {log}")


def ports_of(box: Mapping[str, Any]) -> str:
    """Where it listens, in words."""
    tokens = f", tokens at {box['token_url']}" if box["token_url"] else ""
    return f"SMTP on port {box['smtp_port']}, IMAP on port {box['imaps_port']}{tokens}"


def sandbox_loop(
    box: Mapping[str, Any], name: str, limits: Mapping[str, float], password: str | None = None, **smtp: Any
) -> dict[str, object]:
    """The fields of a loop through it, its password by name unless it is given; `smtp` are more of that section's.

    Where it hands out tokens the password is the secret of an application.
    """
    kind, value = ("", password) if password else ("_secret", PASSWORD)
    login = {"host": box["host"], "username": box["username"], "ca_file": box["ca_file"]}
    if box["token_url"]:
        application = {"client_id": box["username"], f"client_secret{kind}": value}
        login["oauth"] = {**application, "token_url": box["token_url"], "scope": "mail"}
    else:
        login[f"password{kind}"] = value
    address = f"{box['username']}@sandbox.test"
    return {
        "name": name,
        "smtp": {**login, "port": box["smtp_port"], "from_addr": address, "to_addr": address, **smtp},
        "imap": {**login, "port": box["imaps_port"]},
        "limits": limits,
    }
