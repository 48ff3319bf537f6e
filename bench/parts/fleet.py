"""Many loops in one process: what black holes among them do to the others, and what a thousand cost that wait."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.contenders import ROOT, path_of, python_of
from bench.ground.depot import Depot
from bench.ground.stage import Stage
from tests.support.servers.lab import User

HOLES_TIMEOUT = 20.0  # seconds after which a check gives a black hole up
SETTLE = 10.0  # seconds after all have sent, so that the last has left its tight phase
SOON = 1.5  # seconds after which mail lands that those who wait look for in their tight phase
STILL = 30.0  # seconds in which nothing arrives
MOST_WAIT = 600.0


@dataclass(frozen=True)
class Ran:
    """What many checks took. Times in seconds; `cpu` is of one core, while nothing arrived."""

    what: str
    loops: int
    mailboxes: int
    whole: float
    found: float  # the last of those that were
    outcomes: dict[str, int]
    detections: tuple[float, ...]
    memory: int
    cpu: float | None
    waiting: int | None  # IMAP commands while nothing arrived
    connections: int
    commands: int


def holes(stage: Stage, loops: int, dead: int) -> list[Ran]:
    """The same healthy loops without and with black holes among them, which come first."""
    ran = []
    with depot(stage) as here:
        users = [stage.lab.fresh_user() for _ in range(20)]
        healthy = made(stage, here, users, loops - dead)
        silent = made(stage, here, users, dead, "hole")
        for number, loop in enumerate(silent.values()):
            # A hole takes connections, and never says a word: every other one is a relay, or a mailbox.
            loop["smtp" if number % 2 else "imap"] |= {"port": here.hole.port, "timeout": HOLES_TIMEOUT}
            loop["limits"]["max_wait"] = HOLES_TIMEOUT
        for what, chosen, seconds in (
            ("without black holes", healthy, 0.0),
            (f"with {dead} black holes", silent | healthy, 0.0),
            (f"mail lands after {SOON:g} s", healthy, SOON),
        ):
            here.forget()
            here.pass_on(seconds)
            ran.append(run(stage, here, what, "together", chosen, len(users), wait=False))
    return ran


def waiting(
    stage: Stage, loops: int, mailboxes: int, kind: str, what: str, api: str | None = None, tree: Path = ROOT
) -> Ran:
    """All wait at once, and nothing arrives; then all messages arrive."""
    with depot(stage) as here:
        users = [stage.lab.fresh_user() for _ in range(mailboxes)]
        return run(stage, here, what, kind, made(stage, here, users, loops), mailboxes, wait=True, api=api, tree=tree)


@contextmanager
def depot(stage: Stage) -> Iterator[Depot]:
    async def begin() -> Depot:
        made = Depot(stage.landings.real)
        await made.relay.__aenter__()
        await made.hole.__aenter__()
        return made

    here = stage.wire.do(begin())
    try:
        yield here
    finally:
        stage.wire.do(here.close())


def made(stage: Stage, here: Depot, users: list[User], count: int, name: str = "loop") -> dict[str, dict[str, Any]]:
    """So many loops, spread over the mailboxes of these users."""
    imap = stage.wire.endpoints["imap"]
    loops = {}
    for number in range(count):
        user = users[number % len(users)]
        address = f"{user.username}@inbox.test"
        loops[f"{name}-{number}"] = {
            "smtp": {
                "host": here.relay.host,
                "port": here.relay.port,
                "tls": "none",
                "from_addr": address,
                "to_addr": address,
                "subject_prefix": "[mail-loop]",
            },
            "imap": {
                "host": imap.host,
                "port": imap.port,
                "tls": "none",
                "username": user.username,
                "password": user.password,
            },
            "limits": {"max_wait": MOST_WAIT, "max_per_hour": 3600},
        }
    return loops


def run(
    stage: Stage,
    here: Depot,
    what: str,
    kind: str,
    loops: dict[str, dict[str, Any]],
    mailboxes: int,
    wait: bool,
    api: str | None = None,
    tree: Path = ROOT,
) -> Ran:
    """Run them in a process of their own; with `wait` let their messages land only after a time of stillness."""
    traffic = stage.wire.begin()["imap"]
    file = stage.lab.home / "many.json"
    file.write_text(json.dumps(loops), encoding="utf-8")
    environment = {**os.environ, **stage.environment, **({"PREFECT_API_URL": api} if api else {}), **path_of(tree)}
    argv = python_of("bench.runners.many", kind, str(file))
    begun = time.time()
    process = subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE, text=True)
    used: list[dict[str, Any]] = []
    reading = threading.Thread(target=_read, args=(process, used), daemon=True)
    reading.start()
    since = until = 0.0
    try:
        if wait:
            _until(lambda: len(here.held) >= len(loops) or process.poll() is not None)
            time.sleep(SETTLE)
            since = time.time()
            time.sleep(STILL)
            until = time.time()
            here.release()
        reading.join()
    finally:
        process.kill()
        process.wait()
    if not used or "results" not in used[-1]:
        raise RuntimeError(f"{what}: the process ended without results: see its words above")
    results = used[-1]["results"]
    outcomes: dict[str, int] = {}
    for one in results:
        outcomes[one["outcome"]] = outcomes.get(one["outcome"], 0) + 1
    within = [one for one in used if since <= one["at"] <= until]
    share = (within[-1]["cpu"] - within[0]["cpu"]) / (within[-1]["at"] - within[0]["at"]) if wait else None
    found = [one for one in results if one["found"] is not None and one["id"] in here.landed]
    return Ran(
        what,
        len(loops),
        mailboxes,
        used[-1]["at"] - begun,
        max(one["found"] for one in found) - begun,
        outcomes,
        tuple(one["found"] - here.landed[one["id"]] for one in found),
        max(one["peak"] for one in used),
        share,
        sum(since <= at <= until for at, _ in traffic.commands) if wait else None,
        traffic.connections,
        len(traffic.commands),
    )


def _read(process: subprocess.Popen[str], used: list[dict[str, Any]]) -> None:
    used.extend(map(json.loads, process.stdout or ()))


def _until(holds: Callable[[], bool]) -> None:
    while not holds():
        time.sleep(0.2)
