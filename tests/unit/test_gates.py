"""How many checks run at once."""

from __future__ import annotations

import asyncio
from collections import Counter

from flows.gates import IN_ONE_MAILBOX, Gates
from tasks.mail.config import LoopConfig, loop_config
from tasks.mail.courtesy import Places


def loop(mailbox: str | None) -> LoopConfig:
    smtp = {"host": "a.test", "from_addr": "a@b.test", "to_addr": "c@d.test", "subject_prefix": "x"}
    imap = {"host": "m.test", "username": mailbox, "password_secret": "x"}
    return loop_config({"name": "x", "smtp": smtp} | ({"imap": imap} if mailbox else {}))


async def most_at_once(at_once: int, loops: list[LoopConfig]) -> Counter[str]:
    """The most checks that were running at a time: in all (under ""), and of each mailbox."""
    gates, running, most = Gates(at_once), Counter[str](), Counter[str]()

    async def one(config: LoopConfig) -> None:
        names = ["", config.imap.username] if config.imap else [""]
        async with gates.passed(config):
            for name in names:
                running[name] += 1
                most[name] = max(most[name], running[name])
            await asyncio.sleep(0.01)
            for name in names:
                running[name] -= 1

    await asyncio.gather(*map(one, loops))
    return most


async def test_one_mailbox_gets_few_connections_and_holds_no_other_up() -> None:
    most = await most_at_once(100, [loop("crowded")] * 40 + [loop("quiet")] * 2)
    assert (most["crowded"], most["quiet"]) == (IN_ONE_MAILBOX, 2)
    assert most[""] == IN_ONE_MAILBOX + 2


async def test_all_together_are_bounded_too() -> None:
    most = await most_at_once(3, [loop(None)] * 10 + [loop(f"m{number}") for number in range(10)])
    assert most[""] == 3


async def test_who_takes_long_makes_room_for_others_but_not_beyond_what_there_may_be_in_all() -> None:
    gates, hang, inside = Gates(2, patience=0.01, most=5), asyncio.Event(), 0

    async def slow() -> None:
        nonlocal inside
        async with gates.passed(loop(None)):
            inside += 1
            await hang.wait()

    waiting = [asyncio.create_task(slow()) for _ in range(9)]
    while inside < 5:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)
    assert inside == 5
    hang.set()
    await asyncio.gather(*waiting)
    assert inside == 9


async def test_a_place_is_given_back_once_and_not_twice() -> None:
    """By patience or by leaving: otherwise there would be more and more."""
    places = Places(1, patience=0.5)
    for pause in (0.0, 0.6, 0.0):
        async with places.one():
            await asyncio.sleep(pause)
    most = inside = 0

    async def quick() -> None:
        nonlocal most, inside
        async with places.one():
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    await asyncio.gather(*(quick() for _ in range(5)))
    assert most == 1
