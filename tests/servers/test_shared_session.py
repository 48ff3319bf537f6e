"""Many checks of one mailbox at a real server: one session, and each message to whom it concerns."""

from __future__ import annotations

import asyncio
from collections import Counter

from flows.direct import check_all
from tasks.mail.model.outcome import Outcome
from tests.support.servers.lab import Lab, Situation, User
from tests.support.servers.loops import loop

SOON = 60.0  # seconds within which all have ended, on a busy machine
MANY = 12


async def test_they_share_one_session_and_find_what_is_theirs(lab: Lab, user: User) -> None:
    """Among them one whose message comes twice, one that is junk, one that bounces, and one that never comes."""
    ways: dict[str, Situation] = {"gone": "discard", "twice": "twice", "junk": "junk", "bounced": "unknown"}
    to = {name: user.plus(way) for name, way in ways.items()}
    configs = [loop(lab, user, to[name], name=name, max_wait=8.0) for name in ways]
    configs += [loop(lab, user, name=f"many-{number}") for number in range(MANY)]
    async with asyncio.timeout(SOON):
        results = {one.loop: one for one in await check_all(configs, lambda result: None)}
    plain = [results[f"many-{number}"] for number in range(MANY)]
    assert Counter(one.outcome for one in plain) == {Outcome.DELIVERED: MANY}
    assert {one.copies for one in plain} == {1}
    assert len({one.matched_uids for one in plain}) == MANY
    assert {name: results[name].outcome for name in ways} == {
        "twice": Outcome.DUPLICATED,
        "junk": Outcome.JUNKED,
        "bounced": Outcome.BOUNCED,
        "gone": Outcome.LOST,
    }
    assert results["twice"].copies == 2
    assert lab.dovecot.logins(user.username) == 1
    left = [message["X-Mail-Loop-Id"] for message in lab.mailbox(user)]
    assert left == [None]  # the bounce, which is not ours to delete
    assert lab.mailbox(user, "Junk") == []
