"""So many checks run at once as mailboxes, relays and this process bear, and none that is slow holds up others."""

from __future__ import annotations

import asyncio
import resource
import time
from collections import Counter
from collections.abc import Iterator, Sequence

import pytest

from flows.concurrency import FILES, IN_ONE_MAILBOX, MOST, OTHERS, Gates, room_for
from tasks.mail.config.loop import CheckConfig, InboundConfig, LoopConfig, inbound_config, loop_config
from tasks.mail.net.limits import MAX_CONNECTIONS_A_RELAY, SPREAD, Limiter, Relays, provider


def loop(mailbox: str | None) -> LoopConfig:
    smtp = {"host": "a.test", "from_addr": "a@b.test", "to_addr": "c@d.test", "subject_prefix": "x"}
    imap = {"host": "m.test", "username": mailbox, "password_secret": "x"}
    return loop_config({"name": "x", "smtp": smtp} | ({"imap": imap} if mailbox else {}))


def inbound(mailbox: str) -> InboundConfig:
    imap = {"host": "m.test", "username": mailbox, "password_secret": "x", "search_subject": "x"}
    return inbound_config({"name": "x", "imap": imap})


async def most_at_once(at_once: int, loops: Sequence[CheckConfig]) -> Counter[str]:
    """The most checks that were running at a time: in all (under ""), and of each mailbox."""
    gates, running, most = Gates(at_once), Counter[str](), Counter[str]()

    async def one(config: CheckConfig) -> None:
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


async def test_one_mailbox_gets_few_inbound_checks_and_holds_no_other_up() -> None:
    most = await most_at_once(100, [inbound("crowded")] * 40 + [inbound("quiet")] * 2)
    assert (most["crowded"], most["quiet"]) == (IN_ONE_MAILBOX, 2)
    assert most[""] == IN_ONE_MAILBOX + 2


async def test_the_loops_of_one_mailbox_wait_together_for_they_share_a_session() -> None:
    assert (await most_at_once(100, [loop("crowded")] * 40))["crowded"] == 40


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
    places = Limiter(1, patience=0.5)
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


@pytest.fixture
def few_files() -> Iterator[int]:
    """A process that may have few files open, but may raise that; yields what it may have at the most."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
    yield before[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_as_many_wait_at_once_as_the_process_may_have_files_for(few_files: int) -> None:
    assert room_for(10) == 10
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 256  # that was enough
    wanted = MOST * FILES + OTHERS
    there_may_be = MOST if few_files == resource.RLIM_INFINITY else min(MOST, (few_files - OTHERS) // FILES)
    assert room_for(MOST + 1) == there_may_be
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    assert soft == (wanted if few_files == resource.RLIM_INFINITY else min(wanted, few_files))


async def test_a_relay_gets_so_many_connections_at_once_each_begun_a_little_after_the_one_before() -> None:
    relays, running, most, begun, start = Relays(), 0, 0, list[float](), time.monotonic()

    async def one(host: str, username: str | None) -> None:
        nonlocal running, most
        async with relays.connection(host, 587, username):
            begun.append(time.monotonic())
            running += 1
            most = max(most, running)
            await asyncio.sleep(0.3)
            running -= 1

    await asyncio.gather(*(one("relay.test", None) for _ in range(2 * MAX_CONNECTIONS_A_RELAY)))
    assert most == MAX_CONNECTIONS_A_RELAY
    assert all(at >= start + number * SPREAD - 0.002 for number, at in enumerate(begun))
    most = 0
    await asyncio.gather(*(one("smtp.office365.com", "a@b.test") for _ in range(5)))
    assert most == 3
    most = 0
    await asyncio.gather(*(one("SMTP.office365.com.", f"{number}@b.test") for number in range(5)))
    assert most == 5


def test_the_hosts_of_a_provider_count_together_and_others_alone() -> None:
    assert provider("imap.gmail.com") == provider("IMAP.googlemail.com.") == "google"
    assert provider("notgmail.com") == "notgmail.com"
    assert provider("Mail.Example.org") == "mail.example.org"
