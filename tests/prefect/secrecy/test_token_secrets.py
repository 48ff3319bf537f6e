"""The same of tokens, and of all that they are asked for with: endpoint, relay and mailbox repeat it, DEBUG logs it.

It is looked for in traces, too.
"""

from __future__ import annotations

import asyncio
import base64
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from prefect.blocks.system import Secret

from tests.prefect.records import SOCKETS_LEFT_OPEN, configured
from tests.prefect.secrecy.canary_checks import Checks, Ended, places, run, started, until
from tests.support import certificates
from tests.support.canaries import OAUTH_SECRETS, TOKEN, seen_in
from tests.support.certificates import ServerTls
from tests.support.checks.bounds import PROGRAM_SECONDS
from tests.support.collector import collector
from tests.support.oauth.issuing import Client
from tests.support.oauth.keys import certified, key_lines, service_account
from tests.support.oauth.sections import USER
from tests.support.oauth.server import TOKEN as TOKEN_PATH
from tests.support.oauth.server import Asked, Reply, TokenServer, token_server
from tests.support.raw.imap import RawImap
from tests.support.raw.smtp import RawSmtp

pytestmark = pytest.mark.filterwarnings(SOCKETS_LEFT_OPEN)

SECRET = OAUTH_SECRETS["client_secret"]
SENT = f"user={USER}\1auth=Bearer {TOKEN}"  # the beginning of what is sent: the token that is given goes on
ACCOUNT = "monitor@project.iam.gserviceaccount.com"
KEYS = [*key_lines(certified().pem), *key_lines(certified(ACCOUNT).pem)]
SAID = f"{TOKEN} or {base64.b64encode(SENT.encode()).decode()} or {SECRET}"
OUTCOMES = {
    "success": ("delivered", None),
    "by-certificate": ("delivered", None),
    "rotating": ("delivered", None),
    "endpoint": ("rejected", "token_request_refused"),
    "endpoint-html": ("unsent", "token_request_failed"),
    "endpoint-account": ("rejected", "token_request_refused"),
    "relay": ("rejected", "token_rejected"),
    "mailbox": ("unverified", "token_rejected"),
}
REPEATED = {"endpoint", "endpoint-html", "endpoint-account", "relay", "mailbox"}
REFRESH_BLOCK = "canary-refresh"


def secrets_in(text: str | bytes) -> list[str]:
    """What of tokens, secrets and keys stands in a text."""
    data = text.encode() if isinstance(text, str) else text
    return [*seen_in(data), *(line for line in KEYS if line.encode() in data)]


class TokenChecks(Checks):
    """Loops that log in by token; `oauth` is how the next ones get it."""

    oauth: Mapping[str, object]

    async def with_token(self, name: str, smtp: Any = None, imap: Any = None) -> None:
        relay = RawSmtp(smtp, tls=self.tls.context, extensions=["AUTH XOAUTH2"])
        capabilities = "IMAP4rev1 SASL-IR IDLE AUTH=XOAUTH2"
        mailbox = RawImap(imap, tls=self.tls.context, implicit=True, capabilities=capabilities)
        await self.add_servers(name, relay, mailbox, {"oauth": self.oauth})


