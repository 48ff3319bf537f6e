"""Checks that run together share a session where all of them log in alike, and no other."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flows.direct import check
from tasks.mail.config.loop import LoopConfig, loop_config
from tasks.mail.mailboxes.imap.pool.pool import together
from tasks.mail.model.cause import Cause
from tasks.mail.model.outcome import Outcome
from tests.support import certificates
from tests.support.oauth.issuing import Client
from tests.support.oauth.server import TokenServer, token_server
from tests.support.raw.imap import RawImap
from tests.support.raw.smtp import RawSmtp

USER, SECRET = "monitor@example.org", "Geheim-nis.der-Anwendung_0815"


@pytest.fixture
def tokens() -> Iterator[TokenServer]:
    with token_server() as server:
        server.issuer.clients["app"] = Client(USER, SECRET)
        yield server


async def test_who_shows_another_secret_for_his_token_does_not_get_in_by_that_of_others(
    tokens: TokenServer, tmp_path: Path
) -> None:
    """For the same mailbox and user: three loops, of which one has a wrong secret."""
    tls = certificates.good(tmp_path)
    relay = RawSmtp(tls=tls.context)
    mailbox = RawImap(tls=tls.context, implicit=True, capabilities="IMAP4rev1 SASL-IR IDLE AUTH=XOAUTH2")
    relay.deliver = mailbox.append

    def loop(name: str, secret: str) -> LoopConfig:
        addresses = {"from_addr": "a@a.test", "to_addr": "b@b.test", "subject_prefix": "[x]"}
        oauth = {"client_id": "app", "client_secret": secret, "token_url": tokens.url, "scope": "mail"}
        common: dict[str, Any] = {"host": "localhost", "ca_file": tls.ca_file, "timeout": 5.0}
        imap = common | {"port": mailbox.port, "username": USER, "oauth": oauth, "retry_delay": 0.1}
        smtp = common | {"port": relay.port, **addresses}
        return loop_config({"name": name, "smtp": smtp, "imap": imap, "limits": {"max_wait": 3.0}})

    async with relay, mailbox, asyncio.timeout(40), together(3):
        loops = [loop("one", SECRET), loop("other", "of-somebody-else"), loop("third", SECRET)]
        results = await asyncio.gather(*map(check, loops))
    assert [(one.outcome, one.cause) for one in results] == [
        (Outcome.DELIVERED, None),
        (Outcome.UNVERIFIED, Cause.TOKEN_REQUEST_REFUSED),
        (Outcome.DELIVERED, None),
    ]
    assert len(mailbox.credentials) == 1
