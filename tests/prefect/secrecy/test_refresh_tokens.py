"""A refresh token that was replaced goes back into the Secret block that it came from, and nowhere else."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect.blocks.system import Secret
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from tasks.credentials import SecretBlocks
from tasks.mail.auth.tokens.access import Token, access_token
from tasks.mail.auth.tokens.rotation import kept_by, only_one
from tasks.mail.config.loop import LoopConfig, loop_config
from tasks.mail.engine import with_passwords
from tasks.mail.logins import Login, Place, keep_token
from tasks.mail.model.errors import TokenFailure
from tests.prefect.records import SOCKETS_LEFT_OPEN, columns
from tests.support.canaries import CORE, seen_in
from tests.support.oauth.sections import USER, by_refresh_token
from tests.support.oauth.server import TokenServer, token_server

pytestmark = [pytest.mark.filterwarnings(SOCKETS_LEFT_OPEN), pytest.mark.usefixtures("server")]

NAME = "app-refresh"


@pytest.fixture
def tokens() -> Iterator[TokenServer]:
    """A token server that rotates, with a canary in each refresh token."""
    with token_server() as running:
        running.issuer.rotates = True
        running.issuer.prefix = CORE
        by_refresh_token(running)  # the client
        yield running


def loop(tokens: TokenServer) -> LoopConfig:
    """One with a token for its relay, whose refresh token has a name."""
    oauth = {"client_id": "app", "token_url": tokens.url, "scope": "mail", "refresh_token_secret": NAME}
    addresses = {"from_addr": "a@raw.test", "to_addr": "b@raw.test", "subject_prefix": "[x]"}
    smtp = {"host": "localhost", "username": USER, "oauth": oauth, **addresses}
    data: dict[str, Any] = {"smtp": smtp}
    return loop_config({"name": "rotating", **data})


async def asked(tokens: TokenServer, refused: Token | None = None) -> Token:
    """A token, as a run gets it: with passwords of its own."""
    check = await with_passwords(loop(tokens), SecretBlocks())
    assert isinstance(check, LoopConfig)
    assert check.smtp.oauth is not None
    return await access_token(check.smtp.oauth, USER, refused)


async def kept() -> str:
    block: Secret[str] = await Secret.aload(NAME)
    return block.get()


async def test_it_goes_into_the_block_and_is_seen_nowhere(
    tokens: TokenServer, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    await Secret(value=tokens.issuer.refresh_token("app", USER)).asave(NAME, overwrite=True)
    first = await asked(tokens)
    assert first.notes == ()
    assert await kept() == tokens.issuer.families[-1].newest
    second = await asked(tokens, refused=first)
    assert second.notes == ()
    assert await kept() == tokens.issuer.families[-1].newest
    assert not tokens.issuer.families[-1].revoked
    assert seen_in(caplog.text) == []
    assert [where for where, data in columns(home / "prefect.db") if seen_in(data)] == []


async def test_one_that_a_person_has_got_meanwhile_stays(tokens: TokenServer) -> None:
    """What the run in flight got belongs to the login before."""
    await Secret(value=tokens.issuer.refresh_token("app", USER)).asave(NAME, overwrite=True)
    tokens.delay = 2.0
    run = asyncio.create_task(asked(tokens))
    while not tokens.asked:
        await asyncio.sleep(0.01)
    await Secret(value=(mine := tokens.issuer.refresh_token("app", USER))).asave(NAME, overwrite=True)
    first = await run
    assert (first.notes, await kept()) == ((), mine)
    await asked(tokens, refused=first)
    assert [one.form["refresh_token"] for one in tokens.asked][-1] == mine


async def test_a_login_is_kept_when_no_run_is_about_to_replace_the_one_before(tokens: TokenServer) -> None:
    await Secret(value="before").asave(NAME, overwrite=True)
    place = Place("smtp", "smtp", loop(tokens))
    async with only_one(place.oauth, 1.0):
        login = asyncio.create_task(keep_token(Login(NAME, [place]), SecretBlocks(), "after"))
        await asyncio.wait([login], timeout=1.0)
        assert await kept() == "before"
    assert await login == f"the Prefect Secret block {NAME}"
    assert await kept() == "after"


async def test_the_environment_has_no_place_for_it_and_a_note_says_so(
    tokens: TokenServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with get_client() as client:
        if found := [one for one in await client.read_block_documents() if one.name == NAME]:
            await client.delete_block_document(found[0].id)
    monkeypatch.setenv("APP_REFRESH", tokens.issuer.refresh_token("app", USER))
    token = await asked(tokens)
    assert "the environment variable APP_REFRESH cannot be written" in token.notes[0]
    assert seen_in(token.notes[0]) == []


async def test_where_prefect_does_not_answer_no_refresh_token_is_used(tokens: TokenServer) -> None:
    """Another run may have replaced it since this one began."""
    await Secret(value=tokens.issuer.refresh_token("app", USER)).asave(NAME, overwrite=True)
    check = await with_passwords(loop(tokens), SecretBlocks())
    assert isinstance(check, LoopConfig)
    assert check.smtp.oauth is not None
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:1/api"}):
        kept_by(check.smtp.oauth, SecretBlocks())
    async with asyncio.timeout(120):
        with pytest.raises(TokenFailure, match="no answer from Prefect about the Secret block 'app-refresh'"):
            await access_token(check.smtp.oauth, USER, timeout=60)
    assert tokens.count() == 0
    kept_by(check.smtp.oauth, SecretBlocks())
    assert (await access_token(check.smtp.oauth, USER)).value in tokens.issuer.issued
