"""Tokens that are refused: how long the client takes after the server's last line.

The servers are scripted. What is wrong they say in a challenge, and the refusal after the answer to it (RFC 7628,
3.2.3).
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from aioimaplib import IMAP4

from flows.direct import check
from tasks.mail.config.loop import loop_config
from tasks.mail.model.cause import Cause
from tests.support import certificates
from tests.support.oauth.issuing import Client
from tests.support.oauth.server import TokenServer, token_server
from tests.support.raw.imap import RawImap
from tests.support.raw.smtp import RawSmtp

USER, SECRET, STEP = "monitor", "secret-of-the-application", 5.0  # seconds that one step may take
NONE = {"a token that there is not"}


@dataclass(frozen=True)
class Refused:
    """One login that was refused: seconds from the server's last line to the end of the client's part."""

    who: str
    seconds: float


def measure(rounds: int) -> list[Refused]:
    return asyncio.run(_all(rounds))


async def _all(rounds: int) -> list[Refused]:
    with tempfile.TemporaryDirectory() as folder, token_server() as tokens:
        tls = certificates.good(Path(folder))
        tokens.issuer.clients["app"] = Client(USER, SECRET)
        ways: Mapping[str, Callable[[], Awaitable[float]]] = {
            "ours: SMTP, XOAUTH2": lambda: _at_relay(tokens, tls, "XOAUTH2"),
            "ours: SMTP, OAUTHBEARER": lambda: _at_relay(tokens, tls, "OAUTHBEARER"),
            "ours: IMAP, XOAUTH2": lambda: _at_mailbox(tokens, tls, "XOAUTH2"),
            "ours: IMAP, OAUTHBEARER": lambda: _at_mailbox(tokens, tls, "OAUTHBEARER"),
            "aioimaplib: IMAP, XOAUTH2": _by_aioimaplib,
        }
        return [Refused(who, await way()) for _ in range(rounds) for who, way in ways.items()]


def _sections(tokens: TokenServer, tls: certificates.ServerTls, relay: RawSmtp, mailbox: RawImap) -> dict[str, object]:
    """A loop that logs in by token where there is TLS."""
    oauth = {"client_id": "app", "client_secret": SECRET, "token_url": tokens.url, "scope": "mail"}
    by_token = {"tls": "starttls", "ca_file": tls.ca_file, "username": USER, "oauth": oauth, "timeout": STEP}
    clear = {"tls": "none", "username": USER, "password": "of-the-other-leg"}
    mail = {"from_addr": "a@a.test", "to_addr": "b@b.test", "subject_prefix": "[bench]"}
    smtp = {"host": "localhost", "port": relay.port, **(by_token if relay.tls else clear), **mail}
    imap = {"host": "localhost", "port": mailbox.port, **(by_token if mailbox.tls else clear)}
    return {"name": "bench", "smtp": smtp, "imap": imap, "limits": {"max_wait": 30.0, "max_per_hour": 3600}}


async def _at_relay(tokens: TokenServer, tls: certificates.ServerTls, mechanism: str) -> float:
    async with RawSmtp(tls=tls.context, extensions=[f"AUTH {mechanism}"]) as relay, RawImap() as mailbox:
        return await _refused(relay, _sections(tokens, tls, relay, mailbox))


async def _at_mailbox(tokens: TokenServer, tls: certificates.ServerTls, mechanism: str) -> float:
    offered = f"IMAP4rev1 SASL-IR AUTH={mechanism}"
    async with RawSmtp() as relay, RawImap(tls=tls.context, capabilities=offered) as mailbox:
        return await _refused(mailbox, _sections(tokens, tls, relay, mailbox))


async def _refused(server: RawSmtp | RawImap, sections: dict[str, object]) -> float:
    """By the whole check, with its verdict: after a fresh token, which is refused as well."""
    server.logins.tokens = NONE
    result = await check(loop_config(sections))
    if result.cause is not Cause.TOKEN_REJECTED:
        raise SystemExit(f"not refused: {result.sentence}")
    return time.monotonic() - server.last_word


async def _by_aioimaplib() -> float:
    """What of the time was not the server's: its last line is the challenge, for that is never answered."""
    async with RawImap(capabilities="IMAP4rev1 AUTH=XOAUTH2") as mailbox:
        mailbox.logins.tokens = NONE
        client = IMAP4(mailbox.host, mailbox.port, timeout=STEP)
        await client.wait_hello_from_server()
        with suppress(TimeoutError):
            await client.xoauth2(USER, "refused")
        ended = time.monotonic() - mailbox.last_word
        client.protocol.transport.abort()
        return ended
