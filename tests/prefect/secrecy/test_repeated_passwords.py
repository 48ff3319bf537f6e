"""Whatever runs a check, no record of Prefect's, log or result holds a password that a server or an error repeats."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from prefect.client.schemas.objects import State
from prefect.logging.handlers import APILogHandler
from pydantic import SecretStr

from flows.direct import check
from flows.fleet import fleet_check
from flows.inbound import inbound_check
from flows.loop_matrix import loop_matrix
from flows.mail_loop import mail_loop_check
from tasks.mail.config.loop import ImapConfig, Limits, SmtpConfig, loop_config
from tasks.mail.model.outcome import ErrorType, Outcome
from tasks.mail.model.redaction.redactor import HIDDEN
from tasks.mail.model.result import LoopResult
from tests.prefect.records import SOCKETS_LEFT_OPEN, columns
from tests.support.checks.flow_checks import only_result
from tests.support.checks.sample import sampled
from tests.support.raw.hostile_places import Scene, scene
from tests.support.raw.repeating_places import PASSWORD, PASSWORDS, REPEATING, USER, left

pytestmark = [pytest.mark.filterwarnings(SOCKETS_LEFT_OPEN), pytest.mark.usefixtures("server")]

SECRET = "repeated-password"
ENTROPY = 16  # octets that only a probe's id takes at once

Engine = Callable[[Scene, str], Awaitable["State[Any] | LoopResult"]]


@pytest.fixture(autouse=True)
def _password(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a check of a fleet finds it: its configuration names it only."""
    monkeypatch.setenv("REPEATED_PASSWORD", PASSWORD)


def smtp(at: Scene, **changes: Any) -> dict[str, Any]:
    relay = {"host": at.smtp.host, "port": at.smtp.port, "tls": "none", "retries": 0, "subject_prefix": "[hostile]"}
    return relay | {"from_addr": "probe@raw.test"} | changes


def imap(at: Scene, **changes: Any) -> dict[str, Any]:
    mailbox = {"host": at.imap.host, "port": at.imap.port, "tls": "none", "username": USER, "retry_delay": 0.1}
    return mailbox | changes


LIMITS: dict[str, Any] = {"max_wait": 2.0, "max_per_hour": 3600}
TO = {"to_addr": "box@raw.test"}
CLEAR = {"password": SecretStr(PASSWORD)}
NAMED = {"password_secret": SECRET}


async def by_flow(at: Scene, name: str) -> State[Any]:
    sections = SmtpConfig(**smtp(at, **TO)), ImapConfig(**imap(at, **NAMED)), Limits(**LIMITS)
    state: State[Any] = await mail_loop_check(name, *sections, return_state=True)
    return state


async def by_fleet(at: Scene, name: str) -> State[Any]:
    loops = {name: {"smtp": smtp(at, **TO), "imap": imap(at, **NAMED), "limits": LIMITS}}
    state: State[Any] = await fleet_check(name, loops=loops, return_state=True)
    return state


async def by_matrix(at: Scene, name: str) -> State[Any]:
    receivers = {"box": imap(at, **NAMED, address="box@raw.test")}
    given: Any = {"senders": {"relay": smtp(at)}, "receivers": receivers, "limits": LIMITS}
    state: State[Any] = await loop_matrix(name, **given, return_state=True)
    return state


async def by_itself(at: Scene, name: str) -> LoopResult:
    sections = {"smtp": smtp(at, **TO), "imap": imap(at, **NAMED), "limits": LIMITS}
    return await check(loop_config({"name": name, **sections}))


async def by_inbound(at: Scene, name: str) -> State[Any]:
    mailbox = ImapConfig(**imap(at, **NAMED, search_subject="[hostile]", retries=0))
    state: State[Any] = await inbound_check(mailbox, name, return_state=True)
    return state


PLACES = ("a folder's name", "a bounce", "a refusal", "Received", "Authentication-Results")
ENGINES: dict[str, Engine] = {"flow": by_flow, "fleet": by_fleet, "matrix": by_matrix, "direct": by_itself}


