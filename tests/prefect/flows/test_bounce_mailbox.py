"""The sender's mailbox as a parameter of the flow: watched, on record, and its password nowhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from prefect.blocks.system import Secret
from prefect.client.schemas.objects import State
from pydantic import SecretStr

from flows.mail_loop import mail_loop_check
from flows.through_prefect import check_through_prefect, result_of
from tasks.mail.config.loop import ImapConfig, Limits, SmtpConfig, loop_config
from tasks.mail.config.mailbox import BounceMailbox
from tasks.mail.model.outcome import Outcome
from tasks.mail.model.result import LoopResult
from tests.prefect.records import SOCKETS_LEFT_OPEN, Records, places_of
from tests.support.checks.rounds import report
from tests.support.raw.imap import RawImap
from tests.support.raw.smtp import RawSmtp

pytestmark = pytest.mark.filterwarnings(SOCKETS_LEFT_OPEN)

CANARY = "canary-of-the-bounce-mailbox"


def sections(relay: RawSmtp, mailbox: RawImap, back: RawImap, **login: Any) -> tuple[Any, Any, Limits, Any]:
    addresses = {"from_addr": "ann@raw.test", "to_addr": "bob@raw.test", "subject_prefix": "[bounces]"}
    smtp = SmtpConfig.model_validate({"host": relay.host, "port": relay.port, "tls": "none", **addresses})
    password = {"tls": "none", "password": SecretStr("another-password")}
    imap = ImapConfig.model_validate({"host": mailbox.host, "port": mailbox.port, "username": "bob", **password})
    bounces = {"host": back.host, "port": back.port, "tls": "none", "username": "ann", **login}
    return smtp, imap, Limits(max_wait=30.0), BounceMailbox.model_validate(bounces)


async def bounced(name: str, **login: Any) -> tuple[State[Any], LoopResult]:
    async with RawSmtp() as relay, RawImap() as mailbox, RawImap() as back:
        relay.deliver = lambda raw: back.append(report(raw))
        given = sections(relay, mailbox, back, **login)
        state: State[Any] = await mail_loop_check(name, *given, return_state=True)
    return state, await result_of(state)


async def test_a_bounce_to_the_sender_ends_the_run_bounced_with_its_record(
    records: Records, home: Path, name: str
) -> None:
    """The password comes from a Secret block, which is for the bounce mailbox alone."""
    await Secret(value=CANARY).save("bounce-block")
    state, result = await bounced(name, password_secret="bounce-block")
    assert (state.type, state.name, state.message) == ("FAILED", "Bounced", result.sentence)
    (artifact,) = await records.artifacts(f"mail-loop-{name}")
    assert "### The bounce" in artifact["data"]
    assert "`550 5.1.1 No such user`" in artifact["data"]
    assert "| bounce&#95;mailbox.username | `ann` |" in artifact["data"]
    assert places_of(CANARY, home) == []


async def test_a_password_in_clear_is_neither_stored_nor_shown(records: Records, home: Path, name: str) -> None:
    state, result = await bounced(name, password=SecretStr(f"{CANARY}-in-clear"))
    assert state.name == "Bounced"
    stored = (await records.flow_run(result)).parameters["bounce_mailbox"]
    assert (stored["username"], stored["password"]) == ("ann", "********")
    assert places_of(f"{CANARY}-in-clear", home) == []


async def test_a_secret_that_does_not_exist_sends_nothing(name: str) -> None:
    state, result = await bounced(name, password_secret="no-such-block")
    assert (state.name, result.attempts) == ("Misconfigured", 0)
    assert "bounce_mailbox.password_secret: there is no Prefect Secret block 'no-such-block'" in result.sentence


async def test_a_check_from_a_file_takes_its_bounce_mailbox_along(server: str, name: str) -> None:
    async with RawSmtp() as relay, RawImap() as mailbox, RawImap() as back:
        relay.deliver = lambda raw: back.append(report(raw))
        names = ("smtp", "imap", "limits", "bounce_mailbox")
        given = sections(relay, mailbox, back, password=SecretStr("x"))
        result = await check_through_prefect(loop_config({"name": name, **dict(zip(names, given, strict=True))}))
    assert result.outcome is Outcome.BOUNCED
