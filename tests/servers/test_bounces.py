"""Bounces that come to the sender, who is another one than the recipient, from a real relay."""

from __future__ import annotations

import asyncio
import smtplib
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from flows.direct import check
from tasks.mail.config.loop import LoopConfig, SmtpConfig, loop_config
from tasks.mail.model.outcome import ErrorType, Outcome, Status
from tasks.mail.model.result import LoopResult
from tasks.mail.probe.bounce import notice_of
from tasks.mail.probe.compose import compose
from tests.support.mail.notices import bounced
from tests.support.servers.lab import Lab, User
from tests.support.servers.loops import NAME, at, contents, fields
from tests.support.servers.processes import Endpoint, until

LONG = 120.0  # seconds that a check might wait, if it did not know better
SOON = 60.0  # seconds within which it does
SHORT = 3.0  # seconds after which a message that never comes is lost
PROMPT = 10.0  # seconds in which a delivery is told, on a busy machine


@pytest.fixture
def sender(lab: Lab) -> User:
    """Somebody else than the recipient."""
    return lab.fresh_user("sender")


def loop(
    lab: Lab,
    sender: User,
    user: User,
    to: str | None = None,
    *,
    smtp: Mapping[str, Any] | None = None,
    imap: bool = True,
    max_wait: float = LONG,
    **bounces: Any,
) -> LoopConfig:
    """From one user to the other, with the mailbox of the first watched for bounces."""
    sending, _ = fields(lab, sender, to or user.address, smtp)
    _, finding = fields(lab, user)
    _, back = fields(lab, sender, imap=bounces)
    sections = {"smtp": sending, "bounce_mailbox": {k: v for k, v in back.items() if k != "retry_delay"}}
    return loop_config(
        {"name": NAME, **sections, **({"imap": finding} if imap else {}), "limits": {"max_wait": max_wait}}
    )


async def checked(config: LoopConfig) -> LoopResult:
    async with asyncio.timeout(SOON):
        return await check(config)


def assert_bounced(result: LoopResult, sender: User, to: str) -> None:
    """With all that Postfix says of it."""
    assert (result.status, result.outcome, result.error_type) == (Status.ERROR, Outcome.BOUNCED, ErrorType.BOUNCED)
    assert result.bounce is not None
    assert (result.bounce.action, result.bounce.status, result.bounce.recipient) == ("failed", "5.1.1", to)
    assert result.bounce.diagnostic.startswith("550 5.1.1 ")
    assert result.bounce.reporting_mta == "relay.test"
    assert result.bounce.remote_mta
    assert result.bounce.mailbox.startswith(f"{sender.username} at ")
    assert result.bounce.folder == "INBOX"
    assert result.bounce.arrived_at is not None
    assert result.bounce.remote_mta in result.sentence
    assert result.bounce.diagnostic in result.sentence


@pytest.mark.parametrize("verp", [False, True], ids=["plain", "VERP"])
@pytest.mark.parametrize("imap", [True, False], ids=["both mailboxes", "the sender's alone"])
async def test_a_bounce_to_another_sender_ends_the_wait_and_is_on_record(
    lab: Lab, sender: User, user: User, verp: bool, imap: bool
) -> None:
    result = await checked(loop(lab, sender, user, user.plus("unknown"), smtp={"verp": verp}, imap=imap))
    assert_bounced(result, sender, user.plus("unknown"))
    (bounce,) = lab.mailbox(sender)
    expected = f"{sender.username}+{result.token}@inbox.test" if verp else sender.address
    assert (bounce["To"], result.envelope_from) == (expected, expected)
    assert lab.mailbox(user) == []


def test_what_sieve_rejects_is_a_bounce_with_its_reason(lab: Lab, sender: User, user: User) -> None:
    """A receipt of an automatic action, with an explanation and the original, as Dovecot writes it (RFC 5429).

    It does so for what is not marked as automatic; other servers look at the null sender alone.
    """
    to = user.plus("rejected")
    probe = compose(
        NAME, SmtpConfig(host="relay.test", from_addr=sender.address, to_addr=to, subject_prefix="[mail-loop]")
    )
    unmarked = probe.content.replace(b"Auto-Submitted: auto-generated\r\n", b"")
    with smtplib.SMTP(*lab.relay.submission, local_hostname="client.test", timeout=20) as client:
        client.starttls(context=lab.ssl_context())
        client.login(sender.username, sender.password)
        client.sendmail(sender.address, [probe.to_addr], unmarked)
    (receipt,) = until(lambda: lab.mailbox(sender) or None, lambda: f"nothing came:\n{lab.dovecot.log()[-4000:]}")
    assert receipt.get_param("report-type") == "disposition-notification"
    found = notice_of(receipt.as_bytes(), probe)
    assert found == bounced("", "No mail from monitors, please.", probe.to_addr, "mail.test", "")
    assert lab.mailbox(user) == []


