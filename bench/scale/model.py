"""What so many loops take, reckoned from what was measured: `python -m bench.scale.model`, which prints the tables.

The constants are from runs of `make bench-scale` of three minutes each: 16 loops in a run each, 60 and 300 loops in
shards, 300 in brief shards. Load grows with the number of runs and with that of checks, so each has its constants.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from bench.figures import replaced, table
from bench.scale import DOCUMENT

KIB, GIB = 2**10, 2**30
DAY = 86400
ROOM = 0.6  # of a core may be busy: beyond that, lateness grows with every burst
IN_A_SHARD = 100
RUN_MEMORY = 110 * 2**20  # a process with a run
LOOP_MEMORY = 200 * KIB  # a loop that waits in it
POOL = 10  # connections that a busy process of the server holds
POOL_MOST = 30
EVENTS_KEPT = 2.0  # days, but what Prefect tells of task runs and reports 2 hours: deploy/scale/server.env
RUNS_KEPT = 30.0


@dataclass(frozen=True)
class Cost:
    """Of one run, or of one check in it: CPU seconds by program, requests, events, and bytes in the database.

    `passing` are the bytes that go within hours, `lasting` those that stay as long as events do, `kept` as runs do.
    """

    worker: float
    server: float
    database: float
    requests: float
    events: float
    passing: float
    lasting: float
    kept: float

    @property
    def bytes(self) -> float:
        return self.passing + self.lasting + self.kept


RUN = Cost(2.2, 0.31, 0.04, 38, 13, 0, 55 * KIB, 60 * KIB)
CHECK = Cost(0.022, 0.024, 0.005, 2.6, 5.85, 42 * KIB, 8 * KIB, 17 * KIB)
BRIEF = Cost(0.011, 0.005, 0.0015, 0.4, 1.05, 0, 8 * KIB, 2 * KIB)
IDLE_SERVER = 0.01  # of a core, with two workers that ask every 5 s


@dataclass(frozen=True)
class Shape:
    """How a fleet is deployed. `alone`: a run for each loop."""

    name: str
    check: Cost
    alone: bool = False

    def runs(self, loops: int) -> int:
        """In each interval."""
        return loops if self.alone else math.ceil(loops / IN_A_SHARD)


SHAPES = (Shape("a run for each loop", CHECK, True), Shape("shards", CHECK), Shape("brief shards", BRIEF))


@dataclass(frozen=True)
class Load:
    """Of a fleet: rates a second, cores, bytes."""

    loops: int
    every: float
    shape: Shape
    wait: float

    @property
    def checks(self) -> float:
        return self.loops / self.every

    @property
    def runs(self) -> float:
        return self.shape.runs(self.loops) / self.every

    def rate(self, name: str) -> float:
        """Of a constant, a second: so much for each run and so much for each check."""
        return float(self.runs * getattr(RUN, name) + self.checks * getattr(self.shape.check, name))

    @property
    def server(self) -> float:
        return self.rate("server") + IDLE_SERVER

    @property
    def servers(self) -> int:
        """Processes of the API, each of which has one core."""
        return max(1, math.ceil(self.server / ROOM))

    @property
    def worker_cores(self) -> int:
        return max(1, math.ceil(self.rate("worker") / ROOM))

    @property
    def memory(self) -> float:
        """Of the workers' runs, where one loop of each waits as long as it may."""
        at_once = min(self.shape.runs(self.loops) * 2, math.ceil(self.runs * (self.wait + 5)))
        return at_once * (RUN_MEMORY + (1 if self.shape.alone else IN_A_SHARD) * LOOP_MEMORY)

    @property
    def connections(self) -> tuple[int, int]:
        """Of the database: busy, and at the most; the services are one more process where there are several."""
        processes = self.servers + (self.servers > 1)
        return processes * POOL, processes * POOL_MOST

    @property
    def a_day(self) -> float:
        return DAY * self.rate("bytes")

    @property
    def in_all(self) -> float:
        """Bytes of the database when as much goes as comes."""
        return DAY * (self.rate("passing") / 12 + self.rate("lasting") * EVENTS_KEPT + self.rate("kept") * RUNS_KEPT)


def loads(sizes: list[int], every: float, wait: float) -> Iterator[Load]:
    for loops in sizes:
        for shape in SHAPES:
            yield Load(loops, every, shape, wait)


def shown(found: Iterator[Load]) -> str:
    """The table of the document."""
    cpu = ("cores busy: workers / server / database", "API processes", "cores for workers")
    room = ("connections (at the most)", "memory of runs, at the worst", "database a day / in all")
    head = ("loops", "shape", "checks / runs a second", "requests", "events", *cpu, *room)
    rows = [
        (
            f"{one.loops:,}",
            one.shape.name,
            f"{one.checks:.2f} / {one.runs:.2f}",
            f"{one.rate('requests'):.1f}",
            f"{one.rate('events'):.1f}",
            f"{one.rate('worker'):.2f} / {one.server:.2f} / {one.rate('database'):.2f}",
            one.servers,
            one.worker_cores,
            f"{one.connections[0]} ({one.connections[1]})",
            f"{one.memory / GIB:.1f} GiB",
            f"{one.a_day / GIB:.1f} / {one.in_all / GIB:.0f} GiB",
        )
        for one in found
    ]
    return table(head, rows)


def constants() -> str:
    """What it goes by."""
    rows = [
        (
            name,
            f"{cost.worker * 1000:.0f} ms",
            f"{cost.server * 1000:.0f} ms",
            f"{cost.database * 1000:.1f} ms",
            f"{cost.requests:g}",
            f"{cost.events:g}",
            f"{cost.bytes / KIB:.0f} KiB",
        )
        for name, cost in (("a run", RUN), ("a check in it", CHECK), ("a check in it, brief", BRIEF))
    ]
    return table(("each", "CPU worker", "CPU server", "CPU database", "requests", "events", "database"), rows)


def main() -> int:
    top = argparse.ArgumentParser(prog="python -m bench.scale.model", description="What so many loops take.")
    top.add_argument("--loops", type=int, nargs="*", default=[100, 300, 1000, 3000, 10_000])
    top.add_argument("--every", type=float, default=300, help="seconds between two checks of a loop (%(default)s)")
    top.add_argument("--wait", type=float, default=300, help="seconds that a check may wait (%(default)s)")
    top.add_argument("--write", action="store_true", help=f"put the tables into docs/{DOCUMENT.name}")
    given = top.parse_args()
    sections = {
        "scale-constants": constants(),
        "scale-model": shown(loads(given.loops, given.every, given.wait)),
    }
    for name, content in sections.items():
        print(f"\n{content}")
        if given.write:
            DOCUMENT.write_text(replaced(DOCUMENT.read_text(encoding="utf-8"), name, content), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
