"""Tokens on either leg: what goes wrong at the token endpoint, and with a token that a server refuses."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from tasks.mail.model.outcome import ErrorType
from tasks.mail.model.result import LoopResult
from tests.faults.cells import Cell, Expected, Ground
from tests.faults.scripted import AMPLE, SHORT, Leg, Script, delivered, loop, with_login
from tests.support.oauth.given import Given
from tests.support.oauth.issuing import Client
from tests.support.oauth.server import Reply, TokenServer, token_server
from tests.support.raw.imap import RawImap
from tests.support.raw.smtp import RawSmtp

MECHANISMS = ("XOAUTH2", "OAUTHBEARER")

REFUSED, FAILED = ErrorType.AUTH, ErrorType.CONNECTION
# What the endpoint says instead of giving a token, and how it is told.
FAULTS: Mapping[str, tuple[Reply, ErrorType]] = {
    "close": (Reply(drop=True), FAILED),
    "silence": (Reply(delay=60.0), ErrorType.TIMEOUT),
    "one byte a second": (Reply(body={"access_token": "x" * 200}, drip=0.2), ErrorType.TIMEOUT),
    "garbage": (Reply(200, b"<html>log in</html>"), FAILED),
    "16 MB": (Reply(200, b" " * 2**24), FAILED),
    "sent on": (Reply(302, headers={"Location": "http://localhost:1/token"}), FAILED),
    "HTTP 400": (Reply(400, {"error": "invalid_grant"}), REFUSED),
    "HTTP 401": (Reply(401, {"error": "invalid_client"}), REFUSED),
    "HTTP 403": (Reply(403, {"error": "access_denied"}), REFUSED),
    "HTTP 408": (Reply(408, b""), FAILED),
    "HTTP 429": (Reply(429, {"error": "slow_down"}), FAILED),
    "HTTP 503": (Reply(503, b"<html>"), FAILED),
}


@dataclass(frozen=True)
class ByToken:
    """One leg logs in by token. `reply` is what the endpoint says, once or always; `refused`: how many tokens are.

    `asked`: how often the endpoint must have been, `connections` how many the server must have seen.
    """

    leg: Leg
    mechanism: str = "XOAUTH2"
    reply: Reply | None = None
    once: bool = False
    refused: int = 0
    script: Script | None = None
    timeout: float = AMPLE
    max_wait: float = AMPLE
    asked: int | None = None
    connections: int | None = None
    reachable: bool = True

    async def __call__(self, ground: Ground) -> LoopResult:
        tls, script = ground.tls(), dict(self.script or {})
        relay, mailbox = RawSmtp(), RawImap()
        if self.leg == "smtp":
            relay = RawSmtp(script, tls=tls.context, extensions=[f"AUTH {self.mechanism}"])
        else:
            offered = f"IMAP4rev1 SASL-IR IDLE UIDPLUS SPECIAL-USE AUTH={self.mechanism}"
            mailbox = RawImap(script, tls=tls.context, capabilities=offered)
        server = relay if self.leg == "smtp" else mailbox
        with ExitStack() as held:
            tokens = held.enter_context(token_server())
            if not self.reachable:
                held.close()
            server.logins.tokens = Given(tokens, self.refused)
            async with relay, mailbox:
                relay.deliver = mailbox.append
                config = loop(self.leg, relay, mailbox, tls, "starttls", self.timeout, self.max_wait)
                section = {"password": None, "oauth": self._section(tokens)}
                result = await ground.check(with_login(config, self.leg, section))
            assert self.asked in (None, tokens.count()), f"the endpoint was asked {tokens.count()} times"
        assert self.connections in (None, server.connections), f"{server.connections} connections"
        assert server.played >= set(script), f"not reached: {set(script) - server.played}"
        return result

    def _section(self, tokens: TokenServer) -> dict[str, str]:
        """Of an application of its own: no other cell has its token."""
        name, secret = f"app-{secrets.token_hex(4)}", secrets.token_urlsafe(24)
        tokens.issuer.clients[name] = Client("monitor", secret)
        if self.reply is not None and self.once:
            tokens.script.append(self.reply)
        elif self.reply is not None:
            tokens.always = self.reply
        return {"client_id": name, "client_secret": secret, "token_url": tokens.url, "scope": "mail"}


Failed = Callable[[str, ErrorType], Expected]
"""What the contracts say of a stage that fails in this way."""


def cells(leg: Leg, failed: Failed, refused: Failed, stage: str, brief: float, over: float) -> Iterator[Cell]:
    """`failed` and `refused`: what becomes of the check; `stage` is the login's, and so is its name in the table.

    The mailbox is asked for until the time is over: `brief`, or `over` where each try takes all of it.
    """
    named = {"auth": "AUTH", "login": "login"}[stage]
    closed = ByToken(leg, reachable=False, max_wait=brief, connections=0)
    yield Cell(leg, "token", "refused", failed("token", ErrorType.CONNECTION), closed)
    for fault, (reply, kind) in FAULTS.items():
        final, silent = kind is ErrorType.AUTH, kind is ErrorType.TIMEOUT
        must = (refused if final else failed)("token", kind)
        options: dict[str, Any] = {"timeout": SHORT if silent else AMPLE, "connections": 0}
        wait = AMPLE if final else over if silent else brief
        # What the endpoint refuses is not asked for again; what is out of order at the relay's login, neither.
        asked = 1 if final or leg == "smtp" else None
        yield Cell(leg, "token", fault, must, ByToken(leg, reply=reply, max_wait=wait, asked=asked, **options))
        if leg == "imap" and not final:
            run = ByToken(leg, reply=reply, once=True, timeout=options["timeout"], asked=2, connections=1)
            yield Cell(leg, "token", f"{fault}, once", delivered(), run)
    for mechanism in MECHANISMS:
        taken = ByToken(leg, mechanism, refused=1, asked=2, connections=2)
        yield Cell(leg, named, f"token refused, once ({mechanism})", delivered(), taken)
        never = ByToken(leg, mechanism, refused=9, asked=2, connections=2)
        yield Cell(leg, named, f"token refused ({mechanism})", refused(stage, ErrorType.AUTH), never)
