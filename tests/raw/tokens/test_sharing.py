"""One token for all loops of a process: counted at the server, whatever callers, event loops and clocks do."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tasks.mail.auth.tokens import access
from tasks.mail.auth.tokens.access import access_token
from tasks.mail.auth.tokens.thread import THREAD
from tasks.mail.model.cause import Cause
from tasks.mail.model.errors import TokenFailure
from tests.support.oauth.issuing import Client
from tests.support.oauth.sections import USER, by_certificate, by_secret, by_service_account
from tests.support.oauth.server import Reply, TokenServer

DOWN = Reply(503, {"error": "temporarily_unavailable"})


async def test_a_thousand_that_begin_together_ask_once(server: TokenServer) -> None:
    server.delay = 0.2
    oauth = by_secret(server)
    tokens = await asyncio.gather(*(access_token(oauth, f"user{number}") for number in range(1000)))
    assert len({token.value for token in tokens}) == 1
    assert server.count() == 1


async def test_a_thousand_share_a_failure_and_the_next_one_asks_again(server: TokenServer) -> None:
    server.script.append(Reply(500, {"error": "server_error"}, delay=0.2))
    oauth = by_secret(server)
    found = await asyncio.gather(*(access_token(oauth, USER) for _ in range(1000)), return_exceptions=True)
    assert {type(one) for one in found} == {TokenFailure}
    assert len({id(one) for one in found}) == 1000, "an error that is raised in many places collects them all"
    assert server.count() == 1
    await access_token(oauth, USER)
    assert server.count() == 2


async def test_a_refusal_serves_those_too_that_come_a_little_later(server: TokenServer) -> None:
    """A fleet has its loops begin one after the other, and an endpoint may lock a client out that is refused often."""
    server.script.append(Reply(401, {"error": "invalid_client"}))
    oauth = by_secret(server)
    for _ in range(3):
        with pytest.raises(TokenFailure, match="invalid_client") as caught:
            await access_token(oauth, USER)
        assert caught.value.cause is Cause.TOKEN_REQUEST_REFUSED
    assert server.count() == 1


def test_loops_of_one_process_share_a_token(server: TokenServer) -> None:
    server.delay = 0.2
    oauth = by_secret(server)
    with ThreadPoolExecutor(20) as threads:
        waiting = [threads.submit(asyncio.run, access_token(oauth, USER)) for _ in range(20)]
        tokens = {one.result().value for one in waiting}
    assert (len(tokens), server.count()) == (1, 1)
    assert {asyncio.run(access_token(oauth, USER)).value} == tokens


def test_a_loop_that_ends_takes_nothing_from_the_others(server: TokenServer) -> None:
    server.delay = 0.5
    oauth = by_secret(server)

    async def impatient() -> None:
        async with asyncio.timeout(0.1):
            await access_token(oauth, USER)

    with pytest.raises(TimeoutError):
        asyncio.run(impatient())
    assert asyncio.run(access_token(oauth, USER)).value in server.issuer.issued
    assert server.count() == 1


async def test_a_caller_that_is_cancelled_takes_nothing_from_the_others(server: TokenServer) -> None:
    server.delay = 0.3
    oauth = by_secret(server)
    first, second = [asyncio.create_task(access_token(oauth, USER)) for _ in range(2)]
    await asyncio.sleep(0.1)
    first.cancel()
    assert (await second).value in server.issuer.issued
    assert first.cancelled()
    assert server.count() == 1


async def test_a_token_is_renewed_before_it_ends(server: TokenServer) -> None:
    server.issuer.stated = 1
    oauth = by_secret(server)
    first = await access_token(oauth, USER)
    assert first.ends - first.renewed_at == pytest.approx(0.1)
    assert (await access_token(oauth, USER)).value == first.value
    await asyncio.sleep(max(0.0, first.renewed_at - time.monotonic()))
    assert (await access_token(oauth, USER)).value != first.value


async def test_an_hour_is_renewed_five_minutes_before(server: TokenServer) -> None:
    token = await access_token(by_secret(server), USER)
    assert token.ends - token.renewed_at == pytest.approx(300)
    assert token.ends - time.monotonic() == pytest.approx(3600, abs=60)


async def test_a_good_token_serves_while_the_endpoint_is_down(
    server: TokenServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "_MARGIN_SHARE", 1.0)  # it is to be renewed from the beginning
    oauth = by_secret(server)
    server.issuer.stated = 30
    first = await access_token(oauth, USER)
    server.script.append(DOWN)
    assert (await access_token(oauth, USER)).value == first.value
    assert (await access_token(oauth, USER)).value != first.value
    assert server.count() == 3


async def test_a_token_that_a_server_refused_is_replaced_once_for_all(server: TokenServer) -> None:
    server.delay = 0.1
    oauth = by_secret(server)
    old = await access_token(oauth, USER)
    fresh = await asyncio.gather(*(access_token(oauth, USER, refused=old) for _ in range(50)))
    assert {token.value for token in fresh} != {old.value}
    assert len({token.value for token in fresh}) == 1
    assert (await access_token(oauth, USER, refused=old)).value == fresh[0].value
    assert server.count() == 2


async def test_what_was_refused_is_not_given_again_because_the_endpoint_is_down(server: TokenServer) -> None:
    oauth = by_secret(server)
    old = await access_token(oauth, USER)
    server.script.append(DOWN)
    with pytest.raises(TokenFailure, match="HTTP 503"):
        await access_token(oauth, USER, refused=old)


async def test_an_endpoint_that_wants_time_gets_it(server: TokenServer) -> None:
    oauth = by_secret(server)
    server.script.append(Reply(429, {"error": "slow_down"}, headers={"Retry-After": "1"}))
    begun = time.monotonic()
    for _ in range(3):
        with pytest.raises(TokenFailure, match="HTTP 429, slow_down"):
            await access_token(oauth, USER)
    assert server.count() == 1
    await asyncio.sleep(max(0.0, begun + 2.0 - time.monotonic()))
    await access_token(oauth, USER)
    assert server.count() == 2


async def test_who_has_more_time_does_not_fail_with_who_has_little(server: TokenServer) -> None:
    server.delay = 1.0
    oauth = by_secret(server)
    hasty = asyncio.create_task(access_token(oauth, USER, timeout=0.5))
    await asyncio.sleep(0.1)
    assert (await access_token(oauth, USER, timeout=30)).value in server.issuer.issued
    with pytest.raises(TokenFailure, match="no answer within"):
        await hasty


async def test_who_has_more_time_takes_a_refusal_all_the_same(server: TokenServer) -> None:
    server.script.append(Reply(401, {"error": "invalid_client"}, delay=0.3))
    oauth = by_secret(server)
    both = [access_token(oauth, USER, timeout=seconds) for seconds in (10, 30)]
    found = await asyncio.gather(*both, return_exceptions=True)
    assert [type(one) for one in found] == [TokenFailure] * 2
    assert server.count() == 1


async def test_who_shows_another_secret_gets_no_token_of_the_one_that_is_right(server: TokenServer) -> None:
    right = by_secret(server)
    await access_token(right, USER)
    with pytest.raises(TokenFailure, match="invalid_client"):
        await access_token(by_secret(server, client_secret="another one"), USER)
    assert server.count() == 2


async def test_scopes_and_clients_have_tokens_of_their_own_and_users_only_in_an_assertion(server: TokenServer) -> None:
    server.issuer.scopes = frozenset({"mail", "send"})
    for oauth in (by_secret(server), by_secret(server, scope="send")):
        for name in ("one", "two"):
            await access_token(oauth, name)
    assert server.count() == 2
    server.issuer.clients["other"] = Client(USER, "other secret")
    await access_token(by_secret(server, client_id="other", client_secret="other secret"), USER)
    assert server.count() == 3
    account = by_service_account(server, "one", "two")
    for name in ("one", "two", "one"):
        await access_token(account, name)
    assert server.count() == 5


async def test_no_thread_stays_behind(server: TokenServer) -> None:
    await access_token(by_certificate(server), USER)
    deadline = time.monotonic() + 30
    while any(thread.name == THREAD for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)
