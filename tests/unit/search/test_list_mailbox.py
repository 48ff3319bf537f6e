"""A second protocol is one file and one line, on either leg: what a check says does not depend on it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import pytest

from tasks.mail.config.loop import CheckConfig, SmtpConfig, loop_config
from tasks.mail.config.secrets import EnvironmentPasswords
from tasks.mail.engine import Context, PlainSteps, run_check
from tasks.mail.mailboxes.registry import MAILBOXES
from tasks.mail.model.facts import Receipt
from tasks.mail.model.moment import Moment
from tasks.mail.model.result import LoopResult
from tasks.mail.probe.compose import Probe
from tasks.mail.senders.registry import SENDERS
from tests.support.list_mailbox import ListMailbox, ListSection
from tests.support.mail.notices import gmail, received

Arrive = Callable[[ListMailbox, bytes], object]


class HandOver(SmtpConfig):
    """A section of its own."""

    protocol: ClassVar[str] = "hand-over"


@dataclass
class HandingOver:
    """A Sender: whatever is sent is taken, and this becomes of it."""

    box: ListMailbox
    arrive: Arrive

    async def send(self, probe: Probe, started: Moment) -> Receipt:
        self.arrive(self.box, received(probe.content))
        return Receipt(probe.id, probe.token, started, Moment.now(), 250, "2.0.0 Ok")


async def checked(monkeypatch: pytest.MonkeyPatch, box: ListMailbox, arrive: Arrive) -> LoopResult:
    monkeypatch.setitem(MAILBOXES, "list", box.open)
    monkeypatch.setitem(SENDERS, "hand-over", lambda section: HandingOver(box, arrive))
    addresses = {"from_addr": "a@a.test", "to_addr": "b@b.test", "subject_prefix": "[x]"}
    smtp = HandOver.model_validate({"host": "relay.test", **addresses})
    section = ListSection.model_validate({"host": "list.test", "username": "b", "password": "secret"})
    limits = {"max_wait": 1.5, "warn_after": 0.5}
    loop = loop_config({"name": "by-list", "smtp": smtp, "imap": section, "limits": limits})

    async def record(result: LoopResult, check: CheckConfig) -> None:
        pass

    return await run_check(loop, Context(PlainSteps(), EnvironmentPasswords()), record)


def later(box: ListMailbox, raw: bytes) -> None:
    asyncio.get_running_loop().call_later(0.8, box.deliver, raw)


def bounce(box: ListMailbox, raw: bytes) -> None:
    box.deliver(b"Received: from mx.test by list.test; Mon, 2 Mar 2026 00:00:00 +0000\r\n" + gmail(raw))


CASES: dict[str, Arrive] = {
    "delivered": lambda box, raw: box.deliver(raw),
    "late": later,
    "junked": lambda box, raw: box.deliver(raw, "Junk"),
    "lost": lambda box, raw: None,
    "bounced": bounce,
}


@pytest.mark.parametrize("outcome", CASES)
async def test_the_outcome_is_that_of_any_mailbox(outcome: str, monkeypatch: pytest.MonkeyPatch) -> None:
    box = ListMailbox()
    result = await checked(monkeypatch, box, CASES[outcome])
    assert (result.outcome, result.error_msg if outcome == "delivered" else None) == (outcome, None)


async def test_the_probe_is_collected_and_what_others_sent_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    box = ListMailbox()
    box.deliver(b"Subject: not ours\r\nFrom: c@c.test\r\n\r\nhello\r\n")
    result = await checked(monkeypatch, box, CASES["delivered"])
    assert [one is not None for one in box.messages] == [True, False]
    assert (result.outcome, result.matched_uids, result.folder) == ("delivered", (2,), "INBOX")