@asynccontextmanager
async def watched(home: Path, caplog: pytest.LogCaptureFixture, capfd: Any) -> AsyncIterator[None]:
    """Afterwards nothing of the password is in the log, the output, Prefect's database and its files."""
    caplog.set_level("DEBUG")
    yield
    await APILogHandler.aflush()
    out, err = capfd.readouterr()
    kept = {"log": caplog.text, "stdout": out, "stderr": err}
    assert {where: left(text) for where, text in kept.items() if left(text)} == {}
    records = [(where, left(data.decode(errors="replace"))) for where, data in columns(home / "prefect.db")]
    assert [(where, found) for where, found in records if found] == []


@pytest.mark.parametrize(("engine", "place"), sampled(product(ENGINES, PLACES), 6))
async def test_what_a_server_repeats_is_on_no_record(
    engine: str, place: str, home: Path, name: str, caplog: pytest.LogCaptureFixture, capfd: Any
) -> None:
    async with watched(home, caplog, capfd):
        async with scene() as at:
            REPEATING[place](at, PASSWORDS)
            found = await ENGINES[engine](at, f"{name[:30]}-{engine}")
        result = await only_result(found)
    assert left(result.model_dump_json()) == []
    assert HIDDEN in result.model_dump_json()
    if isinstance(found, State):
        assert left(str(found.message)) == []


@pytest.mark.parametrize("place", ["a subject", "a refused login"])
async def test_nor_is_it_of_an_inbound_check(
    place: str, home: Path, name: str, caplog: pytest.LogCaptureFixture, capfd: Any
) -> None:
    async with watched(home, caplog, capfd), scene() as at:
        REPEATING[place](at, PASSWORDS)
        result = await only_result(await by_inbound(at, name))
    assert left(result.model_dump_json()) == []
    assert HIDDEN in result.model_dump_json()


@pytest.mark.parametrize("engine", sampled(ENGINES, 2))
async def test_nor_is_an_error_that_nobody_foresaw(
    engine: str, home: Path, name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capfd: Any
) -> None:
    """The environment breaks once the passwords are in place, and says so with all of them."""
    token_hex = secrets.token_hex

    def broken(octets: int | None = None) -> str:
        if octets == ENTROPY:
            raise RuntimeError(f"no entropy for {PASSWORDS.words}")
        return token_hex(octets)

    monkeypatch.setattr("secrets.token_hex", broken)
    async with watched(home, caplog, capfd):
        async with scene() as at:
            found = await ENGINES[engine](at, f"{name[:30]}-{engine}")
        result = await only_result(found)
    assert (result.outcome, result.error_type) == (Outcome.UNVERIFIED, ErrorType.UNEXPECTED)
    assert left(result.model_dump_json()) == []
    assert f"RuntimeError: no entropy for {HIDDEN}" in result.sentence
    assert "Traceback (most recent call last)" in caplog.text
    assert f"RuntimeError: no entropy for {HIDDEN}" in caplog.text
    if isinstance(found, State):
        assert (found.name, left(str(found.message))) == ("Unverified", [])


async def test_nor_is_one_of_an_inbound_check(
    home: Path, name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capfd: Any
) -> None:
    transport = "asyncio.selector_events._SelectorSocketTransport.write"
    from asyncio.selector_events import _SelectorSocketTransport  # type: ignore[attr-defined]

    write = _SelectorSocketTransport.write

    def broken(self: Any, data: bytes) -> None:
        if b" AUTHENTICATE " in bytes(data)[:30]:
            raise RuntimeError(f"cannot send {bytes(data)!r} or {PASSWORDS.words}")
        write(self, data)

    monkeypatch.setattr(transport, broken)
    async with watched(home, caplog, capfd), scene() as at:
        result = await only_result(await by_inbound(at, name))
    assert result.error_type is ErrorType.UNEXPECTED
    assert left(result.model_dump_json()) == []
    assert "RuntimeError: cannot send b" in caplog.text


async def test_what_looks_for_the_password_finds_it_on_record(home: Path, name: str) -> None:
    from prefect.variables import Variable

    await Variable.aset("repeated_password", f"see {PASSWORD.upper()}")
    try:
        assert any(left(data.decode(errors="replace")) for _, data in columns(home / "prefect.db"))
    finally:
        await Variable.aunset("repeated_password")
