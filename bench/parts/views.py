"""Servers that do not tell what has come: how soon a check sees it there all the same, and what that costs.

They are scripted, for no server of Debian's is like that on purpose; the checks wait beside each other in this process.
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass

from flows.direct import check
from tasks.mail.search.pace import TIGHT_SECONDS
from tests.support.checks.rounds import Relay, Round, letter
from tests.support.raw.profiles import DEAF, Profile, World

SERVERS = {
    "deaf to NOOP: FETCH shows what has come": Profile(silent=True),
    "deaf after EXAMINE: only another one shows it": Profile(shows=DEAF),
}
FIRST, SPREAD = 20.0, 5.0  # seconds until mail lands, spread over what lies between two looks
CALM = TIGHT_SECONDS + 1.0  # seconds after the send, when the tight steps are over
OTHERS = 10  # messages of others


@dataclass(frozen=True)
class Viewed:
    """One check at one of these servers: seconds from the landing to the hit; commands while it waited so long."""

    server: str
    detection: float
    commands: int
    waited: float


def measure(rounds: int) -> list[Viewed]:
    return asyncio.run(_all(rounds))


async def _all(rounds: int) -> list[Viewed]:
    holds = [FIRST + SPREAD * (number + 0.5) / rounds for number in range(rounds)]
    return list(await asyncio.gather(*(_one(server, hold) for server in SERVERS for hold in holds)))


async def _one(server: str, hold: float) -> Viewed:
    async with Relay() as relay, World(SERVERS[server]) as mailbox:
        for number in range(OTHERS):
            mailbox.put(letter(subject=b"%d" % number))
        marks: list[int] = []
        landed: list[float] = []
        loop = asyncio.get_running_loop()

        def land(raw: bytes) -> None:
            marks.append(_commands(mailbox))
            landed.append(mailbox.put(raw).internaldate.timestamp())

        def accepted(raw: bytes) -> None:
            loop.call_later(CALM, lambda: marks.append(_commands(mailbox)))
            loop.call_later(hold, land, raw)

        relay.arrive = accepted
        result = await check(Round(relay, mailbox).loop(60.0))
        if result.detected_at is None or result.outcome != "delivered":
            raise RuntimeError(result.model_dump_json())
        detection = result.detected_at.timestamp() - landed[0]
        print(f"{server}, after {hold:.1f} s: {detection:.2f} s", file=sys.stderr, flush=True)
        return Viewed(server, detection, marks[1] - marks[0], hold - CALM)


def _commands(mailbox: World) -> int:
    """Those so far, but for what a sweep over other folders asks, and for the end of IDLE."""
    return sum(line != "DONE" and not line.startswith("LIST") for line in mailbox.log)
