"""One running check per loop: Prefect shows a second one as skipped, and one message is sent."""

from __future__ import annotations

import asyncio

import pytest
from prefect.client.schemas.objects import StateType

from flows.mail_loop import mail_loop_check
from flows.through_prefect import check_through_prefect
from tasks.mail.config.loop import Limits, loop_config
from tasks.mail.model.outcome import Outcome
from tasks.mail.report.formats import escape
from tasks.mail.run_lock import hold_run
from tasks.sandbox import Sandbox, Script
from tests.prefect.records import SOCKETS_LEFT_OPEN, USER, Records, count, imap, smtp

pytestmark = pytest.mark.filterwarnings(SOCKETS_LEFT_OPEN)


async def test_a_second_check_of_a_loop_ends_at_once_as_cancelled_skipped(
    box: Sandbox, records: Records, name: str
) -> None:
    """Neither a success nor a failure of mail: Prefect calls that cancelled."""
    relay, mailbox = smtp(box), imap(box)
    with hold_run(loop_config({"name": name, "smtp": relay, "imap": mailbox})):
        state = await mail_loop_check(name, relay, mailbox, return_state=True)
    assert (state.type, state.name) == (StateType.CANCELLED, "Skipped")
    assert state.message is not None
    assert state.message.startswith("Nothing was sent: another check of this loop is running (process ")
    (artifact,) = await records.artifacts(f"mail-loop-{name}")
    assert artifact["data"].startswith(f"**{escape(name)}: warning (skipped)**")
    assert count(box, "DATA") == 0


async def test_two_checks_of_a_loop_that_begin_at_once_send_one_message(
    box: Sandbox, records: Records, name: str
) -> None:
    box.play(Script(delay=2.0))
    config = loop_config(
        {"name": name, "smtp": smtp(box), "imap": imap(box, delete_after_check=False), "limits": Limits(max_wait=20.0)}
    )
    results = await asyncio.gather(*(check_through_prefect(config) for _ in range(2)))
    assert sorted(result.outcome for result in results) == [Outcome.DELIVERED, Outcome.SKIPPED]
    assert len(await box.folder(USER)) == count(box, "DATA") == 1
