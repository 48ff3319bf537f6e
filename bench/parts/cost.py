"""What our own code costs: CPU of a warm check, Prefect's share of a flow run, and the cold start of the command."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench.contenders import Once, Warm, command, config_of
from bench.figures import median
from bench.ground.stage import Stage


@dataclass(frozen=True)
class Flow:
    """Medians in seconds: a check as a flow run, the same without Prefect, and a flow of as many empty tasks."""

    flow: float
    direct: float
    trivial: float
    flow_cpu: float
    direct_cpu: float
    trivial_cpu: float

    @property
    def own(self) -> float:
        """What is neither the mail's time nor Prefect's."""
        return self.flow - self.direct - self.trivial


def flow(stage: Stage, api: str, rounds: int) -> Flow:
    """Alternating, on mail that lands at once."""
    environment = {**stage.environment, "PREFECT_API_URL": api}
    costs: dict[str, list[tuple[float, float]]] = {}
    with ExitStack() as held:
        workers = {kind: Warm(kind, environment, held) for kind in ("flow", "direct", "trivial")}
        users = {kind: stage.lab.fresh_user() for kind in workers}
        for number in range(rounds + 1):
            for kind, worker in workers.items():
                cost = worker.check(config_of(users[kind], f"cost-{kind}", stage.wire.endpoints))
                if number:
                    costs.setdefault(kind, []).append((cost.ended - cost.begun, cost.cpu))
    times, cpus = ({kind: median(one[at] for one in found) for kind, found in costs.items()} for at in (0, 1))
    return Flow(times["flow"], times["direct"], times["trivial"], cpus["flow"], cpus["direct"], cpus["trivial"])


@dataclass(frozen=True)
class Start:
    """One way to start the command: medians of wall-clock and CPU seconds."""

    name: str
    wall: float
    cpu: float


def starts(stage: Stage, rounds: int) -> list[Start]:
    """The command, alternating, with a bare interpreter beside it."""
    mail_loop = str(Path(sys.executable).with_name("mail-loop"))
    user = stage.lab.fresh_user()
    config = config_of(user, "start", stage.wire.endpoints)
    ways = {
        "python -c pass": Once(lambda _: [sys.executable, "-c", "pass"], stage.environment, lambda said: None),
        "mail-loop --help": Once(lambda _: [mail_loop, "--help"], stage.environment, lambda said: None),
        "mail-loop check --direct, a whole check": command(stage.lab.home, stage.environment),
    }
    found: dict[str, list[tuple[float, float]]] = {}
    for number in range(rounds + 1):
        for name, way in ways.items():
            cost = way.check(config)
            if number:
                found.setdefault(name, []).append((cost.ended - cost.begun, cost.cpu))
    return [Start(name, median(w for w, _ in each), median(c for _, c in each)) for name, each in found.items()]
