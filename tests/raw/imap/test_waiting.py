"""What waiting cannot cure is told soon, and the rest is waited for; times that are told are what the clock says."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from flows.direct import check
from tasks.mail.config.loop import Limits, LoopConfig
from tasks.mail.mailboxes.imap.pool.pool import together
from tasks.mail.model.cause import Cause
from tasks.mail.model.durations import duration
from tasks.mail.model.errors import MailboxFailure
from tasks.mail.model.facts import Arrival
from tasks.mail.model.outcome import Outcome
from tasks.mail.model.result import LoopResult
from tasks.mail.net.stages import Progress, listener
from tasks.mail.probe.compose import compose
from tasks.mail.report.svg.timeline import timeline_of
from tasks.mail.search.watch import SearchRequest, watch
from tasks.mail.senders.registry import Attempts, attempt
from tests.faults.names import FAILING, UNKNOWN, resolving
from tests.support import certificates
from tests.support.checks.rounds import LONG, SOON, Round, around
from tests.support.left_behind import nothing_is_left_behind as nothing_is_left_behind
from tests.support.raw.imap import RawImap
from tests.support.raw.server import DROP

SECOND_LOOK = 0.5
WAIT = 1.5  # seconds for what is waited for: more than a second look takes
DISABLED = b"* CAPABILITY IMAP4rev1 LOGINDISABLED\r\n{tag} OK done\r\n"


async def looked(way: Round, max_wait: float = LONG, second_look: float = SECOND_LOOK, **imap: Any) -> Arrival:
    """What a search finds whose second look comes after so many seconds."""
    return await searched(way.loop(max_wait, **imap), second_look)


async def searched(loop: LoopConfig, second_look: float = SECOND_LOOK) -> Arrival:
    probe = compose(loop.name, loop.smtp)
    receipt = await attempt(probe, loop.smtp, Attempts())
    max_wait = loop.limits.max_wait
    async with asyncio.timeout(SOON):
        request = SearchRequest(probe, receipt, loop.imap, loop.bounce_mailbox, max_wait, max_wait)
        return await watch(request, second_look)


async def failure(way: Round, max_wait: float = LONG, **imap: Any) -> MailboxFailure:
    with pytest.raises(MailboxFailure) as caught:
        await looked(way, max_wait, **imap)
    return caught.value


async def test_a_port_without_tls_is_told_after_a_second_look() -> None:
    async with around() as way:
        found = await failure(way, tls="implicit", retry_delay=10.0)
        assert (found.stage, found.lasting) == ("tls", Cause.TLS_MODE)
        assert found.tried is not None
        assert found.tried.count == way.mailbox.connections == 2


async def test_a_name_that_does_not_exist_is_told_after_a_second_look() -> None:
    async with around() as way:
        with resolving("mail.test", UNKNOWN):
            found = await failure(way, host="mail.test", retry_delay=10.0)
        assert (found.stage, found.lasting) == ("dns", Cause.NAME_NOT_FOUND)
        assert found.tried is not None
        assert found.tried.count == 2


async def test_a_refused_certificate_is_told_after_a_second_look(tmp_path: Path) -> None:
    tls = certificates.expired(tmp_path)
    async with around(tls=tls.context, implicit=True) as way:
        found = await failure(way, tls="implicit", ca_file=tls.ca_file, retry_delay=10.0)
        assert (found.stage, found.lasting, way.mailbox.connections) == ("tls", Cause.CERTIFICATE, 2)
        assert way.mailbox.credentials == []


async def test_a_login_that_is_disabled_is_told_after_a_second_look() -> None:
    async with around(capabilities="IMAP4rev1 LOGINDISABLED") as way:
        found = await failure(way, retry_delay=10.0)
        assert (found.stage, found.lasting, way.mailbox.connections) == ("login", Cause.TLS_REQUIRED, 2)
        assert way.mailbox.credentials == []


async def test_the_bounce_mailbox_has_its_second_look_too() -> None:
    async with around() as way, RawImap(capabilities="IMAP4rev1 LOGINDISABLED") as bounces:
        loop = way.loop()
        back = {"host": bounces.host, "port": bounces.port, "tls": "none", "username": "ann", "password": "x"}
        alone = LoopConfig.model_validate({**loop.model_dump(), "imap": None, "bounce_mailbox": back})
        with pytest.raises(MailboxFailure):
            await searched(alone)
        assert bounces.connections == 2


async def test_what_a_second_look_finds_in_order_is_delivered() -> None:
    """A name that was missing for a moment, and a server that was not ready to let anybody in."""
    async with around({"capability": [DISABLED]}, capabilities="IMAP4rev1") as way:
        with resolving("mail.test", UNKNOWN, ["127.0.0.1"]):
            found = await looked(way, host="mail.test", second_look=0.2)
        assert len(found.hits) == 1
        assert found.tried is not None
        assert found.tried.count == 3


async def test_a_resolver_that_fails_is_waited_for() -> None:
    async with around() as way:
        with resolving("mail.test", FAILING, FAILING, FAILING, FAILING, ["127.0.0.1"]):
            found = await looked(way, host="mail.test", second_look=0.1, retry_delay=0.2)
        assert len(found.hits) == 1


async def test_a_closed_port_is_waited_for() -> None:
    async with around() as way:
        mailbox = RawImap()
        async with mailbox:
            pass  # it has a port, and is down again
        loop = way.loop(port=mailbox.port)
        later = asyncio.create_task(_up(mailbox, WAIT))
        way.relay.arrive = mailbox.append
        found = await searched(loop, second_look=0.1)
        assert len(found.hits) == 1
        assert found.tried is not None
        assert found.tried.count > 2
        await (await later).__aexit__(None, None, None)


async def _up(mailbox: RawImap, seconds: float) -> RawImap:
    await asyncio.sleep(seconds)
    return await mailbox.__aenter__()


async def test_many_loops_in_one_mailbox_take_both_looks_together() -> None:
    async with around(capabilities="IMAP4rev1 LOGINDISABLED") as way:
        configs = [way.loop(retry_delay=10.0).model_copy(update={"name": f"raw-{number}"}) for number in range(5)]
        async with together(len(configs)):
            found = await asyncio.gather(*(searched(one, 2.0) for one in configs), return_exceptions=True)
        assert [isinstance(one, MailboxFailure) and one.permanent for one in found] == [True] * 5
        assert way.mailbox.connections == 2


async def timed(loop: Any) -> tuple[LoopResult, float]:
    begun = time.monotonic()
    result = await check(loop)
    return result, time.monotonic() - begun


def assert_told(result: LoopResult, least: float, most: float, limits: Limits | None) -> None:
    """The result and its picture tell a time between these, and the last bar ends with it."""
    assert result.total_seconds is not None
    assert least <= result.total_seconds <= most
    drawn = timeline_of(result, limits)
    assert drawn.headline.startswith(f"{duration(result.total_seconds)} in all")
    assert max(bar.end for bar in drawn.bars) == result.total_seconds


async def test_a_closed_port_is_told_with_all_the_time_that_was_waited() -> None:
    async with around() as way:
        async with RawImap() as gone:
            pass
        loop = way.loop(WAIT, port=gone.port)
        result, lasted = await timed(loop)
    assert result.outcome is Outcome.UNVERIFIED
    assert_told(result, WAIT, lasted, loop.limits)
    assert result.imap_tries > 2


async def test_a_lost_message_is_told_with_all_the_time_that_was_waited() -> None:
    async with around({"greeting": [DROP]}) as way:
        way.lose()
        loop = way.loop(WAIT)
        result, lasted = await timed(loop)
    assert (result.outcome, result.imap_tries) == (Outcome.LOST, 2)
    assert_told(result, WAIT, lasted, loop.limits)


async def test_an_inbound_check_that_finds_nothing_is_told_with_its_pauses_and_without_a_limit() -> None:
    async with around() as way:
        result, lasted = await timed(way.inbound(retries=2, retry_delay=0.5))
    assert (result.outcome, result.imap_tries) == (Outcome.LOST, 3)
    assert_told(result, 1.0, lasted, None)
    assert timeline_of(result).marks == ()


async def test_an_inbound_check_that_finds_mail_at_the_second_look_tells_the_first_too() -> None:
    async with around({"greeting": [DROP]}) as way:
        way.mailbox.append(b"From: a@b.test\r\nSubject: [loop] hello\r\n\r\nhello\r\n")
        result, lasted = await timed(way.inbound(retries=2, retry_delay=0.5))
    assert (result.outcome, result.imap_tries) == (Outcome.DELIVERED, 2)
    assert_told(result, 0.5, lasted, None)


async def test_a_refused_message_is_told_with_its_attempts_and_the_pauses_between_them() -> None:
    async with around() as way:
        way.relay.script["rcpt"] = b"450 4.2.0 later\r\n"
        loop = way.loop()
        smtp = loop.smtp.model_copy(update={"retries": 2, "retry_delay": 0.5})
        result, lasted = await timed(loop.model_copy(update={"smtp": smtp}))
    assert result.outcome is Outcome.DEFERRED
    assert_told(result, 1.0, lasted, loop.limits)


async def test_the_reason_is_told_while_the_mailbox_is_tried_again() -> None:
    told: list[Progress] = []
    token = listener.set(told.append)
    try:
        async with around({"greeting": [DROP]}) as way:
            assert len((await looked(way)).hits) == 1
    finally:
        listener.reset(token)
    assert [step.text for step in told if step.leg == "imap" and "trying again" in step.text]
