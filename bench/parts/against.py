"""This checkout against another one, in alternating rounds on the same servers: what got better, and what worse."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench.contenders import ROOT, Contender, Warm, command
from bench.figures import seconds, table
from bench.ground.stage import Stage
from bench.parts import fleet, sidebyside
from bench.parts.fleet import Ran
from bench.parts.sidebyside import Measured

WITHIN = 0.1  # by how much a median may be worse
MIB = 2**20
KINDS = ("flow, warm", "coroutine, warm", "command, a process each")

Show = Callable[[float], str]


@dataclass(frozen=True)
class Compared:
    """One figure of both checkouts, round by round; less is better."""

    what: str
    here: tuple[float, ...]
    there: tuple[float, ...]
    show: Show

    @property
    def ratio(self) -> float:
        return statistics.median(self.here) / (statistics.median(self.there) or 1e-9)

    @property
    def holds(self) -> bool:
        """Whether it is no worse: by the medians, or because the quartiles overlap."""
        return self.ratio <= 1 + WITHIN or _quartiles(self.here)[0] <= _quartiles(self.there)[1]


def compare(
    stage: Stage, api: str, other: Path, holds: Iterable[float], rounds: int, loops: int, mailboxes: int
) -> list[Compared]:
    """Single checks in three forms, then many loops that wait at once: a quarter as many rounds, at least three."""
    trees = {"here": ROOT, "there": other}
    found: list[Compared] = []
    with ExitStack() as held:
        running: dict[str, Contender] = {}
        for kind in KINDS:
            for name, tree in trees.items():
                running[f"{kind}, {name}"] = _contender(kind, stage, api, tree, held)
        for hold in holds:
            found += _checks(hold, sidebyside.measure(stage, running, hold, rounds))
    ran: dict[str, list[Ran]] = {name: [] for name in trees}
    for number in range(max(3, rounds // 4)):
        for name in sorted(trees, reverse=bool(number % 2)):
            print(f"{loops} loops, round {number + 1}, {name}", file=sys.stderr, flush=True)
            ran[name].append(fleet.waiting(stage, loops, mailboxes, "together", name, tree=trees[name]))
    return found + _many(f"{loops} that wait at once", ran["here"], ran["there"])


def _contender(kind: str, stage: Stage, api: str, tree: Path, held: ExitStack) -> Contender:
    if kind == KINDS[0]:
        return Warm("flow", {**stage.environment, "PREFECT_API_URL": api}, held, tree)
    if kind == KINDS[1]:
        return Warm("direct", stage.environment, held, tree)
    return command(stage.lab.home, stage.environment, tree)


def _checks(hold: float, measured: list[Measured]) -> list[Compared]:
    found = []
    for kind in KINDS:
        here, there = ([one for one in measured if one.who == f"{kind}, {name}"] for name in ("here", "there"))
        figures: list[tuple[str, Callable[[Measured], float], Show]] = [
            ("detection", lambda one: one.detection, seconds),
            ("CPU", lambda one: one.cost.cpu, seconds),
            ("IMAP commands", lambda one: len(one.imap.commands), _count),
            ("SMTP commands", lambda one: len(one.smtp.commands), _count),
        ]
        for what, of, show in figures:
            title = f"{kind}, mail lands after {hold:g} s: {what}"
            found.append(Compared(title, tuple(map(of, here)), tuple(map(of, there)), show))
    return found


def _many(title: str, here: list[Ran], there: list[Ran]) -> list[Compared]:
    figures: list[tuple[str, Callable[[Ran], float], Show]] = [
        ("detection", lambda one: statistics.median(one.detections), seconds),
        ("CPU of a core while nothing arrives", lambda one: one.cpu or 0.0, "{:.1%}".format),
        ("IMAP commands while nothing arrives", lambda one: one.waiting or 0, _count),
        ("peak memory, MiB", lambda one: one.memory / MIB, _count),
    ]
    return [
        Compared(f"{title}: {what}", tuple(map(of, here)), tuple(map(of, there)), show) for what, of, show in figures
    ]


def as_table(found: Iterable[Compared]) -> str:
    """Medians with their quartiles."""
    head = ["figure", "here", "there", "here to there", "no worse"]
    rows = [
        [
            one.what,
            _shown(one.here, one.show),
            _shown(one.there, one.show),
            f"{one.ratio:.2f}",
            "yes" if one.holds else "NO",
        ]
        for one in found
    ]
    return table(head, rows)


def _shown(values: tuple[float, ...], show: Show) -> str:
    low, high = _quartiles(values)
    return f"{show(statistics.median(values))} ({show(low)} to {show(high)})"


def _quartiles(values: tuple[float, ...]) -> tuple[float, float]:
    low, _, high = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else values * 3
    return low, high


def _count(value: float) -> str:
    return f"{value:.0f}"
