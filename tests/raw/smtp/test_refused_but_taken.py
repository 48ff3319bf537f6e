"""A relay that refuses a message after the final dot, and has taken it all the same: the mailbox decides."""

from __future__ import annotations

import pytest

from flows.direct import check
from tasks.mail.config.loop import loop_config
from tasks.mail.model.outcome import Outcome, Status
from tasks.mail.model.result import LoopResult
from tests.support.raw.imap import RawImap
from tests.support.raw.server import Line
from tests.support.raw.smtp import RawSmtp

NOT_NOW = b"451 4.3.0 not now\r\n"
NEVER = b"554 5.6.0 never\r\n"
ACCEPTED = b"250 2.0.0 Ok: queued as RAW0001\r\n"


class Taker(RawSmtp):
    """Lays each message into the mailbox before it answers."""

    def __init__(self, mailbox: RawImap, *replies: bytes) -> None:
        super().__init__({"eod": list(replies)})
        self.mailbox = mailbox

    async def reply(self, line: Line, phase: str, default: bytes, tag: bytes = b"") -> bytes:
        if phase == "eod":
            self.mailbox.append(self.messages[-1])
        return await super().reply(line, phase, default, tag)


async def run(relay: RawSmtp, mailbox: RawImap, retries: int = 1) -> LoopResult:
    address = "probe@localhost"
    smtp = {
        "from_addr": address,
        "to_addr": address,
        "subject_prefix": "[loop]",
        "retries": retries,
        "retry_delay": 0.0,
    }
    imap = {"username": "probe", "password": "secret"}
    servers = {"host": "127.0.0.1", "tls": "none"}
    async with relay, mailbox:
        return await check(
            loop_config(
                {
                    "name": "raw",
                    "smtp": {**servers, **smtp, "port": relay.port},
                    "imap": {**servers, **imap, "port": mailbox.port},
                    "limits": {"max_wait": 10.0},
                }
            )
        )


async def test_both_copies_are_found_told_and_removed() -> None:
    mailbox = RawImap()
    relay = Taker(mailbox, NOT_NOW, ACCEPTED)
    result = await run(relay, mailbox)
    assert (result.status, result.outcome, result.copies) == (Status.WARNING, Outcome.DUPLICATED, 2)
    assert (result.attempts, result.attempt_errors[0].smtp_code, result.queue_id) == (2, 451, "RAW0001")
    assert "arrived 2 times" in result.sentence
    assert (len(relay.messages), mailbox.messages) == (2, [])


async def test_refused_for_now_each_time_it_is_delivered_by_what_arrived() -> None:
    mailbox = RawImap()
    result = await run(Taker(mailbox, NOT_NOW, NOT_NOW), mailbox)
    assert (result.outcome, result.copies, result.attempts) == (Outcome.DUPLICATED, 2, 2)
    assert mailbox.messages == []


@pytest.mark.parametrize("refusal", [NOT_NOW, NEVER])
async def test_a_refusal_is_outweighed_by_the_message_itself(refusal: bytes) -> None:
    mailbox = RawImap()
    result = await run(Taker(mailbox, refusal), mailbox, retries=0)
    assert (result.status, result.outcome, result.attempts) == (Status.OK, Outcome.DELIVERED, 1)
    assert f"never confirmed: {refusal.decode().strip()}; in doubt, settled by arrival" in result.sentence
    assert (result.accepted_at, result.attempt_errors[0].error_msg) == (None, refusal.decode().strip())


@pytest.mark.parametrize(("refusal", "outcome"), [(NOT_NOW, Outcome.DEFERRED), (NEVER, Outcome.REJECTED)])
@pytest.mark.parametrize("readable", [True, False])
async def test_where_it_did_not_arrive_the_refusal_stands(refusal: bytes, outcome: Outcome, readable: bool) -> None:
    mailbox = RawImap({} if readable else {"authenticate": b"{tag} NO not today\r\n"})
    result = await run(RawSmtp({"eod": refusal}), mailbox)
    assert (result.outcome, result.leg, result.stage) == (outcome, "smtp", "data")
    assert result.response_code == result.smtp_code == int(refusal[:3])
    assert mailbox.connections == 1


async def test_a_refusal_before_the_message_went_out_is_not_looked_for() -> None:
    mailbox = RawImap()
    result = await run(RawSmtp({"data": NOT_NOW}), mailbox)
    assert (result.outcome, mailbox.connections) == (Outcome.DEFERRED, 0)
