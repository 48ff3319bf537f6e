"""What a result says of tokens beside how the mail fared: a refresh token that ends soon, or that was replaced."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from flows.direct import check
from tasks.mail.config.loop import inbound_config, loop_config
from tasks.mail.model.cause import Cause
from tasks.mail.model.errors import MailboxFailure
from tasks.mail.model.outcome import ErrorType, Outcome, Status
from tasks.mail.model.result import LoopResult
from tasks.mail.verdict.ends import conclude_inbound
from tests.support import certificates
from tests.support.oauth.sections import USER, by_refresh_token
from tests.support.oauth.server import TokenServer
from tests.support.raw.smtp import RawSmtp

DAY = 86400


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> certificates.ServerTls:
    return certificates.good(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(autouse=True)
def _refresh_token(server: TokenServer, monkeypatch: pytest.MonkeyPatch) -> None:
    by_refresh_token(server)  # the client
    monkeypatch.setenv("APP_REFRESH", server.issuer.refresh_token("app", USER))


async def sent(server: TokenServer, tls: certificates.ServerTls, script: Any = None, **oauth: Any) -> LoopResult:
    """A check that hands a message to a relay, with a refresh token that the environment has."""
    relay = RawSmtp(script, tls=tls.context, extensions=["AUTH XOAUTH2"])
    async with relay:
        named = {"client_id": "app", "token_url": server.url, "scope": "mail", "refresh_token_secret": "app-refresh"}
        smtp = {"host": "localhost", "port": relay.port, "tls": "starttls", "ca_file": tls.ca_file, "username": USER}
        addresses = {"from_addr": "a@a.test", "to_addr": "b@b.test", "subject_prefix": "[x]"}
        smtp |= {"oauth": named | oauth, "retries": 0}
        limits = {"max_per_hour": 3600}
        return await check(loop_config({"name": "told", "smtp": smtp | addresses, "limits": limits}))


async def test_a_refresh_token_that_ends_soon_is_a_warning(server: TokenServer, tls: certificates.ServerTls) -> None:
    server.issuer.refresh_lifetime = 7 * DAY - 60
    result = await sent(server, tls)
    assert (result.status, result.outcome, result.cause) == (Status.WARNING, Outcome.DELIVERED, Cause.TOKEN_EXPIRY)
    assert "the refresh token app-refresh ends in 6 days, on " in result.sentence
    assert ": get a new one (mail-loop login)" in result.sentence
    assert (result.who_acts or "").startswith("you")


@pytest.mark.parametrize(("lifetime", "warn_days"), [(15 * DAY, 14), (7 * DAY, 6), (None, 14), (0, 14)])
async def test_one_that_ends_later_or_never_is_none(
    server: TokenServer, tls: certificates.ServerTls, lifetime: int | None, warn_days: int
) -> None:
    server.issuer.refresh_lifetime = lifetime
    result = await sent(server, tls, token_warn_days=warn_days)
    assert (result.status, result.cause, result.notes) == (Status.OK, None, ())


async def test_what_fails_goes_before_what_ends_soon(server: TokenServer, tls: certificates.ServerTls) -> None:
    server.issuer.refresh_lifetime = DAY
    result = await sent(server, tls, {"rcpt": b"550 5.1.1 no such user\r\n"})
    assert (result.outcome, result.cause) == (Outcome.REJECTED, Cause.RECIPIENT_UNKNOWN)


@pytest.mark.parametrize("script", [None, {"rcpt": b"550 5.1.1 no such user\r\n"}])
async def test_a_refresh_token_that_was_replaced_and_not_kept_is_a_note(
    server: TokenServer, tls: certificates.ServerTls, script: Any
) -> None:
    server.issuer.rotates = True
    result = await sent(server, tls, script)
    assert [note for note in result.notes if "the environment variable APP_REFRESH cannot be written" in note]
    assert server.issuer.families[-1].newest not in result.model_dump_json()


def test_an_inbound_check_says_both_in_notes() -> None:
    oauth = {"provider": "google", "client_id": "app", "refresh_token_secret": "app-refresh"}
    mailbox = {"host": "imap.example.net", "username": USER, "oauth": oauth, "search_subject": "News"}
    inbound = inbound_config({"name": "news", "imap": mailbox})
    nothing = MailboxFailure(ErrorType.NO_MESSAGE, "search", "no message")
    soon = datetime.now(UTC) + timedelta(days=3, hours=1)
    result = conclude_inbound(inbound, nothing, None, ("It was replaced.",), {"imap": soon})
    assert result.notes[0] == "It was replaced."
    assert result.notes[1].startswith("The refresh token app-refresh ends in 3 days, on ")
