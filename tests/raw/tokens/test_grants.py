"""Each way to get a token, at a server that checks secrets, signatures, times and audiences."""

from __future__ import annotations

import base64
import json
import ssl
from pathlib import Path
from typing import Any

import pytest

from tasks.mail.auth.tokens.access import access_token
from tasks.mail.model.cause import Cause
from tasks.mail.model.errors import TokenFailure
from tasks.mail.model.outcome import ErrorType
from tasks.mail.net.tls import ssl_context
from tests.support.certificates import good
from tests.support.oauth.issuing import Client
from tests.support.oauth.keys import certified
from tests.support.oauth.sections import (
    SECRET,
    USER,
    by_certificate,
    by_refresh_token,
    by_secret,
    by_service_account,
)
from tests.support.oauth.server import TokenServer, token_server


def head(assertion: str) -> dict[str, Any]:
    """The header of a JWT."""
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(assertion.partition(".")[0] + "=="))
    return found


async def test_a_client_secret_goes_in_the_body_and_brings_a_token(server: TokenServer) -> None:
    token = await access_token(by_secret(server), USER)
    assert server.issuer.issued[token.value].user == USER
    assert server.last.form == {
        "grant_type": "client_credentials",
        "scope": "mail",
        "client_id": "app",
        "client_secret": SECRET,
    }
    assert "authorization" not in server.last.headers


@pytest.mark.parametrize("secret", ["a b&c=d%e+f", "schlüssel €", '"\\~;/?'])
async def test_a_client_secret_may_have_any_character(server: TokenServer, secret: str) -> None:
    oauth = by_secret(server, client_secret=secret)
    server.issuer.clients["app"] = Client(USER, secret)
    assert (await access_token(oauth, USER)).value in server.issuer.issued


async def test_a_certificate_signs_for_the_client(server: TokenServer) -> None:
    token = await access_token(by_certificate(server), USER)
    assert token.value in server.issuer.issued
    form = server.last.form
    assert form["client_id"] == "app"
    assert head(form["client_assertion"])["alg"] == "RS256"


async def test_microsoft_gets_the_signature_and_the_thumbprint_that_it_asks_for(server: TokenServer) -> None:
    oauth = by_certificate(server, provider="microsoft365", tenant="example.org")
    await access_token(oauth, USER)
    header = head(server.last.form["client_assertion"])
    assert {*header} == {"alg", "typ", "x5t#S256"}
    assert (header["alg"], header["typ"]) == ("PS256", "JWT")


async def test_a_key_of_an_elliptic_curve_signs_too(server: TokenServer) -> None:
    key = certified("curve", curve=True)
    oauth = by_certificate(server, key)
    server.issuer.clients["app"] = Client(USER, certificate=key.certificate)
    assert (await access_token(oauth, USER)).value in server.issuer.issued


async def test_another_certificate_is_refused(server: TokenServer) -> None:
    with pytest.raises(TokenFailure, match="invalid_client: the assertion is not good: BadSignature") as caught:
        await access_token(by_certificate(server, certified("another")), USER)
    assert (caught.value.error_type, caught.value.cause) == (ErrorType.AUTH, Cause.TOKEN_REQUEST_REFUSED)


async def test_a_certificate_that_is_not_of_the_key_is_told_before_anything_is_sent(server: TokenServer) -> None:
    key, _, _ = certified().pem.partition("-----BEGIN CERTIFICATE")
    _, mark, other = certified("another").pem.partition("-----BEGIN CERTIFICATE")
    mixed = certified()._replace(pem=key + mark + other)
    with pytest.raises(TokenFailure, match=r"oauth\.private_key holds a certificate that is not the key's"):
        await access_token(by_certificate(server, mixed), USER)
    assert server.asked == []


async def test_a_key_that_cannot_be_read_is_told_before_anything_is_sent(server: TokenServer) -> None:
    broken = certified()._replace(pem=certified().pem.replace("MII", "XII", 1))
    with pytest.raises(TokenFailure, match=r"oauth\.private_key holds a private key that cannot be read"):
        await access_token(by_certificate(server, broken), USER)
    assert server.asked == []


