"""The fleet under measurement, deployed by `mail-loop deploy`, with its server and its workers."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.scale.postgres import Database
from bench.scale.usage import tree
from flows.cli.serve import WORKER_SETTINGS
from flows.equip import ROOT, equip
from flows.server.prefect import answers, server_settings
from tests.support.servers import PROGRAM_PATH
from tests.support.servers.lab import Lab, User
from tests.support.servers.processes import HOST, Child, Ports, until

FLEET = "bench"
PASSWORD = "worth-nothing"
SCALE = ROOT / "deploy" / "scale" / "server.env"
REDIS = SCALE.with_name("redis.env")
# One in so many loops has a fault of its own, which the run has to tell.
FAULTS = {50: "discard", 60: "refused", 70: "junk"}


@dataclass(frozen=True)
class Shape:
    """What is to be carried: so many loops, each so often (seconds), in so many shards (none: a run for each)."""

    loops: int
    every: int
    shards: int | None
    workers: int
    max_wait: int
    brief: bool = False
    api: int = 1


def env_file(path: Path) -> dict[str, str]:
    """The variables of a file as systemd reads it."""
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


class Site:
    """A Prefect server on PostgreSQL, and workers with folders of their own, as machines have."""

    def __init__(self, folder: Path, ports: Ports, database: Database, api: int = 1) -> None:
        self.folder = folder
        self.port = ports.take()
        self._env = os.environ | server_settings(folder / "server", self.port) | env_file(SCALE)
        self._env |= {"PREFECT_API_DATABASE_CONNECTION_URL": database.url, "MAIL_LOOP_HOME": str(ROOT)}
        self._env |= {"BENCH_PASSWORD": PASSWORD, "PREFECT_LOGGING_SERVER_LEVEL": "INFO"}  # which logs each request
        (allowed := folder / "secrets.allow").write_text(f"bench-password@{HOST}\n", encoding="utf-8")
        self._env |= WORKER_SETTINGS | {"MAIL_LOOP_SECRETS_ALLOW": str(allowed)}
        self.url = self._env["PREFECT_API_URL"]
        self.others = self._redis(ports.take()) if api > 1 else []
        many = ["--no-services", "--workers", str(api)] if api > 1 else []
        self.server = self._start("server", ["server", "start", "--host", HOST, "--port", str(self.port), *many])
        until(lambda: answers(self.url) or None, lambda: f"the server: see {self.server.output}", 120)
        equip(self.url, self._env)
        self.workers: list[Child] = []

    def _redis(self, port: int) -> list[Child]:
        """Redis, and Prefect's services apart from its API: each in a process of its own."""
        if not (program := shutil.which("redis-server", path=PROGRAM_PATH)):
            raise SystemExit("Redis is needed for several processes of the API: apt-get install redis-server")
        first = self._start("server", ["server", "start", "--host", HOST, "--port", str(self.port)])
        until(lambda: answers(self.url) or None, lambda: f"the server: see {first.output}", 120)
        first.stop()
        here = f"redis://{HOST}:{port}/0"
        self._env |= {name: here if name.endswith("_URL") else value for name, value in env_file(REDIS).items()}
        (home := self.folder / "redis").mkdir()
        redis = Child([program, "--bind", HOST, "--port", str(port), "--dir", home, "--save", ""], home / "output", {})
        (home / "pid").write_text(str(redis.pid))
        return [redis, self._start("services", ["server", "services", "start"])]

    def _start(self, name: str, arguments: Sequence[str], **more: str) -> Child:
        home = self.folder / name
        home.mkdir(exist_ok=True)
        env = self._env | {"PREFECT_HOME": str(home), "XDG_STATE_HOME": str(home)} | more
        child = Child([sys.executable, "-m", "prefect", *arguments], home / "output", env)
        (home / "pid").write_text(str(child.pid))
        return child

    def add_worker(self) -> Child:
        name = f"worker-{len(self.workers) + 1}"
        pool = ["worker", "start", "--pool", "mail-loop", "--type", "process", "--name", name]
        self.workers.append(self._start(name, [*pool, "--work-queue", "default"], PREFECT_WORKER_QUERY_SECONDS="5"))
        return self.workers[-1]

    def deploy(self, shape: Shape, file: Path, *more: str) -> str:
        """What `mail-loop deploy` says in the end."""
        argv = [sys.executable, "-W", "ignore", "-m", "flows.cli.main", "deploy", "--fleet", FLEET, str(file), *more]
        if shape.shards:
            argv += ["--shards", str(shape.shards), *(["--brief"] if shape.brief else [])]
        done = subprocess.run(argv, env=self._env, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{shlex.join(argv)}: {done.stdout}{done.stderr}")
        return done.stdout.splitlines()[-1]

    def close(self) -> None:
        for worker in self.workers:
            end_tree(worker)
        self.server.stop()
        for other in reversed(self.others):
            other.stop()


@contextmanager
def site(folder: Path, ports: Ports, database: Database, api: int = 1) -> Iterator[Site]:
    made = Site(folder, ports, database, api)
    try:
        yield made
    finally:
        made.close()


def end_tree(child: Child) -> int:
    """Kill a process and all that it has started, as a machine that loses its power; returns how many there were."""
    pids = tree(child.pid) if child.running else []
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    child.stop()
    return len(pids)


def runs_of(worker: Child) -> list[str]:
    """The flow runs whose processes a worker has at the moment."""
    found = []
    for pid in tree(worker.pid):
        try:
            variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except OSError:
            continue
        found += [one.partition(b"=")[2].decode() for one in variables if one.startswith(b"PREFECT__FLOW_RUN_ID=")]
    return [*dict.fromkeys(found)]


def written(lab: Lab, shape: Shape, folder: Path) -> tuple[Path, dict[str, str]]:
    """The fleet's files, each loop with a mailbox of its own; and which loops have a fault, by name."""
    ca = str(lab.ca_file)
    smtp, imap = lab.relay.submission, lab.dovecot.imap
    loops: dict[str, object] = {}
    faults: dict[str, str] = {}
    for number in range(shape.loops):
        user, name = lab.fresh_user(password=PASSWORD), f"loop-{number:05d}"
        fault = next((fault for every, fault in FAULTS.items() if number % every == every - 1), None)
        if fault:
            faults[name] = fault
        loops[name] = _loop(
            user, f"{user.username}+{fault}@{user.address.partition('@')[2]}" if fault else user.address
        )
    every = f"{shape.every // 60}m"
    common = {"password_secret": "bench-password", "tls": "starttls", "ca_file": ca}
    defaults = {
        "every": every,
        "smtp": {**common, "host": smtp.host, "port": smtp.port, "subject_prefix": "[bench]"},
        "imap": {**common, "host": imap.host, "port": imap.port, "delete_after_check": True},
        "limits": {"max_wait": shape.max_wait, "max_per_hour": 3600},
    }
    folder.mkdir()
    names = [*loops]
    for start in range(0, len(names), 200):  # a file has at most 64 KiB
        part = {name: loops[name] for name in names[start : start + 200]}
        (folder / f"{start:05d}.json").write_text(json.dumps({"defaults": defaults, "loops": part}))
    return folder, faults


def _loop(user: User, to: str) -> Mapping[str, object]:
    return {
        "smtp": {"username": user.username, "from_addr": user.address, "to_addr": to},
        "imap": {"username": user.username},
    }


def wait_for_victim(site: Site, running: set[str], seconds: float) -> Child | None:
    """The worker that has one of these runs, which are under way."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for worker in site.workers:
            if worker.running and running & {*runs_of(worker)}:
                return worker
        time.sleep(0.05)
    return None
