"""What strangers put into a mailbox is looked at in pieces, and none of it is forgotten or taken for mail."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from itertools import groupby

import pytest

from flows.direct import check_all
from tasks.mail.mailboxes.imap.reading import BATCH
from tasks.mail.model.outcome import Outcome
from tasks.mail.probe.compose import compose
from tasks.mail.search.findings import MAX_BODIES_A_LOOK
from tests.support.checks.many_loops import loops, once_all_wait
from tests.support.checks.rounds import SOON, Relay, Round, around, assert_found, notes, report
from tests.support.raw.imap import RawImap, Session
from tests.support.raw.server import DEFAULT, DROP

LONG = b"References: " + (b"<0123456789@a.test> " * 40 + b"\r\n ") * 80
BIG = b"X-Mail-Loop-Name: raw\r\n" + LONG + b"\r\nSubject: big\r\n\r\nhello\r\n"


class Searching(RawImap):
    """It finds all messages, whatever it is asked for."""

    async def _perform(self, session: Session, tag: bytes, verb: str, argument: str, uid: bool) -> None:
        if verb != "search":
            await super()._perform(session, tag, verb, argument, uid)
            return
        found = " ".join(str(message.uid) for message in session.view).encode()
        await session.write(b"* SEARCH " + found + b"\r\n" + tag + b" OK done\r\n")


def uids(line: str) -> set[int]:
    """Those that a UID FETCH names one by one."""
    found = re.match(r"UID FETCH ([\d,]+) \(UID FLAGS", line)
    return set(map(int, found[1].split(","))) if found else set()


def flood(way: Round, many: int, probe_at: int) -> Callable[[bytes], object]:
    def come(raw: bytes) -> None:
        for number in range(many):
            way.mailbox.put(raw if number == probe_at else BIG)
        way.mailbox.announce()

    return lambda raw: asyncio.get_running_loop().call_later(0.3, come, raw)


async def test_what_was_fetched_is_not_fetched_again_when_the_connection_is_lost() -> None:
    """And the probe, at the bottom of it, is found by the second one."""
    async with around() as way:
        way.relay.arrive = flood(way, 520, 0)
        task = asyncio.create_task(way.check())
        async with asyncio.timeout(SOON):
            while len(first := [line for line in way.mailbox.log if len(uids(line)) == BATCH]) < 2:
                await asyncio.sleep(0.005)
        way.mailbox.play("fetch", [DROP])
        assert_found(await task)
        assert way.mailbox.connections == 2
        asked = [one for line in way.mailbox.log for one in sorted(uids(line))]
    done = uids(first[0])
    assert len(done) == BATCH
    assert max(map(len, map(uids, way.mailbox.log))) <= BATCH
    assert all(asked.count(one) == 1 for one in done)


async def test_a_flood_hides_the_probe_from_none_of_those_who_share_a_session() -> None:
    async with around() as way:

        def come(sent: list[bytes]) -> None:
            for raw in sent:
                for _ in range(180):
                    way.mailbox.put(BIG)
                way.mailbox.put(raw)
            way.mailbox.announce()

        once_all_wait(way, 3, come)
        async with asyncio.timeout(SOON):
            results = await check_all(loops(way, 3), lambda result: None)
        assert {result.outcome for result in results} == {Outcome.DELIVERED}
        assert way.mailbox.connections == 1


async def test_the_clean_up_bears_with_strangers_that_have_the_name_of_the_loop() -> None:
    """However many there are, and though the server finds them all."""
    async with Relay() as relay, Searching() as mailbox:
        way = Round(relay, mailbox)
        relay.arrive = mailbox.append
        for _ in range(560):
            mailbox.put(BIG)
        result = await way.check()
        assert_found(result)
        assert notes(result) == []
        assert len(mailbox.messages) == 560


async def test_bodies_are_read_a_few_in_a_look_and_in_the_end_all() -> None:
    """The newest first; the bounce of the probe is the last of them."""
    async with around() as way:
        others = [report(compose("raw", way.loop().smtp).content) for _ in range(35)]

        def come(raw: bytes) -> None:
            for text in [report(raw), *others]:
                way.mailbox.put(text)
            way.mailbox.announce()

        way.relay.arrive = lambda raw: asyncio.get_running_loop().call_later(0.3, come, raw)
        result = await way.check()
        assert result.outcome is Outcome.BOUNCED
        looks = [[*lines] for is_noop, lines in groupby(way.mailbox.log, lambda line: line == "NOOP") if not is_noop]
        bodies = [sum("BODY.PEEK[]" in line for line in look) for look in looks]
    assert sum(bodies) == 36
    assert max(bodies) <= MAX_BODIES_A_LOOK


@pytest.mark.parametrize("body", [b"Message-ID: %s", b"Kept back.\r\n%s"])
async def test_a_notice_with_the_message_id_of_the_probe_is_no_arrival(body: bytes) -> None:
    """A quarantine's, with a sender, a subject and a body of its own."""
    async with around() as way:

        def tell(raw: bytes) -> None:
            number = re.search(rb"Message-ID: ([^\r]+)", raw)[1]  # type: ignore[index]
            head = (
                b"From: quarantine@filter.test\r\nSubject: 1 message was kept back\r\nMessage-ID: %s\r\n\r\n" % number
            )
            way.mailbox.append(head + body % number + b"\r\n")

        way.relay.arrive = tell
        result = await way.check(0.5)
        assert result.outcome is Outcome.LOST
        assert len(way.mailbox.messages) == 1


async def test_a_walk_that_is_cut_off_goes_on_where_it_was() -> None:
    """On a mailbox that is full of large headers from the beginning."""
    async with around({"fetch": [DEFAULT] * 3 + [DROP]}) as way:

        def arrive(raw: bytes) -> None:
            for number in range(450):
                way.mailbox.put(raw if number == 0 else BIG)

        way.relay.arrive = arrive
        assert_found(await way.check())
        search = way.mailbox.log[: way.mailbox.log.index('SELECT "INBOX"')]  # the clean-up comes behind it
        ranges = [line for line in search if re.match(r"FETCH \d+:\d+ ", line)]
    assert len(ranges) == len(set(ranges))