async def test_a_refresh_token_brings_a_token_without_a_client_secret_and_with_one(server: TokenServer) -> None:
    oauth = by_refresh_token(server)
    token = await access_token(oauth, USER)
    assert server.issuer.issued[token.value].user == USER
    assert server.last.form.keys() == {"grant_type", "scope", "refresh_token", "client_id"}
    server.issuer.clients["app"] = Client(USER, SECRET)
    with_secret = by_refresh_token(server, client_secret=SECRET)
    server.issuer.clients["app"] = Client(USER, SECRET)
    assert (await access_token(with_secret, USER)).value in server.issuer.issued


async def test_a_service_account_acts_for_the_user_of_the_section(server: TokenServer) -> None:
    oauth = by_service_account(server, "one@example.org", "two@example.org")
    one, two = [await access_token(oauth, name) for name in ("one@example.org", "two@example.org")]
    assert [server.issuer.issued[token.value].user for token in (one, two)] == ["one@example.org", "two@example.org"]
    assert head(server.last.form["assertion"])["kid"].startswith("0123456789abcdef")
    with pytest.raises(TokenFailure, match="unauthorized_client: Client is unauthorized to retrieve") as caught:
        await access_token(oauth, "stranger@example.org")
    assert caught.value.cause is Cause.TOKEN_REQUEST_REFUSED


@pytest.mark.parametrize("ahead", [-240, 240])
async def test_a_clock_that_is_off_by_minutes_does_not_matter(server: TokenServer, ahead: float) -> None:
    server.issuer.clock_ahead = ahead
    for oauth in (by_certificate(server), by_service_account(server)):
        for _ in range(2):
            await access_token(oauth, USER)
    assert server.count() == 2


@pytest.mark.parametrize(("ahead", "words"), [(720, "12 minutes behind"), (-720, "12 minutes ahead of")])
async def test_a_clock_that_is_off_by_more_is_told(server: TokenServer, ahead: float, words: str) -> None:
    server.issuer.clock_ahead = ahead
    for oauth in (by_certificate(server), by_service_account(server)):
        with pytest.raises(TokenFailure) as caught:
            await access_token(oauth, USER)
        assert f"time (the clock of this machine is {words} the endpoint's)" in str(caught.value)
    with pytest.raises(TokenFailure) as caught:
        await access_token(by_secret(server, client_secret="a wrong one"), USER)
    assert "clock" not in str(caught.value)


async def test_tokens_may_be_long(server: TokenServer) -> None:
    server.issuer.padding = 3000
    assert len((await access_token(by_secret(server), USER)).value) > 3000


async def test_tls_is_verified_with_the_authorities_of_ca_file(tmp_path: Path) -> None:
    tls = good(tmp_path)
    with token_server(tls.context) as server:
        assert server.url.startswith("https://")
        with pytest.raises(TokenFailure, match="the certificate of localhost is not accepted") as caught:
            await access_token(by_secret(server), USER)
        assert (caught.value.error_type, caught.value.cause) == (ErrorType.TLS, Cause.TOKEN_REQUEST_FAILED)
        assert server.asked == []
        assert (await access_token(by_secret(server, ca_file=tls.ca_file), USER)).value in server.issuer.issued


async def test_a_mail_server_is_offered_no_http_once_there_is_a_token(tmp_path: Path) -> None:
    """httpx has its context offer it (ALPN), and servers such as Exim end a handshake without a protocol of theirs."""
    tls = good(tmp_path)
    with token_server(tls.context) as server:
        await access_token(by_secret(server, ca_file=tls.ca_file), USER)
    sent = ssl.MemoryBIO()
    handshake = ssl_context(tls.ca_file, True).wrap_bio(ssl.MemoryBIO(), sent, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        handshake.do_handshake()
    hello = sent.read()
    assert b"localhost" in hello
    assert b"http/1.1" not in hello
