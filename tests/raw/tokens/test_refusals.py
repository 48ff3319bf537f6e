"""Whatever a token endpoint answers or fails to: what kind of failure it is, why, and its own words in the sentence."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import pytest

from tasks.mail.auth.tokens.access import access_token
from tasks.mail.model.cause import Cause
from tasks.mail.model.errors import TokenFailure
from tasks.mail.model.outcome import ErrorType
from tests.support.certificates import good
from tests.support.oauth.sections import USER, by_refresh_token, by_secret, section
from tests.support.oauth.server import Reply, TokenServer, token_server

REFUSED = (ErrorType.AUTH, Cause.TOKEN_REQUEST_REFUSED)
FAILED = (ErrorType.CONNECTION, Cause.TOKEN_REQUEST_FAILED)
Kind = tuple[ErrorType, Cause]


def microsoft(number: int, code: str, words: str) -> dict[str, Any]:
    """An error as Entra writes it."""
    ids = "Trace ID: 0 Correlation ID: 0 Timestamp: 2026-11-30 10:00:00Z"
    return {"error": code, "error_description": f"AADSTS{number}: {words} {ids}", "error_codes": [number]}


def a_token(**more: object) -> Mapping[str, object]:
    """A right answer, but for what is given; what is None is left out."""
    right = {"access_token": "a-token", "token_type": "Bearer", "expires_in": 3600, **more}
    return {name: value for name, value in right.items() if value is not None}


class Row(NamedTuple):
    reply: Reply
    kind: Kind
    text: str


ROWS = {
    "AADSTS7000215": Row(
        Reply(401, microsoft(7000215, "invalid_client", "Invalid client secret provided.")),
        REFUSED,
        "no token from localhost: HTTP 401, invalid_client: AADSTS7000215: Invalid client secret provided. Trace ID",
    ),
    "AADSTS700082": Row(
        Reply(400, microsoft(700082, "invalid_grant", "The refresh token has expired due to inactivity.")),
        REFUSED,
        "HTTP 400, invalid_grant: AADSTS700082: The refresh token has expired due to inactivity.",
    ),
    "AADSTS65001": Row(
        Reply(400, microsoft(65001, "invalid_grant", "The user or administrator has not consented.")),
        REFUSED,
        "HTTP 400, invalid_grant: AADSTS65001: The user or administrator has not consented.",
    ),
    "AADSTS50034": Row(
        Reply(400, microsoft(50034, "invalid_grant", "The user account does not exist in the directory.")),
        REFUSED,
        "HTTP 400, invalid_grant: AADSTS50034: The user account does not exist in the directory.",
    ),
    "a number without words": Row(
        Reply(400, {"error": "invalid_grant", "error_codes": [53003]}), REFUSED, "invalid_grant (AADSTS53003)"
    ),
    "invalid_grant": Row(
        Reply(400, {"error": "invalid_grant", "error_description": "Token has been expired or revoked."}),
        REFUSED,
        "HTTP 400, invalid_grant: Token has been expired or revoked.",
    ),
    "unauthorized_client": Row(
        Reply(401, {"error": "unauthorized_client", "error_description": "Client is unauthorized."}),
        REFUSED,
        "HTTP 401, unauthorized_client: Client is unauthorized.",
    ),
    "403": Row(Reply(403, {"error": "access_denied"}), REFUSED, "HTTP 403, access_denied"),
    "403 without a reason": Row(Reply(403, {}), REFUSED, "HTTP 403, without a reason"),
    "an error with 200": Row(Reply(200, {"error": "bad_client"}), REFUSED, "HTTP 200, bad_client"),
    "an error as Google's other interfaces have it": Row(
        Reply(400, {"error": {"code": 400, "message": "Not so.", "status": "INVALID_ARGUMENT"}}),
        REFUSED,
        "HTTP 400, INVALID_ARGUMENT: Not so.",
    ),
    "an error that is no text": Row(Reply(400, {"error": 7, "error_description": ["x"]}), REFUSED, "without a reason"),
    "many lines": Row(
        Reply(400, {"error": "invalid_grant", "error_description": "one\r\ntwo\x1b[31m\u202ethree"}),
        REFUSED,
        r"invalid_grant: one two\x1b[31m\u202ethree",
    ),
    "HTML": Row(
        Reply(200, b"<html><body>Log in to the network</body></html>"),
        FAILED,
        "no token from localhost: HTTP 200 with no JSON object, but 47 octets of type text/html",
    ),
    "HTML with 403": Row(Reply(403, b"<html>blocked</html>"), FAILED, "HTTP 403 with no JSON object"),
    "404": Row(Reply(404, {"error": "not_found"}), FAILED, "HTTP 404, not_found"),
    "408": Row(Reply(408, {"error": "timeout"}), FAILED, "HTTP 408, timeout"),
    "429": Row(Reply(429, {"error": "slow_down"}), FAILED, "HTTP 429, slow_down"),
    "429 in HTML": Row(Reply(429, b"<html>slow down</html>"), FAILED, "HTTP 429 with no JSON object"),
    "500": Row(Reply(500, {"error": "server_error"}), FAILED, "HTTP 500, server_error"),
    "503 without a body": Row(Reply(503), FAILED, "HTTP 503 with no JSON object, but 0 octets"),
    "a list": Row(Reply(200, b"[]"), FAILED, "HTTP 200 with no JSON object"),
    "no UTF-8": Row(Reply(200, b"\xff\xfe{"), FAILED, "HTTP 200 with no JSON object"),
    "brackets without end": Row(Reply(200, b"[" * 60_000), FAILED, "HTTP 200 with no JSON object"),
    "redirect elsewhere": Row(
        Reply(307, {}, {"Location": "https://evil.example/token?x=1"}),
        FAILED,
        "HTTP 307, sent on to evil.example, which is not followed: set oauth.token_url to the right URL",
    ),
    "redirect to what is no URL": Row(
        Reply(302, {}, {"Location": "http://[x"}), FAILED, "HTTP 302, sent on to nowhere"
    ),
    "redirect to nowhere": Row(Reply(302, {}), FAILED, "HTTP 302, sent on to nowhere"),
    "too big": Row(Reply(200, b'{"access_token": "' + b"x" * 300_000 + b'"}'), FAILED, "longer than 65536 octets"),
    "no access_token": Row(Reply(200, a_token(access_token=None)), FAILED, "HTTP 200 with no access_token"),
    "an access_token of blanks and lines": Row(
        Reply(200, a_token(access_token="a b\r\nc\x01")), FAILED, "HTTP 200 with a malformed access_token"
    ),
    "an access_token that is a number": Row(Reply(200, a_token(access_token=7)), FAILED, "a malformed access_token"),
    "token_type mac": Row(Reply(200, a_token(token_type="mac")), FAILED, "with a token of type mac, not Bearer"),
    "token_type that is no text": Row(Reply(200, a_token(token_type=[1])), FAILED, "of type [1], not Bearer"),
    "dropped": Row(Reply(drop=True), FAILED, "the connection to localhost was lost, or speaks no HTTP"),
}


@pytest.mark.parametrize("name", ROWS)
async def test_an_answer_that_is_no_token(server: TokenServer, name: str) -> None:
    row = ROWS[name]
    server.script.append(row.reply)
    with pytest.raises(TokenFailure) as caught:
        await access_token(by_secret(server), USER)
    failure = caught.value
    assert (failure.error_type, failure.cause) == row.kind
    assert row.text in str(failure)
    assert str(failure).isprintable()
    assert len(str(failure)) < 700
    assert server.count() == 1, "nothing is asked twice"


async def test_a_refresh_token_that_is_refused_is_not_used_again(server: TokenServer) -> None:
    server.always = Reply(400, {"error": "invalid_grant"})
    with pytest.raises(TokenFailure, match="invalid_grant"):
        await access_token(by_refresh_token(server), USER)
    assert server.count() == 1


@pytest.mark.parametrize(
    ("stated", "seconds"),
    [
        (None, 300),
        ("3600", 3600),
        (3600.5, 3600.5),
        ("soon", 300),
        (True, 300),
        ([], 300),
        ("nan", 300),
        (0, 0),
        (-5, 0),
        (10**400, 300),
        ("1e999", 86400),
        (10**9, 86400),
    ],
    ids=lambda value: str(value)[:8],
)
async def test_how_long_a_token_is_used(server: TokenServer, stated: object, seconds: float) -> None:
    """Without a lifetime that can be read it is five minutes, and never more than a day; what is over is used once."""
    server.always = Reply(200, a_token(expires_in=stated))
    begun = time.monotonic()
    token = await access_token(by_secret(server), USER)
    assert 0 <= token.ends - begun - seconds < 60
    await access_token(by_secret(server), USER)
    assert server.count() == (1 if seconds else 2)


@pytest.mark.parametrize("kind", ["bearer", "BEARER", None])
async def test_bearer_is_written_in_any_case(server: TokenServer, kind: str | None) -> None:
    server.always = Reply(200, a_token(token_type=kind))
    assert (await access_token(by_secret(server), USER)).value == "a-token"


@pytest.mark.parametrize(
    "slow", [Reply(200, a_token(), delay=30), Reply(200, a_token(), drip=0.2)], ids=["silent", "drop by drop"]
)
async def test_a_slow_endpoint_has_so_many_seconds_in_all(server: TokenServer, slow: Reply) -> None:
    server.always = slow
    begun = time.monotonic()
    with pytest.raises(TokenFailure, match=r"no token from localhost: no answer within 0\.9 s") as caught:
        await access_token(by_secret(server), USER, timeout=1.0)
    assert time.monotonic() - begun < 10
    assert (caught.value.error_type, caught.value.cause) == (ErrorType.TIMEOUT, Cause.TOKEN_REQUEST_FAILED)


async def test_an_endpoint_that_is_down(server: TokenServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    oauth = by_secret(server, token_url=f"http://127.0.0.1:{port}/token")
    with pytest.raises(TokenFailure, match=r"no connection to 127\.0\.0\.1: Connection refused") as caught:
        await access_token(oauth, USER)
    assert (caught.value.error_type, caught.value.cause) == FAILED


async def test_a_name_that_does_not_exist(server: TokenServer) -> None:
    oauth = by_secret(server, token_url="https://login.example.invalid/token")
    with pytest.raises(TokenFailure, match=r"the name login\.example\.invalid is not found") as caught:
        await access_token(oauth, USER)
    assert (caught.value.error_type, caught.value.cause) == FAILED


async def test_tls_asked_of_an_endpoint_without(server: TokenServer) -> None:
    oauth = by_secret(server, token_url=server.url.replace("http:", "https:"))
    with pytest.raises(TokenFailure, match="localhost does not speak TLS on this port") as caught:
        await access_token(oauth, USER)
    assert (caught.value.error_type, caught.value.cause) == (ErrorType.TLS, Cause.TOKEN_REQUEST_FAILED)


async def test_an_endpoint_that_speaks_no_http(tmp_path: Any) -> None:
    with token_server(good(tmp_path).context) as server:
        oauth = by_secret(server, token_url=server.url.replace("https:", "http:"))
        with pytest.raises(TokenFailure, match="no token") as caught:
            await access_token(oauth, USER)
    assert (caught.value.error_type, caught.value.cause) == FAILED


async def test_a_ca_file_that_is_not_there(server: TokenServer) -> None:
    oauth = section(server, client_secret="secret", ca_file="/nowhere/ca.pem")
    with pytest.raises(
        TokenFailure, match=r"the oauth\.ca_file /nowhere/ca\.pem cannot be used: No such file"
    ) as caught:
        await access_token(oauth, USER)
    assert caught.value.error_type is ErrorType.TLS
    assert server.asked == []
