"""One quirk of each mail server of the world: by the flow, by `--direct` and in a fleet the verdict is the same."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from flows.direct import check as directly
from flows.fleet import fleet_check
from tasks.mail.config.loop import loop_config
from tasks.mail.model.cause import Cause
from tasks.mail.model.errors import MatrixFailed
from tasks.mail.model.outcome import Outcome
from tasks.mail.model.result import LoopResult
from tests.prefect.records import SOCKETS_LEFT_OPEN
from tests.support.checks.flow_checks import check as by_the_flow
from tests.support.checks.rounds import Relay
from tests.support.raw.profiles import PROFILES, Profile, World
from tests.support.raw.server import Action

pytestmark = [pytest.mark.filterwarnings(SOCKETS_LEFT_OPEN), pytest.mark.usefixtures("server")]


@dataclass(frozen=True)
class Quirk:
    """A mailbox server, what the relay answers, and what must come out."""

    mailbox: Profile = field(default_factory=Profile)
    relay: Mapping[str, Action] = field(default_factory=dict)
    outcome: Outcome = Outcome.DELIVERED
    cause: Cause | None = None


REFUSALS = {
    "put off for good": Quirk(
        Profile(script={"authenticate": b"{tag} NO [ALERT] Too many simultaneous connections\r\n"}),
        outcome=Outcome.UNVERIFIED,
        cause=Cause.RATE_LIMIT,
    ),
    "password refused": Quirk(
        Profile(script={"authenticate": b"{tag} NO [AUTHENTICATIONFAILED] Invalid credentials\r\n"}),
        outcome=Outcome.UNVERIFIED,
        cause=Cause.WRONG_PASSWORD,
    ),
    "sender not owned": Quirk(
        relay={"rcpt": b"553 5.7.1 <bob@localhost.test>: Sender address rejected: not owned by user bob\r\n"},
        outcome=Outcome.REJECTED,
        cause=Cause.SENDER_NOT_ALLOWED,
    ),
    "too fast": Quirk(
        relay={"mail": b"421 4.7.0 Too many connections from you\r\n"},
        outcome=Outcome.DEFERRED,
        cause=Cause.RATE_LIMIT,
    ),
}
ONE_OF_EACH = {re.split(r",| in ", name)[0]: Quirk(profile) for name, profile in PROFILES.items()}
QUIRKS = {**ONE_OF_EACH, **REFUSALS}
Told = tuple[Outcome, Cause | None, str]


@asynccontextmanager
async def served(quirk: Quirk) -> AsyncIterator[dict[str, Any]]:
    """The sections of a loop between a relay and a mailbox server of its own."""
    async with Relay(quirk.relay) as relay, World(quirk.mailbox) as mailbox:
        relay.arrive = mailbox.append
        address = {"from_addr": "bob@localhost.test", "to_addr": "bob@localhost.test", "subject_prefix": "[quirk]"}
        login = {"username": "bob", "password_secret": "u0-password"}
        yield {
            "smtp": {"host": relay.host, "port": relay.port, "tls": "none", **address, "retry_delay": 0, "retries": 1},
            "imap": {"host": mailbox.host, "port": mailbox.port, "tls": "none", **login, "retry_delay": 0.1},
            "limits": {"max_wait": 20.0},
        }


def told(result: LoopResult) -> Told:
    """What is said, but for ports and times."""
    sentence = re.sub(r"127\.0\.0\.1:\d+", "server", result.sentence)
    return result.outcome, result.cause, re.sub(r"\d+(?:\.\d+)? m?s\b", "so long", sentence)


async def flow(name: str, quirk: Quirk) -> Told:
    async with served(quirk) as sections:
        _, result = await by_the_flow(slug(name), sections["smtp"], sections["imap"], sections["limits"])
        return told(result)


async def direct(name: str, quirk: Quirk) -> Told:
    async with served(quirk) as sections:
        return told(await directly(loop_config({"name": slug(name), **sections})))


async def fleet() -> dict[str, Told]:
    """All of them in one run."""
    async with AsyncExitStack() as servers:
        loops = {slug(name): await servers.enter_async_context(served(quirk)) for name, quirk in QUIRKS.items()}
        state = await fleet_check("engines", loops=loops, return_state=True)
        found: Any = await state.aresult(raise_on_failure=False)
    return {one.loop: told(one) for one in (found.results if isinstance(found, MatrixFailed) else found)}


def slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", f"engines-{name}".lower()).strip("-")[:60]


async def test_the_engines_say_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("U0_PASSWORD", "secret")
    together = await fleet()
    alone = dict(zip(QUIRKS, await asyncio.gather(*(direct(*one) for one in QUIRKS.items())), strict=True))
    for name, quirk in QUIRKS.items():
        assert alone[name][:2] == (quirk.outcome, quirk.cause), name
        assert together[slug(name)] == alone[name], name
        assert await flow(name, quirk) == alone[name], name