class Repeating(TokenServer):
    """It refuses, and says all that it was sent, and more."""

    def answer(self, asked: Asked) -> Reply:
        if asked.path != TOKEN_PATH:
            return Reply(404, f"<html>{SAID}</html>".encode(), {"Content-Type": f"text/{TOKEN[:200]}"})
        known = SAID if "client_secret" in asked.form else TOKEN  # to the check, which hides nothing else
        words = f"{known} {' '.join(asked.form.values())} {asked.body}"
        return Reply(401, {"error": "invalid_client", "error_description": words[-3500:]}, {"X-You-Said": words[:9000]})


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> ServerTls:
    return certificates.good(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def tokens() -> Iterator[TokenServer]:
    """One whose tokens are canaries."""
    with token_server() as server:
        server.issuer.prefix = TOKEN
        server.issuer.clients |= {
            "app": Client(USER, SECRET),
            "signing": Client(USER, certificate=certified().certificate),
        }
        yield server


@pytest.fixture
def repeating() -> Iterator[TokenServer]:
    with token_server(kind=Repeating) as server:
        yield server


async def add_all(checks: TokenChecks, tokens: TokenServer, repeating: TokenServer) -> dict[str, str]:
    """The loops, and the environment that has their secrets."""
    common = {"token_url": tokens.url, "scope": "mail"}
    by_secret = {"client_id": "app", "client_secret_secret": "canary-client", **common}
    checks.oauth = by_secret
    await checks.with_token("success")
    await checks.with_token("relay", {"auth": f"535 5.7.8 wrong: {SAID}\r\n".encode()})
    await checks.with_token("mailbox", imap={"authenticate": f"{{tag}} NO [AUTHENTICATIONFAILED] {SAID}\r\n".encode()})
    checks.oauth = {"client_id": "signing", "private_key_secret": "canary-key", **common}
    await checks.with_token("by-certificate")
    checks.oauth = by_secret | {"refresh_token_secret": REFRESH_BLOCK}
    await checks.with_token("rotating")
    checks.oauth = by_secret | {"token_url": repeating.url}
    await checks.with_token("endpoint")
    checks.oauth = by_secret | {"token_url": repeating.base + "/elsewhere"}
    await checks.with_token("endpoint-html")
    account = {"provider": "google", "service_account_secret": "canary-account"}
    checks.oauth = account | {"token_url": repeating.url}
    await checks.with_token("endpoint-account")
    return {
        "CANARY_CLIENT": SECRET,
        "CANARY_KEY": certified().pem,
        "CANARY_ACCOUNT": service_account(ACCOUNT),
        "CANARY_REFRESH": tokens.issuer.refresh_token("app", USER),
    }


def assert_told_and_hidden(ended: Ended) -> None:
    assert {name: (one["outcome"], one["cause"]) for name, one in ended.results.items()} == OUTCOMES, ended.err[-4000:]
    assert {name for name, result in ended.results.items() if "********" in str(result)} == REPEATED
    assert [name for name, result in ended.results.items() if secrets_in(str(result))] == []
    assert (secrets_in(ended.out), secrets_in(ended.err)) == ([], [])
    assert " DEBUG " in ended.err
    assert [line for line in ended.children if secrets_in(line)] == []


async def test_without_prefect(tmp_path: Path, tls: ServerTls, tokens: TokenServer, repeating: TokenServer) -> None:
    tokens.issuer.rotates = True
    async with TokenChecks(tmp_path / "files", tls) as checks:
        env = await add_all(checks, tokens, repeating)
        ended = await run(checks, tmp_path / "home", "--direct", **env)
    assert_told_and_hidden(ended)
    assert any("CANARY_REFRESH cannot be written" in note for note in ended.results["rotating"]["notes"])
    assert places(tmp_path / "home", secrets_in) == []


async def test_through_prefect_with_a_block_that_is_written(
    tmp_path: Path, tls: ServerTls, tokens: TokenServer, repeating: TokenServer, server: str, home: Path
) -> None:
    tokens.issuer.rotates = True
    with collector() as traced:
        async with TokenChecks(tmp_path / "files", tls) as checks:
            env = await add_all(checks, tokens, repeating)
            await Secret(value=env.pop("CANARY_REFRESH")).asave(REFRESH_BLOCK, overwrite=True)
            ended = await run(
                checks, tmp_path / "home", **configured(server), **env, OTEL_EXPORTER_OTLP_ENDPOINT=traced.url
            )
    assert_told_and_hidden(ended)
    block: Secret[str] = await Secret.aload(REFRESH_BLOCK)
    assert block.get() == tokens.issuer.families[-1].newest
    assert ended.results["rotating"]["notes"] == []
    assert places(tmp_path / "home", secrets_in) + places(home, secrets_in) == []
    told = {span.attributes.get("mail_loop.outcome") for span in traced.spans}
    assert told >= {outcome for outcome, _ in OUTCOMES.values()}
    assert [span.name for span in traced.spans if secrets_in(str(span.sent))] == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_command_that_is_interrupted_keeps_a_new_refresh_token_before_it_ends(
    tmp_path: Path, tls: ServerTls, tokens: TokenServer, server: str, number: signal.Signals
) -> None:
    """The endpoint has spent the old one by then."""
    tokens.issuer.rotates = True
    await Secret(value=tokens.issuer.refresh_token("app", USER)).asave(REFRESH_BLOCK, overwrite=True)
    tokens.delay = 3.0
    async with TokenChecks(tmp_path / "files", tls) as checks:
        common = {"client_id": "app", "client_secret_secret": "canary-client", "token_url": tokens.url, "scope": "mail"}
        checks.oauth = common | {"refresh_token_secret": REFRESH_BLOCK}
        await checks.with_token("interrupted")
        async with started(checks, tmp_path / "home", **configured(server), CANARY_CLIENT=SECRET) as process:
            communicating = asyncio.create_task(process.communicate())
            await until(lambda: bool(tokens.asked))
            process.send_signal(number)
            async with asyncio.timeout(PROGRAM_SECONDS):
                out, err = await communicating
    assert (process.returncode, tokens.count()) == (3, 1), err[-2000:]
    assert tokens.issuer.families[-1].spent
    block: Secret[str] = await Secret.aload(REFRESH_BLOCK)
    assert block.get() == tokens.issuer.families[-1].newest
    assert (secrets_in(out), secrets_in(err)) == ([], [])


def test_what_looks_for_secrets_finds_each_of_them() -> None:
    for secret in (SECRET, TOKEN, TOKEN[700:760], certified().pem, service_account(ACCOUNT)):
        assert secrets_in(f"see {secret}")
