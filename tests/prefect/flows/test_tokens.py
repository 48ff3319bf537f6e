"""Tokens in flow runs: what has to do with them is for no retry of Prefect's, and for no further attempt."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from tasks.mail.model.cause import Cause
from tasks.mail.model.outcome import Outcome
from tests.prefect.records import SOCKETS_LEFT_OPEN
from tests.support import certificates
from tests.support.checks.flow_checks import check
from tests.support.oauth.given import Given
from tests.support.oauth.issuing import Client
from tests.support.oauth.server import Reply, TokenServer, token_server
from tests.support.raw.imap import RawImap
from tests.support.raw.smtp import RawSmtp

pytestmark = [pytest.mark.filterwarnings(SOCKETS_LEFT_OPEN), pytest.mark.usefixtures("server")]
USER, SECRET = "monitor@example.org", "Geheim-nis.der-Anwendung_0815"


@dataclass(frozen=True)
class Case:
    """What goes wrong, and what must come of it; `asked`: how often the endpoint is."""

    state: str
    outcome: Outcome
    cause: Cause | None
    asked: int
    reply: Reply | None = None
    refused_by_relay: int = 0
    refused_by_mailbox: int = 0


CASES = {
    "nothing": Case("Delivered", Outcome.DELIVERED, None, 1),
    "no token": Case("Rejected", Outcome.REJECTED, Cause.TOKEN_REQUEST_REFUSED, 1, Reply(401, {"error": "no"})),
    "no endpoint": Case("Unsent", Outcome.UNSENT, Cause.TOKEN_REQUEST_FAILED, 1, Reply(503, b"")),
    "a token too old": Case("Delivered", Outcome.DELIVERED, None, 3, refused_by_relay=1, refused_by_mailbox=2),
    "no right at the relay": Case("Rejected", Outcome.REJECTED, Cause.TOKEN_REJECTED, 2, refused_by_relay=9),
    "no right to the mailbox": Case("Unverified", Outcome.UNVERIFIED, Cause.TOKEN_REJECTED, 2, refused_by_mailbox=9),
}


@pytest.fixture
def tokens(monkeypatch: pytest.MonkeyPatch) -> Iterator[TokenServer]:
    monkeypatch.setenv("U0_PASSWORD", SECRET)
    with token_server() as server:
        server.issuer.clients["app"] = Client(USER, SECRET)
        yield server


@pytest.mark.parametrize("name", CASES)
async def test_a_run_ends_after_one_attempt_whatever_becomes_of_its_token(
    name: str, tokens: TokenServer, tls: certificates.ServerTls
) -> None:
    case = CASES[name]
    tokens.always = case.reply
    async with AsyncExitStack() as held:
        relay = await held.enter_async_context(RawSmtp(tls=tls.context, extensions=["AUTH XOAUTH2"]))
        capabilities = "IMAP4rev1 SASL-IR IDLE AUTH=XOAUTH2"
        box = RawImap(tls=tls.context, implicit=True, capabilities=capabilities)
        mailbox = await held.enter_async_context(box)
        relay.deliver = mailbox.append
        relay.logins.tokens = Given(tokens, case.refused_by_relay)
        mailbox.logins.tokens = Given(tokens, case.refused_by_mailbox)
        oauth = {"client_id": "app", "client_secret_secret": "u0-password", "token_url": tokens.url, "scope": "mail"}
        login: dict[str, Any] = {"host": "localhost", "username": USER, "oauth": oauth, "ca_file": tls.ca_file}
        addresses = {"from_addr": "a@raw.test", "to_addr": "b@raw.test", "subject_prefix": "[token]"}
        smtp = {"port": relay.port, **login, **addresses, "retries": 3, "retry_delay": 0}
        imap = {"port": mailbox.port, **login, "retry_delay": 0.1}
        state, result = await check(f"token-{name.replace(' ', '-')}", smtp, imap)
    assert (state.name, result.outcome, result.cause, result.attempts) == (case.state, case.outcome, case.cause, 1)
    assert tokens.count() == case.asked
    assert relay.count("AUTH") == (0 if case.reply else min(case.refused_by_relay, 1) + 1)


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> certificates.ServerTls:
    return certificates.good(tmp_path_factory.mktemp("tls"))
