"""CPU and memory of processes with all that they start, read from /proc."""

from __future__ import annotations

import os
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
EVERY = 1.0  # seconds between two looks


@dataclass
class Usage:
    """Of one group: CPU seconds so far, the most memory at a time and the most processes."""

    cpu: float = 0.0
    memory: int = 0
    processes: int = 0

    def look(self, found: Mapping[int, tuple[float, int]]) -> None:
        """CPU of ended processes is in that of who has waited for them; of killed ones it is what was last seen."""
        self.cpu = sum(cpu for cpu, _ in found.values())
        self.memory = max(self.memory, sum(memory for _, memory in found.values()))
        self.processes = max(self.processes, len(found))


class Watch(threading.Thread):
    """Looks at groups of processes, each under the ids of its first ones, until it is told to end."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.usage: defaultdict[str, Usage] = defaultdict(Usage)
        self._groups: dict[str, list[int]] = {}
        self._over = threading.Event()

    def add(self, name: str, *pids: int) -> None:
        self._groups[name] = list(pids)

    def cpu(self) -> dict[str, float]:
        """CPU seconds of each group so far."""
        self._look()
        return {name: usage.cpu for name, usage in self.usage.items()}

    def end(self) -> None:
        self._over.set()
        self.join()

    def run(self) -> None:
        while not self._over.wait(EVERY):
            self._look()

    def _look(self) -> None:
        table = dict(_table())
        children: defaultdict[int, list[int]] = defaultdict(list)
        for pid, (parent, _, _) in table.items():
            children[parent].append(pid)
        for name, roots in self._groups.items():
            found = {pid: table[pid][1:] for pid in _below(roots, children) if pid in table}
            if found or name not in self.usage:
                self.usage[name].look(found)


def _below(roots: list[int], children: Mapping[int, list[int]]) -> Iterator[int]:
    waiting = [*roots]
    while waiting:
        pid = waiting.pop()
        yield pid
        waiting += children.get(pid, [])


def _table() -> Iterator[tuple[int, tuple[int, float, int]]]:
    """All processes: the parent, CPU seconds with those of children that it has waited for, and resident memory."""
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            try:
                fields = (path / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            yield int(path.name), (int(fields[1]), sum(map(int, fields[11:15])) / TICK, int(fields[21]) * PAGE)


def tree(pid: int) -> list[int]:
    """The process and all below it."""
    children: defaultdict[int, list[int]] = defaultdict(list)
    for child, (parent, _, _) in _table():
        children[parent].append(child)
    return [*_below([pid], children)]
