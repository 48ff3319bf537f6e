"""What the sandbox promises of tokens (OAuth 2), seen by the standard library's clients."""

from __future__ import annotations

import asyncio
import imaplib
import json
import smtplib
import ssl
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from tasks.sandbox import Sandbox, Script

USERS = {"monitor": "secret of the application", "another": "its own"}
MECHANISMS = {
    "XOAUTH2": "user={user}\1auth=Bearer {token}\1\1",
    "OAUTHBEARER": "n,a={user},\1host=localhost\1port=1\1auth=Bearer {token}\1\1",
}
ANSWERS = {"XOAUTH2": "", "OAUTHBEARER": "\1"}


def asked(box: Sandbox, **changes: str) -> tuple[int, dict[str, Any]]:
    """Ask for a token; returns status and body."""
    form = {"grant_type": "client_credentials", "client_id": "monitor", "client_secret": USERS["monitor"]}
    url = urlsplit(box.token_url)
    client = HTTPConnection(url.hostname or "", url.port, timeout=10)
    try:
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        client.request("POST", url.path, urlencode({**form, "scope": "mail", **changes}), kind)
        answer = client.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        client.close()


def submitted(box: Sandbox, mechanism: str, said: str) -> list[str]:
    """Log in at the relay, and send a mail; returns what is said of the token until it is refused."""
    errors: list[str] = []

    def answer(challenge: bytes | None = None) -> str:
        if not challenge:
            return said
        errors.append(challenge.decode())
        return ANSWERS[mechanism]

    with smtplib.SMTP(box.host, box.smtp_port, timeout=10) as client:
        client.starttls(context=ssl.create_default_context(cafile=box.ca_file))
        client.ehlo()
        try:
            client.auth(mechanism, answer)
        except smtplib.SMTPAuthenticationError as error:
            return [*errors, str(error.smtp_code)]
        client.sendmail("a@localhost", "monitor@localhost", b"Subject: by token\r\n\r\nx\r\n")
    return errors


def opened(box: Sandbox, mechanism: str, said: str) -> list[str]:
    """The same at the mailbox; says how many messages there are in place of no errors."""
    errors: list[str] = []

    def answer(challenge: bytes) -> bytes:
        if not challenge:
            return said.encode()
        errors.append(challenge.decode())
        return ANSWERS[mechanism].encode()

    context = ssl.create_default_context(cafile=box.ca_file)
    with imaplib.IMAP4_SSL(box.host, box.imaps_port, ssl_context=context, timeout=10) as client:
        try:
            client.authenticate(mechanism, answer)
        except client.error as error:
            return [*errors, str(error)]
        return [f"{client.select()[1]} messages"]


async def test_who_knows_the_secret_gets_a_token() -> None:
    async with Sandbox(USERS, tokens=True) as box:
        status, answer = await asyncio.to_thread(asked, box)
        assert (status, answer["token_type"], answer["scope"], answer["expires_in"]) == (200, "Bearer", "mail", 3600)
        assert (await asyncio.to_thread(asked, box))[1]["access_token"] != answer["access_token"]


@pytest.mark.parametrize(
    ("field", "value", "status", "error"),
    [
        ("client_secret", "another", 401, "invalid_client"),
        ("client_secret", USERS["another"], 401, "invalid_client"),
        ("client_id", "nobody", 401, "invalid_client"),
        ("scope", "all", 400, "invalid_scope"),
        ("grant_type", "password", 400, "unsupported_grant_type"),
    ],
)
async def test_who_asks_for_something_else_gets_an_error(field: str, value: str, status: int, error: str) -> None:
    async with Sandbox(USERS, tokens=True) as box:
        code, answer = await asyncio.to_thread(asked, box, **{field: value})
    assert (code, answer["error"], "access_token" in answer) == (status, error, False)


@pytest.mark.parametrize("mechanism", MECHANISMS)
async def test_a_token_lets_in_at_both_servers(mechanism: str) -> None:
    async with Sandbox(USERS, tokens=True) as box:
        _, answer = await asyncio.to_thread(asked, box)
        said = MECHANISMS[mechanism].format(user="monitor", token=answer["access_token"])
        assert await asyncio.to_thread(submitted, box, mechanism, said) == []
        assert await asyncio.to_thread(opened, box, mechanism, said) == ["[b'1'] messages"]
        assert f"AUTH {mechanism}" in box.commands


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("said", ["user=another", "another token", "no form of it"])
async def test_what_is_wrong_with_a_token_is_told_before_it_is_refused(mechanism: str, said: str) -> None:
    """That of another user is wrong, too."""
    async with Sandbox(USERS, tokens=True) as box:
        _, answer = await asyncio.to_thread(asked, box)
        form = said if said == "no form of it" else MECHANISMS[mechanism]
        user = "another" if said == "user=another" else "monitor"
        shown = form.format(user=user, token="x" if said == "another token" else answer["access_token"])
        for log_in in (submitted, opened):
            error, refusal = await asyncio.to_thread(log_in, box, mechanism, shown)
            assert json.loads(error)["status"] in ("401", "invalid_token")
            assert "535" in refusal or "AUTHENTICATIONFAILED" in refusal


async def test_a_login_by_token_can_be_refused_for_a_while() -> None:
    async with Sandbox(USERS, Script(auth=["535 5.7.3 Authentication unsuccessful"]), tokens=True) as box:
        _, answer = await asyncio.to_thread(asked, box)
        said = MECHANISMS["XOAUTH2"].format(user="monitor", token=answer["access_token"])
        assert await asyncio.to_thread(submitted, box, "XOAUTH2", said) == ["535"]
        assert await asyncio.to_thread(submitted, box, "XOAUTH2", said) == []


async def test_tokens_are_offered_only_where_they_are_wanted() -> None:
    def offered(box: Sandbox) -> tuple[str, str]:
        context = ssl.create_default_context(cafile=box.ca_file)
        with smtplib.SMTP_SSL(box.host, box.smtps_port, context=context, timeout=10) as client:
            client.ehlo()
            relay = client.esmtp_features["auth"]
        with imaplib.IMAP4_SSL(box.host, box.imaps_port, ssl_context=context, timeout=10) as reader:
            return relay, " ".join(reader.capabilities)

    async with Sandbox(USERS) as box:
        assert "OAUTH" not in "".join(await asyncio.to_thread(offered, box))
        assert box.token_url == ""
    async with Sandbox(USERS, tokens=True) as box:
        for names in await asyncio.to_thread(offered, box):
            assert [name in names for name in ("PLAIN", *MECHANISMS)] == [True] * 3


async def test_the_endpoint_ends_with_the_sandbox() -> None:
    async with Sandbox(USERS, tokens=True) as box:
        await asyncio.to_thread(asked, box)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.to_thread(asked, box)
