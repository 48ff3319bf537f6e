"""Secrets, assertions and tokens are in no log, text, repr, traceback or file, though the endpoint repeats them all."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from hashlib import sha256
from urllib.parse import parse_qsl

import pytest
from pydantic import SecretStr

from tasks.mail.auth.tokens.access import access_token
from tasks.mail.config.oauth import OAuth
from tasks.mail.config.state_dir import state_home
from tasks.mail.model.errors import TokenFailure
from tasks.mail.model.redaction.redactor import NOTHING
from tests.support.canaries import CORE, seen_in
from tests.support.oauth.keys import certified, key_lines
from tests.support.oauth.sections import (
    USER,
    by_certificate,
    by_refresh_token,
    by_secret,
    by_service_account,
)
from tests.support.oauth.server import Reply, TokenServer

SECRET = f"{CORE}~of.the-client"
REFRESH = f"{CORE}-of-a-refresh-token-{''.join(sha256(bytes([n])).hexdigest() for n in range(24))}"
SECTIONS: dict[str, Callable[[TokenServer], OAuth]] = {
    "client secret": lambda server: by_secret(server, client_secret=SECRET),
    "refresh token": lambda server: by_refresh_token(server, client_secret=SECRET, refresh_token=REFRESH),
    "certificate": by_certificate,
    "service account": by_service_account,
}
_SHOWN = {"client_credentials", "refresh_token", "mail", "app"}


class Echo:
    """Says all of what it is sent: in its words, in its header, in its kind, and where it sends on to."""

    def __init__(self, server: TokenServer, status: int) -> None:
        self.sent: list[str] = []
        answer = server.answer

        def echo(asked: object) -> Reply:
            body = server.asked[-1].body
            values = [value for _, value in parse_qsl(body) if value not in _SHOWN and not value.startswith("urn:")]
            self.sent += values
            answer(server.asked[-1])
            all_of_it = " ".join([*values, body])
            header = {
                "X-Echo": all_of_it[:5000],
                "Location": f"http://{values[-1]}.example/",
                "Content-Type": body[:900],
            }
            if status == 418:
                return Reply(200, all_of_it.encode(), header)
            return Reply(status, {"error": all_of_it, "error_description": all_of_it, "error_codes": [1]}, header)

        server.answer = echo  # type: ignore[method-assign]


def texts_of(failure: BaseException) -> list[str]:
    """What a failure may come to be written as."""
    shown = traceback.TracebackException.from_exception(failure, capture_locals=True)
    return [str(failure), repr(failure), "".join(shown.format()), NOTHING.traceback_of(failure), str(failure.args)]


@pytest.fixture
def everything(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """All loggers at their most talkative."""
    caplog.set_level(logging.DEBUG)
    for name in ("httpx", "httpcore", "authlib", "joserfc", "asyncio", "tasks"):
        caplog.set_level(logging.DEBUG, name)
    return caplog


@pytest.mark.parametrize("status", [200, 302, 400, 401, 403, 418, 500])
@pytest.mark.parametrize("kind", SECTIONS)
async def test_an_endpoint_that_repeats_what_it_is_sent(
    server: TokenServer, everything: pytest.LogCaptureFixture, kind: str, status: int
) -> None:
    echo = Echo(server, status)
    oauth = SECTIONS[kind](server)
    with pytest.raises(TokenFailure) as caught:
        await access_token(oauth, USER)
    assert echo.sent
    for text in [*texts_of(caught.value), everything.text, repr(oauth)]:
        assert seen_in(text) == []
        for sent in echo.sent:
            assert sent[:24] not in text
            assert sent[-24:] not in text
        for line in key_lines(certified().pem):
            assert line not in text


@pytest.mark.parametrize("kind", SECTIONS)
async def test_a_token_is_in_no_log_and_no_repr(
    server: TokenServer, everything: pytest.LogCaptureFixture, kind: str
) -> None:
    server.issuer.padding = 1500
    server.issuer.rotates = True
    oauth = SECTIONS[kind](server)
    if kind == "refresh token":
        server.issuer.families[:] = []
        oauth = oauth.model_copy(update={"refresh_token": SecretStr(server.issuer.refresh_token("app", USER))})
        server.issuer.clients["app"].secret = SECRET
    elif kind == "client secret":
        server.issuer.clients["app"].secret = SECRET
    token = await access_token(oauth, USER)
    secrets = [token.value, *(family.newest for family in server.issuer.families)]
    secrets += [one for family in server.issuer.families for one in family.spent]
    secrets += [value for name, value in server.last.form.items() if name.endswith(("assertion", "secret", "token"))]
    texts = [repr(token), str(token), everything.text, str(token.notes)]
    assert [text for text in texts for secret in secrets if secret[:24] in text] == []
    files = [path.read_bytes() for path in state_home().rglob("*") if path.is_file()]
    assert [data for data in files for secret in secrets if secret.encode() in data] == []


async def test_a_proxy_of_the_environment_does_not_get_to_see_what_goes_to_this_machine(
    server: TokenServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert (await access_token(by_secret(server), USER)).value in server.issuer.issued
