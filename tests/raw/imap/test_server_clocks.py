"""The mail server's clock is off, and so are all dates that it tells: that is recognised, and not believed."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from flows.direct import check
from tests.support.checks.patience import PATIENCE, limited
from tests.support.checks.rounds import around, assert_found, notes, report
from tests.support.raw.mailbox import Message

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
OFF = {
    "10 minutes slow": timedelta(minutes=-10),
    "10 minutes fast": timedelta(minutes=10),
    "25 hours slow": timedelta(hours=-25),
    "25 hours fast": timedelta(hours=25),
    "10 days slow": timedelta(days=-10),
    "10 days fast": timedelta(days=10),
    "at its epoch": datetime(1970, 1, 1, 0, 0, 7, tzinfo=UTC) - datetime.now(UTC),
}


@pytest.fixture(params=OFF)
def off(request: pytest.FixtureRequest) -> timedelta:
    """How far the mail server's clock is ahead of ours."""
    return OFF[request.param]


def other_mail(clock: timedelta) -> list[Message]:
    """What lies in a mailbox of a server with this clock, the newest a minute old."""
    begun = datetime.now(UTC) + clock
    return [
        Message(uid, b"Subject: %d\r\n\r\nhello\r\n" % uid, max(begun - timedelta(minutes=61 - uid), EPOCH))
        for uid in range(1, 61)
    ]


async def test_a_server_clock_that_is_off_is_recognised_and_not_believed(off: timedelta) -> None:
    """The message is found as soon as with a right one, and is neither late nor of another time than ours."""
    async with around(messages=other_mail(off)) as way:
        loop = asyncio.get_running_loop()

        def bring(raw: bytes) -> None:
            way.mailbox.append(raw, internaldate=datetime.now(UTC) + off)

        way.relay.arrive = lambda raw: loop.call_later(1.5, bring, raw)
        async with asyncio.timeout(PATIENCE):
            result = await check(limited(way, PATIENCE, 30.0))
        assert len(way.mailbox.messages) == 60
    assert_found(result)
    assert result.delivery_seconds is not None
    assert result.total_seconds is not None
    assert 1.5 <= result.delivery_seconds < result.total_seconds < 30.0
    (told,) = notes(result)
    said = abs(off.total_seconds())
    assert told.startswith("The mail server's clock is at least ")
    assert int(told.split(" at least ")[1].split()[0]) == pytest.approx(said, abs=35)
    assert told.endswith(f" s {'fast' if off > timedelta() else 'slow'}, so times are measured by this machine's.")


async def test_a_server_clock_that_is_off_hides_no_junk_no_copy_and_no_bounce(off: timedelta) -> None:
    async with around() as way:
        now = datetime.now(UTC) + off
        for folder in ("Junk", "INBOX"):
            way.relay.arrive = lambda raw, folder=folder: way.mailbox.append(raw, folder, now)  # type: ignore[misc]
            result = await way.check(delete_after_check=False)
            assert result.outcome == ("junked" if folder == "Junk" else "delivered")

        def twice(raw: bytes) -> None:
            for _ in range(2):
                way.mailbox.append(raw, internaldate=now)

        way.relay.arrive = twice
        assert (await way.check()).outcome == "duplicated"
        way.relay.arrive = lambda raw: way.mailbox.append(report(raw), internaldate=now)
        # One that is old by its date is read at the end of the time.
        assert (await way.check(0.5 if off < timedelta(hours=-1) else PATIENCE)).outcome == "bounced"


@pytest.mark.parametrize("off", [timedelta(minutes=-10), timedelta(minutes=10)], ids=["slow", "fast"])
async def test_an_inbound_check_bears_with_a_server_clock_that_is_10_minutes_off(off: timedelta) -> None:
    async with around() as way:
        way.mailbox.append(b"Subject: [loop] fresh\r\n\r\nhello\r\n", internaldate=datetime.now(UTC) + off)
        assert_found(await check(way.inbound()))
