"""A refresh token that is replaced at each use is used once, and the new one is kept, whatever else happens."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from tasks.mail.auth.tokens.access import Token, access_token
from tasks.mail.auth.tokens.rotation import kept_by, only_one
from tasks.mail.config.oauth import OAuth
from tasks.mail.model.cause import Cause
from tasks.mail.model.errors import TokenFailure
from tasks.mail.model.outcome import ErrorType
from tests.support.checks.bounds import PROGRAM_SECONDS
from tests.support.house import ROOT
from tests.support.oauth.keeper import NAME, FileKeeper
from tests.support.oauth.sections import USER, by_refresh_token
from tests.support.oauth.server import TokenServer


@pytest.fixture
def kept(server: TokenServer, tmp_path: Path) -> FileKeeper:
    """A refresh token in a file, at a server that rotates."""
    server.issuer.rotates = True
    keeper = FileKeeper(tmp_path / "refresh-token")
    by_refresh_token(server)  # the client
    keeper.path.write_text(server.issuer.refresh_token("app", USER), encoding="utf-8")
    return keeper


def resolved(server: TokenServer, keeper: FileKeeper, **fields: object) -> OAuth:
    """The section of a check that begins: its name in place, and the value that is kept now."""
    oauth = by_refresh_token(server, refresh_token=None, refresh_token_secret=NAME, **fields)
    oauth = oauth.model_copy(update={"refresh_token": SecretStr(keeper.path.read_text(encoding="utf-8"))})
    kept_by(oauth, keeper)
    return oauth


async def test_each_new_refresh_token_is_kept_and_used_next(server: TokenServer, kept: FileKeeper) -> None:
    token: Token | None = None
    for _ in range(3):
        token = await access_token(resolved(server, kept), USER, refused=token)
        assert token.notes == ()
    assert kept.kept[-1] == server.issuer.families[-1].newest
    assert [one.form["refresh_token"] for one in server.asked][1:] == kept.kept[:2]


async def test_one_that_stays_the_same_is_not_written(server: TokenServer, kept: FileKeeper) -> None:
    server.issuer.rotates = False
    await access_token(resolved(server, kept), USER)
    assert kept.kept == []


async def test_both_legs_use_one_refresh_token_one_after_the_other(server: TokenServer, kept: FileKeeper) -> None:
    """Each has a scope of its own, and so a token, but the refresh token is the same."""
    server.issuer.scopes = frozenset({"mail", "send"})
    server.delay = 0.2
    one, other = resolved(server, kept), resolved(server, kept, scope="send")
    tokens = await asyncio.gather(access_token(one, USER), access_token(other, USER))
    assert len({token.value for token in tokens}) == 2
    assert not server.issuer.families[-1].revoked


async def test_two_processes_never_use_the_same_one(server: TokenServer, kept: FileKeeper) -> None:
    """The server takes a second use for theft, and revokes all that came of it: no token would come any more."""
    times = 8
    program = [sys.executable, "-m", "tests.support.oauth.use_refresh_token", str(kept.path), server.url, str(times)]
    processes = [
        await asyncio.create_subprocess_exec(*program, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    async with asyncio.timeout(PROGRAM_SECONDS):
        ends = await asyncio.gather(*(process.communicate() for process in processes))
    assert [(out.decode().split(), err.decode()) for out, err in ends] == [(["token"] * times, "")] * 2
    assert not server.issuer.families[-1].revoked
    assert kept.path.read_text(encoding="utf-8") == server.issuer.families[-1].newest
    assert server.count() == 2 * times


async def test_a_second_use_is_what_the_server_revokes_for(server: TokenServer, kept: FileKeeper) -> None:
    """So that the tests above could fail."""
    old = kept.path.read_text(encoding="utf-8")
    token = await access_token(resolved(server, kept), USER)
    kept.path.write_text(old, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tasks.mail.auth.tokens.rotation._families", {})
        with pytest.raises(TokenFailure, match="invalid_grant"):
            await access_token(resolved(server, kept), USER, refused=token)
    assert server.issuer.families[-1].revoked


async def test_after_a_refusal_the_kept_one_is_read_once_more(server: TokenServer, kept: FileKeeper) -> None:
    """Somebody has logged in anew meanwhile, or a process on another machine was faster."""
    oauth = resolved(server, kept)
    good = kept.path.read_text(encoding="utf-8")
    kept.path.write_text("an-old-one", encoding="utf-8")
    server.delay = 0.0
    waiting = asyncio.create_task(access_token(oauth, USER))
    while not server.asked:
        await asyncio.sleep(0)
    kept.path.write_text(good, encoding="utf-8")
    assert (await waiting).value in server.issuer.issued
    assert [one.form["refresh_token"] for one in server.asked] == ["an-old-one", good]


async def test_it_is_not_asked_again_with_what_was_refused(server: TokenServer, kept: FileKeeper) -> None:
    kept.path.write_text("an-old-one", encoding="utf-8")
    with pytest.raises(TokenFailure, match="invalid_grant"):
        await access_token(resolved(server, kept), USER)
    assert server.count() == 1


async def test_where_the_kept_one_cannot_be_read_none_is_used(server: TokenServer, kept: FileKeeper) -> None:
    """The one that the check has read at its beginning may be spent by now."""
    oauth = resolved(server, kept)
    kept.lost = ConnectionError("no answer from Prefect")
    with pytest.raises(TokenFailure, match="app-refresh could not be read: no answer from Prefect") as caught:
        await access_token(oauth, USER)
    assert (caught.value.error_type, caught.value.cause) == (ErrorType.CONNECTION, Cause.TOKEN_REQUEST_FAILED)
    kept.lost = TimeoutError()
    with pytest.raises(TokenFailure, match="app-refresh could not be read within") as caught:
        await access_token(oauth, USER)
    assert (caught.value.error_type, server.count()) == (ErrorType.TIMEOUT, 0)


async def test_a_refusal_stays_one_where_the_kept_one_cannot_be_read_any_more(
    server: TokenServer, kept: FileKeeper
) -> None:
    kept.path.write_text("an-old-one", encoding="utf-8")
    server.delay = 0.2
    waiting = asyncio.create_task(access_token(resolved(server, kept), USER))
    while not server.asked:
        await asyncio.sleep(0.01)
    kept.lost = ConnectionError("no answer from Prefect")
    with pytest.raises(TokenFailure, match="invalid_grant"):
        await waiting


async def test_what_cannot_be_kept_is_told_and_known_to_this_process(server: TokenServer, kept: FileKeeper) -> None:
    kept.broken = "the environment variable APP_REFRESH cannot be written"
    first = await access_token(resolved(server, kept), USER)
    second = await access_token(resolved(server, kept), USER, refused=first)
    assert second.value in server.issuer.issued
    note = (
        "The token endpoint has replaced the refresh token, and the new one cannot be kept (the environment variable "
        "APP_REFRESH cannot be written): the next run may be refused. Name a Prefect Secret block in "
        "oauth.refresh_token_secret, and put a new token there."
    )
    assert first.notes == second.notes == (note,)
    assert not server.issuer.families[-1].revoked


async def test_one_in_clear_is_told_too(server: TokenServer) -> None:
    server.issuer.rotates = True
    token = await access_token(by_refresh_token(server), USER)
    assert "it stands in clear in the configuration" in token.notes[0]


async def test_nothing_is_told_of_microsoft_whose_old_ones_stay_valid(server: TokenServer) -> None:
    server.issuer.rotates = True
    token = await access_token(by_refresh_token(server, provider="microsoft365", tenant="example.org"), USER)
    assert token.notes == ()


async def test_a_new_one_is_kept_though_nobody_waits_any_more(server: TokenServer, kept: FileKeeper) -> None:
    server.delay = 0.3
    waiting = asyncio.create_task(access_token(resolved(server, kept), USER))
    await asyncio.sleep(0.1)
    waiting.cancel()
    async with asyncio.timeout(30):
        while not kept.kept:
            await asyncio.sleep(0.02)
    assert kept.kept == [server.issuer.families[-1].newest]


async def test_a_process_that_ends_keeps_it_before(server: TokenServer, kept: FileKeeper) -> None:
    """Ctrl-C, or a time limit: the old one is spent by then."""
    server.delay = 3.0
    program = [sys.executable, "-m", "tests.support.oauth.use_refresh_token", str(kept.path), server.url, "1", "1.5"]
    process = await asyncio.create_subprocess_exec(*program, cwd=ROOT, stdout=subprocess.PIPE)
    async with asyncio.timeout(PROGRAM_SECONDS):
        out, _ = await process.communicate()
    assert (out, server.count()) == (b"", 1)
    assert await kept.reread(NAME) == server.issuer.families[-1].newest
    assert server.issuer.families[-1].spent


async def test_another_process_is_waited_for_no_longer_than_a_login_may_take(
    server: TokenServer, kept: FileKeeper
) -> None:
    oauth = resolved(server, kept)
    async with only_one(oauth, 1.0):
        with pytest.raises(TokenFailure, match=r"another check has been using the refresh token for 0\.45 s") as caught:
            await access_token(oauth, USER, timeout=0.5)
    assert caught.value.error_type is ErrorType.TIMEOUT
    assert (await access_token(oauth, USER)).value in server.issuer.issued


async def test_a_state_folder_that_cannot_be_written_keeps_nobody_from_logging_in(
    server: TokenServer, kept: FileKeeper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    token = await access_token(resolved(server, kept), USER)
    assert token.value in server.issuer.issued
    assert token.notes[0].startswith("Other processes are not kept from using the refresh token at the same time")


async def test_without_a_state_folder_both_legs_of_a_process_still_use_it_one_after_the_other(
    server: TokenServer, kept: FileKeeper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    server.issuer.scopes = frozenset({"mail", "send"})
    server.delay = 0.2
    both = [resolved(server, kept), resolved(server, kept, scope="send")]
    await asyncio.gather(*(access_token(oauth, USER) for oauth in both))
    assert not server.issuer.families[-1].revoked
    assert kept.path.read_text(encoding="utf-8") == server.issuer.families[-1].newest


async def test_when_a_refresh_token_ends_is_known_where_the_endpoint_says_so(server: TokenServer) -> None:
    assert (await access_token(by_refresh_token(server), USER)).refresh_ends is None
    server.issuer.refresh_lifetime = 7 * 86400
    token = await access_token(by_refresh_token(server), USER)
    assert token.refresh_ends is not None
