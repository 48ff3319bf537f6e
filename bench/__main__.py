"""`make bench`: measures, prints tables in Markdown, and writes them into docs/performance.md if asked to."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench import tables
from bench.figures import replaced
from bench.ground.stage import Stage, machine, stage, versions
from bench.parts import against, cost, fleet, growth, refusals, short, sidebyside, sizes, views

DOCUMENT = Path(__file__).parents[1] / "docs" / "performance.md"
PARTS = ("detection", "views", "refusals", "sizes", "cost", "growth", "fleet")


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    top.add_argument("--short", action="store_true", help="directions and counts only, in less than a minute: the gate")
    top.add_argument("--part", action="append", choices=PARTS, help="this part only (may be given more than once)")
    top.add_argument("--rounds", type=int, default=20, help="of each measurement (%(default)s)")
    top.add_argument("--hold", type=float, nargs="*", default=[0.0, 2.0, 20.0], help="seconds until mail lands")
    top.add_argument("--messages", type=int, nargs="*", default=[10, 1000, 100_000], help="sizes of mailboxes")
    top.add_argument("--checks", type=int, default=1000, help="consecutive ones, to see what grows (%(default)s)")
    top.add_argument("--loops", type=int, default=1000, help="that wait at once (%(default)s)")
    top.add_argument("--mailboxes", type=int, default=20, help="that they share (%(default)s)")
    top.add_argument("--against", type=Path, help="another checkout: both in alternating rounds, and nothing else")
    top.add_argument("--write", action="store_true", help=f"put the tables into {DOCUMENT.parent.name}/{DOCUMENT.name}")
    return top


@contextmanager
def prefect() -> Iterator[str]:
    """A Prefect server of its own; yields its API."""
    from flows.server import processes
    from flows.server.login import OF_CLIENT, known_login
    from flows.server.prefect import SERVER, free_port, start_server

    os.environ |= {"DO_NOT_TRACK": "1", "PREFECT_LOGGING_LEVEL": "CRITICAL"}
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        os.environ["PREFECT_HOME"] = folder
        try:
            url = start_server(Path(folder), free_port())
            os.environ[OF_CLIENT] = str(known_login(Path(folder)))
            yield url
        finally:
            processes.stop(Path(folder), SERVER)


def main() -> int:
    arguments = parser().parse_args()
    if arguments.short:
        with stage() as here:
            return short.run(here)
    if arguments.against:
        return compared(arguments)
    parts = arguments.part or PARTS
    sections = {}
    if {*parts} - {"fleet", "views", "refusals"}:  # of other rounds, or without
        sections["machine"] = tables.conditions(machine(), versions(), arguments.rounds)
    with ExitStack() as held:
        here = held.enter_context(stage())
        api = held.enter_context(prefect()) if {"detection", "cost", "fleet"} & {*parts} else None
        for part in parts:
            sections |= measured(part, here, api, arguments)
    for name, content in sections.items():
        print(f"\n## {name}\n\n{content}")
        if arguments.write:
            DOCUMENT.write_text(replaced(DOCUMENT.read_text(encoding="utf-8"), name, content), encoding="utf-8")
    return 0


def compared(arguments: argparse.Namespace) -> int:
    """This checkout and another one. Ends with 1 where a figure of this one is worse."""
    with stage() as here, prefect() as api:
        how_many = (arguments.rounds, arguments.loops, arguments.mailboxes)
        found = against.compare(here, api, arguments.against.resolve(), arguments.hold, *how_many)
    print(f"{tables.conditions(machine(), versions(), arguments.rounds)}\n\n{against.as_table(found)}")
    return int(not all(one.holds for one in found))


def measured(part: str, here: Stage, api: str | None, arguments: argparse.Namespace) -> dict[str, str]:
    """The sections of the document that belong to a part."""
    if part == "detection":
        with ExitStack() as held:
            running = sidebyside.contenders(here, held, api)
            found = [
                one for hold in arguments.hold for one in sidebyside.measure(here, running, hold, arguments.rounds)
            ]
        return {"detection": tables.detection(found), "wire": tables.wire(found), "process": tables.process(found)}
    if part == "views":
        return {"views": tables.views(views.measure(arguments.rounds))}
    if part == "refusals":
        return {"refusals": tables.refusals(refusals.measure(arguments.rounds))}
    if part == "sizes":
        return {"sizes": tables.sizes(sizes.measure(here, arguments.messages, arguments.rounds))}
    if part == "cost":
        prefects = cost.flow(here, api, arguments.rounds) if api else None
        return {"cost": tables.costs(prefects, cost.starts(here, arguments.rounds))}
    if part == "fleet":
        loops, boxes = arguments.loops, arguments.mailboxes
        many = [
            fleet.waiting(here, loops, boxes, "together", "coroutines that share"),
            fleet.waiting(here, loops, boxes, "fleet", "fleet_check in Prefect", api),
            fleet.waiting(here, loops, loops, "alone", "a session each"),
        ]
        return {"holes": tables.holes(fleet.holes(here, loops // 5, loops // 50)), "waiting": tables.waiting(many)}
    return {"growth": tables.growth(growth.measure(here, arguments.checks))}


if __name__ == "__main__":
    sys.exit(main())