async def test_what_dovecots_sieve_rejects_of_automatic_mail_is_lost_without_a_word(
    lab: Lab, sender: User, user: User
) -> None:
    """It writes nothing to the sender of what is marked as automatic, as docs/diagnosis.md says."""
    result = await checked(loop(lab, sender, user, user.plus("rejected"), max_wait=SHORT))
    assert (result.status, result.outcome) == (Status.ERROR, Outcome.LOST), result.sentence
    assert lab.mailbox(sender) == lab.mailbox(user) == []
    assert "Auto-submitted message discarded" in lab.dovecot.log()


async def test_a_bounce_is_left_where_it_is_with_all_else_in_the_senders_mailbox(
    lab: Lab, sender: User, user: User
) -> None:
    lab.fill(sender, 300)
    before = contents(lab, sender)
    assert (await checked(loop(lab, sender, user, user.plus("unknown")))).outcome is Outcome.BOUNCED
    after = contents(lab, sender)
    assert len(after) == len(before) + 1
    assert before.items() < after.items()


async def test_a_delivery_with_an_envelope_sender_of_its_own_shows_the_configured_one(
    lab: Lab, sender: User, user: User
) -> None:
    config = loop(lab, sender, user, smtp={"verp": True})
    assert config.imap is not None
    kept = config.model_copy(update={"imap": config.imap.model_copy(update={"delete_after_check": False})})
    result = await checked(kept)
    assert (result.status, result.outcome) == (Status.OK, Outcome.DELIVERED), result.sentence
    (message,) = lab.mailbox(user)
    assert message["Return-Path"] == f"<{sender.username}+{result.token}@inbox.test>"
    assert message["From"] == sender.address
    assert result.notes == ()


@asynccontextmanager
async def black_hole() -> AsyncIterator[Endpoint]:
    """A server that takes connections, and never says a word."""

    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(swallow, "127.0.0.1", 0) as server:
        yield Endpoint(*server.sockets[0].getsockname()[:2])


@pytest.mark.parametrize("kind", ["down", "wrong password", "black hole"])
async def test_a_bounce_mailbox_that_fails_is_a_note_and_changes_no_verdict(
    lab: Lab, sender: User, user: User, kind: str
) -> None:
    async with black_hole() as silent:
        faults: dict[str, dict[str, Any]] = {
            "down": at(lab.closed),
            "wrong password": {"password": "not the password"},
            "black hole": at(silent),
        }
        begun = time.monotonic()
        result = await checked(loop(lab, sender, user, **faults[kind]))
        assert time.monotonic() - begun < PROMPT
        assert (result.status, result.outcome) == (Status.OK, Outcome.DELIVERED), result.sentence
        lost = await checked(loop(lab, sender, user, user.plus("discard"), max_wait=SHORT, **faults[kind]))
    assert (lost.status, lost.outcome) == (Status.ERROR, Outcome.LOST), lost.sentence
    for told in (result, lost):
        (note,) = told.notes
        assert note.startswith(f"The bounce mailbox of {sender.username} at ")
        assert "no bounce would have been seen" in note
        assert "not the password" not in told.model_dump_json()
    assert lab.dovecot.auth_failures(sender.username) == (2 if kind == "wrong password" else 0)
    assert lab.mailbox(user) == []


async def test_without_the_recipients_mailbox_no_bounce_in_time_is_good_news(
    lab: Lab, sender: User, user: User
) -> None:
    result = await checked(loop(lab, sender, user, imap=False, max_wait=SHORT))
    assert (result.status, result.outcome) == (Status.OK, Outcome.DELIVERED)
    assert "and no bounce came within 3 s; whether it arrives was not looked at." in result.sentence
