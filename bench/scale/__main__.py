"""`make bench-scale`: a fleet on Prefect's own engine, for as long as it takes; prints tables, or writes them."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench.figures import replaced
from bench.ground.stage import machine, versions
from bench.scale import DOCUMENT, tables
from bench.scale.fleet import Shape, Site, end_tree, runs_of, site, wait_for_victim, written
from bench.scale.postgres import Database, postgres
from bench.scale.record import QUEUED, Record, read
from bench.scale.usage import Watch
from flows.equip import HEARTBEAT_SILENCE
from tests.support.servers.lab import Lab
from tests.support.servers.processes import Guard, Ports

LONG = 15.0  # minutes, after which it is waited for what becomes of the killed runs
MARGIN = timedelta(minutes=2)
ENOUGH = 5  # messages that a run has sent when it is killed
SETTLE = 20  # seconds from the deployment to the beginning of the window: the scheduler makes runs every 5 s
BEGUN = "SELECT id FROM flow_run WHERE state_type = 'RUNNING' AND start_time > now() - interval '1 second'"
PAUSE = "UPDATE work_pool SET is_paused = true WHERE name = 'mail-loop' RETURNING name"
UNFINISHED = "SELECT id FROM flow_run WHERE state_type IN ('RUNNING', 'PENDING') AND expected_start_time < now()"


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__)
    top.add_argument("--loops", type=int, default=600, help="in all (%(default)s)")
    top.add_argument("--minutes", type=float, default=21, help="of measurement (%(default)s)")
    top.add_argument("--every", type=int, default=5, help="minutes between two checks of a loop (%(default)s)")
    top.add_argument("--shards", type=int, default=12, help="0: a run for each loop (%(default)s)")
    top.add_argument("--brief", action="store_true", help="with records of what is not ok alone")
    top.add_argument("--api", type=int, default=1, help="processes of the API; several need Redis (%(default)s)")
    top.add_argument("--workers", type=int, default=2, help="(%(default)s)")
    top.add_argument("--max-wait", type=int, default=60, help="seconds a check waits (%(default)s)")
    top.add_argument("--no-kill", action="store_true", help="let all workers live")
    top.add_argument("--write", action="store_true", help=f"put the tables into {DOCUMENT.parent.name}/{DOCUMENT.name}")
    return top


def main() -> int:
    given = parser().parse_args()
    shape = Shape(
        given.loops, given.every * 60, given.shards or None, given.workers, given.max_wait, given.brief, given.api
    )
    with tempfile.TemporaryDirectory(prefix="scale-", dir="/tmp") as home:
        folder = Path(home)
        folder.chmod(0o755)
        guard, ports = Guard(folder), Ports()
        try:
            with (
                Lab() as lab,
                postgres(folder / "database", ports) as database,
                site(folder, ports, database, shape.api) as here,
            ):
                sections = measured(lab, database, here, shape, given.minutes, kill=not given.no_kill)
        finally:
            guard.dismiss()
            ports.release()
    sections["scale-machine"] = tables.conditions(shape, given.minutes, machine(), versions())
    for name, content in sections.items():
        print(f"\n## {name}\n\n{content}")
        if given.write:
            DOCUMENT.write_text(replaced(DOCUMENT.read_text(encoding="utf-8"), name, content), encoding="utf-8")
    return 0


def measured(lab: Lab, database: Database, here: Site, shape: Shape, minutes: float, *, kill: bool) -> dict[str, str]:
    """Run it; the sections of the document."""
    files, faults = written(lab, shape, here.folder / "loops")
    watch = Watch()
    watch.add("Prefect server", here.server.pid)
    watch.add("PostgreSQL", database.pid)
    for name, other in zip(("Redis", "Prefect services"), here.others, strict=False):
        watch.add(name, other.pid)
    watch.add("mail servers", *(int(path.read_text()) for path in sorted(lab.home.glob("*/pid"))))
    for number in range(shape.workers):
        watch.add(f"worker {number + 1} and its runs", here.add_worker().pid)
    watch.start()
    say(here.deploy(shape, files))
    time.sleep(SETTLE)
    begin, before, size = datetime.now(UTC), watch.cpu(), bytes_of(database)
    calls = len(log_of(here).splitlines())
    end = begin + timedelta(minutes=minutes)
    say(f"measuring until {end:%H:%M:%S} UTC")
    dead: list[str] = []
    killed_at = None
    if kill:
        rest(begin + (end - begin) / 2)
        dead, killed_at = strike(here, database, lab, ENOUGH if shape.shards else 0)
    rest(end)
    after, grown = watch.cpu(), bytes_of(database) - size
    say("waiting for what is under way")
    database.ask(PAUSE)
    wait_for_the_last(database, dead, shape.max_wait + 60)
    if killed_at and minutes >= LONG:
        wait_for_the_last(database, [], (killed_at + HEARTBEAT_SILENCE + MARGIN - datetime.now(UTC)).total_seconds())
    time.sleep(10)  # Prefect's server writes down events some time later
    log = "\n".join(log_of(here).splitlines()[calls:])
    found = read(database, lab, log, begin, end)
    watch.end()
    used = {name: after[name] - before[name] for name in after}
    return {
        "scale-result": tables.outcome(found, dead, faults, killed_at),
        "scale-cpu": tables.cpu(used, watch.usage, (end - begin).total_seconds(), done(found)),
        "scale-database": tables.database(found, grown, done(found)),
        "scale-requests": tables.requests(found, done(found)),
    }


def strike(here: Site, database: Database, lab: Lab, enough: int) -> tuple[list[str], datetime]:
    """Kill a worker with all that it runs, in the middle of what a run sends; the ids of its runs."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        running = {row["id"] for row in database.ask(BEGUN)}
        if victim := wait_for_victim(here, running, 0.2):
            before, patience = sent(lab), time.monotonic() + 5
            while sent(lab) < before + enough and time.monotonic() < patience:
                time.sleep(0.02)
            if not (dead := runs_of(victim)):
                continue  # it was done sooner
            count = end_tree(victim)
            at = datetime.now(UTC)
            say(f"killed a worker and its processes ({count} in all) with {len(dead)} run(s) under way")
            return dead, at
    raise RuntimeError("no run could be killed in its middle for 2 minutes")


def wait_for_the_last(database: Database, dead: Sequence[str], seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if not {row["id"] for row in database.ask(UNFINISHED)} - {*dead}:
            return
        time.sleep(1)


def sent(lab: Lab) -> int:
    """Messages that the relay has taken."""
    return len(QUEUED.findall(lab.relay.log()))


def bytes_of(database: Database) -> int:
    return int(database.ask("SELECT pg_database_size('prefect') AS bytes")[0]["bytes"])


def log_of(here: Site) -> str:
    return here.server.output.read_text(encoding="utf-8", errors="replace")


def done(found: Record) -> int:
    """Checks with a result in the window."""
    due = {run.id for run in found.runs}
    return sum(result["flow_run_id"] in due for result in found.results)


def rest(until: datetime) -> None:
    time.sleep(max(0.0, (until - datetime.now(UTC)).total_seconds()))


def say(text: str) -> None:
    print(f"{datetime.now(UTC):%H:%M:%S} {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
