"""The contenders one after the other, round by round, on mail that lands after a given time.

Where the mail is long in coming they wait beside each other, each begun a little later than the one before, so that
only one of them is at work at a time.
"""

from __future__ import annotations

import re
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

from bench.contenders import PLUGIN_NEEDS, Contender, Cost, Warm, check_email_delivery, command, config_of, has_plugins
from bench.ground.stage import Stage
from bench.ground.wire import Traffic, Wire
from bench.runners.peers import INTERVAL
from tasks.mail.search.pace import TIGHT_SECONDS
from tests.support.servers.lab import User

LONG = 10.0  # seconds of waiting that are worth being done beside each other
SPREAD = 0.5  # seconds: several looks of the tight phase
STAGGER = 1.5  # seconds: longer than a check is at work
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
    found = []
    with ExitStack() as held:
        lanes = [
            _Lane(stage, who, contender, stage.lab.fresh_user(), held.enter_context(stage.another_wire()), index)
            for index, (who, contender) in enumerate(running.items())
        ]
        beside = held.enter_context(ThreadPoolExecutor(len(lanes)))
        for number in range(0 if warm_up else 1, rounds + 1):
            wait = _hold(hold, number, rounds)
            if wait > LONG:
                begun = [beside.submit(lane.check, hold, wait, lane.index * STAGGER) for lane in lanes]
                one_round = [one.result() for one in begun]
            else:
                one_round = [lane.check(hold, wait) for lane in lanes]
            found += one_round if number else []
            for one in one_round:
                print(
                    f"{hold:g} s, round {number}: {one.who}: {one.detection * 1000:.0f} ms", file=sys.stderr, flush=True
                )
    return found


def _hold(hold: float, number: int, rounds: int) -> float:
    """A wait is spread over what lies between two looks: mail that always lands just before one would flatter it."""
    if number == 0 or not hold:
        return 0.0
    return hold + (INTERVAL if hold > 2 * INTERVAL else SPREAD) * (number - 0.5) / rounds


@dataclass(frozen=True)
class _Lane:
    """A contender with a mailbox and proxies of its own."""

    stage: Stage
    who: str
    contender: Contender
    user: User
    wire: Wire
    index: int

    def check(self, hold: float, wait: float, later: float = 0.0) -> Measured:
        """One check, begun so many seconds later, of mail that lands after `wait`; it counts for `hold`."""
        time.sleep(later)
        self.stage.landings.hold[self.user.username] = wait
        traffic, begun = self.wire.begin(), time.time()
        cost = self.contender.check(config_of(self.user, f"bench-{self.index}", self.wire.endpoints))
        landed = self.stage.landings.since(self.user.username, begun)
        if landed is None:
            raise RuntimeError(f"{self.who}: nothing has landed")
        seen = cost.found if cost.found is not None else traffic["imap"].first_answer(HIT)
        if seen is None:
            raise RuntimeError(f"{self.who}: the message was not found")
        return Measured(self.who, hold, cost, landed, seen, traffic["imap"], traffic["smtp"])
