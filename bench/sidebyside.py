"""The contenders one after the other, round by round, on mail that lands after a given time."""

from __future__ import annotations

import re
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from bench.contenders import PLUGIN_NEEDS, Contender, Cost, Warm, check_email_delivery, command, config_of, has_plugins
from bench.peers import INTERVAL
from bench.stage import Stage
from bench.wire import Traffic
from tasks.mail.pace import TIGHT_SECONDS

HIT = re.compile(rb"^\* SEARCH \d", re.MULTILINE)  # what a search that found something is answered with
OURS = ("ours: flow, warm", "ours: coroutine, warm", "ours: command, a process each")
PEERS = ("check_email_delivery", "poller, 5 s", "IDLE alone")


@dataclass(frozen=True)
class Measured:
    """One check of one contender."""

    who: str
    hold: float
    cost: Cost
    landed: float
    found: float
    imap: Traffic
    smtp: Traffic

    @property
    def detection(self) -> float:
        """Seconds from the landing to the hit."""
        return self.found - self.landed

    @property
    def waited(self) -> tuple[int, float]:
        """IMAP commands between the tight phase and the landing, and how many seconds that is."""
        begun = self.imap.commands[0][0] + TIGHT_SECONDS + 0.2
        return sum(begun < at <= self.landed for at, _ in self.imap.commands), self.landed - begun


def contenders(stage: Stage, held: ExitStack, api: str | None) -> dict[str, Contender]:
    """Those that can run here; says which cannot, and why."""
    found: dict[str, Contender] = {}
    if api is not None:
        found[OURS[0]] = Warm("flow", {**stage.environment, "PREFECT_API_URL": api}, held)
    found[OURS[1]] = Warm("direct", stage.environment, held)
    found[OURS[2]] = command(stage.lab.home, stage.environment)
    if has_plugins():
        found[PEERS[0]] = check_email_delivery(stage.environment)
    else:
        print(f"check_email_delivery is missing, and left out: apt-get install {PLUGIN_NEEDS}", file=sys.stderr)
    found[PEERS[1]] = Warm("polling", stage.environment, held)
    found[PEERS[2]] = Warm("idling", stage.environment, held)
    return found


def measure(
    stage: Stage, running: dict[str, Contender], hold: float, rounds: int, warm_up: bool = True
) -> list[Measured]:
    """Each contender once a round; a first round, in which each makes its acquaintance, does not count."""
    users = {who: stage.lab.fresh_user() for who in running}
    found = []
    for number in range(0 if warm_up else 1, rounds + 1):
        for index, (who, contender) in enumerate(running.items()):
            user = users[who]
            stage.landings.hold[user.username] = _hold(hold, number, rounds)
            one = _once(stage, who, contender, config_of(stage, user, f"bench-{index}"), user.username, hold)
            if number:
                found.append(one)
            print(f"{hold:g} s, round {number}: {who}: {one.detection * 1000:.0f} ms", file=sys.stderr, flush=True)
    return found


def _hold(hold: float, number: int, rounds: int) -> float:
    """A long wait is spread over the poller's interval: mail that lands just before a look would flatter it."""
    if number == 0:
        return 0.0
    return hold + INTERVAL * (number - 0.5) / rounds if hold > 2 * INTERVAL else hold


def _once(stage: Stage, who: str, contender: Contender, config: dict[str, Any], user: str, hold: float) -> Measured:
    traffic, begun = stage.wire.begin(), time.time()
    cost = contender.check(config)
    landed = stage.landings.since(user, begun)
    if landed is None:
        raise RuntimeError(f"{who}: nothing has landed")
    seen = cost.found if cost.found is not None else traffic["imap"].first_answer(HIT)
    if seen is None:
        raise RuntimeError(f"{who}: the message was not found")
    return Measured(who, hold, cost, landed, seen, traffic["imap"], traffic["smtp"])
