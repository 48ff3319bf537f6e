"""However costly the mail of strangers is to read, a check ends as it does without it, and so do others beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from flows.direct import check_all
from tasks.mail.config.loop import LoopConfig
from tests.support.mail.bombs import pour
from tests.support.servers.lab import Lab, User
from tests.support.servers.loops import loop

OCTETS = 10 * 2**20
SOON = 90.0  # seconds within which all have ended, on a busy machine
MAX_WAIT = 20.0


def loops(lab: Lab, user: User, other: User) -> Sequence[LoopConfig]:
    """Three in the mailbox that is bombed, one of which bounces into it, and one in another mailbox."""
    return [
        loop(lab, user, max_wait=MAX_WAIT),
        loop(lab, user, user.plus("junk"), name="junk", max_wait=MAX_WAIT),
        loop(lab, user, user.plus("unknown"), name="bounced", max_wait=MAX_WAIT),
        loop(lab, other, name="elsewhere", max_wait=MAX_WAIT),
    ]


async def verdicts(configs: Sequence[LoopConfig]) -> dict[str, tuple[str, int | None]]:
    async with asyncio.timeout(SOON):
        results = await check_all(list(configs), lambda result: None)
    return {result.loop: (result.outcome, result.copies) for result in results}


async def test_10_mb_of_bombs_change_no_verdict(lab: Lab, user: User) -> None:
    """Half of them lie there before, and half come while the checks go on."""
    without = await verdicts(loops(lab, lab.fresh_user(), lab.fresh_user()))
    assert {name: outcome for name, (outcome, _) in without.items()} == {
        "acceptance": "delivered",
        "junk": "junked",
        "bounced": "bounced",
        "elsewhere": "delivered",
    }
    edge = lab.edge.endpoints["edge"]
    first = await asyncio.to_thread(pour, edge, user.address, OCTETS // 2)
    async with asyncio.timeout(SOON):
        while await asyncio.to_thread(_count, lab, user) < first:
            await asyncio.sleep(0.2)
    rest = asyncio.create_task(asyncio.to_thread(pour, edge, user.address, OCTETS // 2))
    assert await verdicts(loops(lab, user, lab.fresh_user())) == without
    await rest


def _count(lab: Lab, user: User) -> int:
    with lab.imap(user) as client:
        client.select(readonly=True)
        return len(client.uid("SEARCH", "ALL")[1][0].split())
