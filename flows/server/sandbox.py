"""A mail system of our own in a process of its own, for those who have no other at hand."""

import json
import os
import secrets
import sys
import time
from pathlib import Path

from flows.server import processes
from flows.server.prefect import ServerError

SANDBOX = "sandbox"
PASSWORD = "MAIL_LOOP_SANDBOX_PASSWORD"  # noqa: S105  # the name of a variable
_START_SECONDS = 30.0


def start_sandbox(home: Path, *options: str) -> dict[str, object]:
    """Start one, with options of `python -m tasks.sandbox`, and return where it listens. Raises ServerError."""
    os.environ[PASSWORD] = secrets.token_urlsafe(12)
    log = home / f"{SANDBOX}.log"
    log.unlink(missing_ok=True)
    sandbox = processes.start(home, SANDBOX, [sys.executable, "-m", "tasks.sandbox", *options], os.environ.copy())
    until = time.monotonic() + _START_SECONDS
    while sandbox.alive and time.monotonic() < until:
        for text in log.read_text(encoding="utf-8").splitlines():
            if text.startswith("{"):
                box: dict[str, object] = json.loads(text)
                return box
        time.sleep(0.05)
    raise ServerError(f"the mail system of our own did not start: see {log}")


def login(box: dict[str, object]) -> dict[str, object]:
    """The fields of a section that logs in there; the password by name only."""
    return {"host": box["host"], "username": box["username"], "password_secret": PASSWORD, "ca_file": box["ca_file"]}


def address(box: dict[str, object]) -> str:
    """The address that leads to its mailbox."""
    return f"{box['username']}@sandbox.test"
