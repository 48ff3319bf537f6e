"""A bounce that goes to another mailbox: it ends the wait, and whatever else becomes of that mailbox is a note."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from flows.direct import check
from tasks.mail.config.loop import LoopConfig, loop_config
from tasks.mail.model.outcome import ErrorType, Outcome, Status
from tasks.mail.model.result import LoopResult
from tests.support.checks.rounds import LONG, SHORT, SOON, Relay, report
from tests.support.left_behind import nothing_is_left_behind as nothing_is_left_behind
from tests.support.raw.imap import RawImap
from tests.support.raw.server import DEFAULT, DROP, SILENCE, Action, Slow

Script = Mapping[str, Action | Sequence[Action]]
PROMPT = 4.0  # seconds within which a verdict is told that does not wait for the bounce mailbox
REFUSED = b"{tag} NO [AUTHENTICATIONFAILED] no\r\n"
UNSEEN = "so no bounce would have been seen"


@dataclass
class Round:
    """A relay and two mailboxes: the recipient's and the sender's."""

    relay: Relay
    mailbox: RawImap
    bounces: RawImap

    def loop(self, max_wait: float, smtp: dict[str, Any], mailbox: bool, **bounces: Any) -> LoopConfig:
        sending = {"host": self.relay.host, "port": self.relay.port, "tls": "none", "subject_prefix": "[loop]"}
        sending |= {"from_addr": "ann@localhost.test", "to_addr": "bob@localhost.test"} | smtp
        login = {"tls": "none", "password": "secret"}
        imap = {"host": self.mailbox.host, "port": self.mailbox.port, "username": "bob", "retry_delay": 0.1, **login}
        back = {"host": self.bounces.host, "port": self.bounces.port, "username": "ann", **login, **bounces}
        sections = {"smtp": sending, "bounce_mailbox": back} | ({"imap": imap} if mailbox else {})
        return loop_config({"name": "raw", **sections, "limits": {"max_wait": max_wait}})

    async def check(
        self, max_wait: float = LONG, smtp: dict[str, Any] | None = None, mailbox: bool = True, **bounces: Any
    ) -> LoopResult:
        async with asyncio.timeout(SOON):
            return await check(self.loop(max_wait, smtp or {}, mailbox, **bounces))

    def bounce(self, seconds: float = 0.0, action: str = "failed") -> None:
        """Let the message bounce, so much later."""
        loop = asyncio.get_running_loop()
        self.relay.arrive = lambda raw: loop.call_later(seconds, self.bounces.append, report(raw, action))

    def lose(self) -> None:
        self.relay.arrive = lambda raw: None


@asynccontextmanager
async def around(imap: Script | None = None, bounces: Script | None = None) -> AsyncIterator[Round]:
    async with Relay() as relay, RawImap(imap) as mailbox, RawImap(bounces) as back:
        relay.arrive = mailbox.append
        yield Round(relay, mailbox, back)


def notes(result: LoopResult) -> list[str]:
    """What was told beside the verdict, but for the missing encryption."""
    return [note for note in result.notes if ".tls is none" not in note]


def assert_delivered(result: LoopResult) -> None:
    assert (result.status, result.outcome) == (Status.OK, Outcome.DELIVERED), result.sentence


@pytest.mark.parametrize("seconds", [0.0, 0.5, 4.0], ids=["at once", "soon", "while both wait in IDLE"])
async def test_a_bounce_in_the_senders_mailbox_ends_the_wait(seconds: float) -> None:
    async with around() as way:
        way.bounce(seconds)
        begun = time.monotonic()
        result = await way.check()
        assert time.monotonic() - begun < seconds + PROMPT
        assert len(way.bounces.messages) == 1, "a bounce is not ours to delete"
    assert (result.status, result.outcome, result.error_type) == (Status.ERROR, Outcome.BOUNCED, ErrorType.BOUNCED)
    assert result.error_msg == "550 5.1.1 No such user"
    assert result.bounce is not None
    assert (result.bounce.action, result.bounce.mailbox) == ("failed", "ann at 127.0.0.1")
    assert (result.bounce.folder, notes(result)) == ("INBOX", [])
    assert result.total_seconds is not None


async def test_a_bounce_in_the_junk_folder_of_the_sender_ends_the_wait() -> None:
    async with around() as way:
        way.relay.arrive = lambda raw: way.bounces.append(report(raw), "Junk")
        assert (await way.check()).outcome is Outcome.BOUNCED


async def test_a_bounce_in_the_recipients_mailbox_still_ends_the_wait() -> None:
    async with around() as way:
        way.relay.arrive = lambda raw: way.mailbox.append(report(raw))
        result = await way.check()
    assert (result.outcome, result.bounce and result.bounce.mailbox) == (Outcome.BOUNCED, "bob at 127.0.0.1")


async def test_nothing_else_in_the_senders_mailbox_counts() -> None:
    """The copy of what was sent, the bounce of another message, a delay; and nothing there is deleted."""
    async with around() as way:

        def arrive(raw: bytes) -> None:
            way.bounces.append(raw)
            way.bounces.append(report(b"Message-ID: <a@b>\r\n\r\n"))
            way.bounces.append(report(raw, "delayed"))

        way.relay.arrive = arrive
        result = await way.check(SHORT)
        assert len(way.bounces.messages) == 3
        assert not any(verb in line for line in way.bounces.log for verb in ("STORE", "EXPUNGE", "SELECT "))
    assert (result.outcome, result.bounce and result.bounce.action) == (Outcome.LOST, "delayed")
    assert "edge.test says that it is still trying" in result.sentence


async def test_a_message_that_arrives_is_found_while_both_mailboxes_are_watched() -> None:
    async with around() as way:
        loop = asyncio.get_running_loop()
        way.relay.arrive = lambda raw: loop.call_later(0.5, way.mailbox.append, raw)
        result = await way.check()
        assert way.mailbox.messages == []
    assert_delivered(result)
    assert (notes(result), result.bounce) == ([], None)


async def test_the_message_counts_for_more_than_its_bounce_in_another_mailbox() -> None:
    """One recipient of an alias bounced, another has it; even where the bounce is seen first."""
    async with around() as way:

        def arrive(raw: bytes) -> None:
            way.bounces.append(report(raw))
            way.mailbox.put(raw, "Lists")

        way.mailbox.folders["Lists"] = []  # a folder that is looked at now and then
        way.relay.arrive = lambda raw: arrive(b"Received: by edge.test; Mon, 2 Mar 2026 00:00:00 +0000\r\n" + raw)
        result = await way.check()
        assert way.mailbox.folders["Lists"] == []
    assert (result.outcome, result.folder) == (Outcome.MISPLACED, "Lists")
    assert any("A bounce came as well" in note for note in result.notes)


FAULTS: dict[str, Script] = {
    "wrong password": {"authenticate": REFUSED},
    "no such folder": {"examine": b"{tag} NO [NONEXISTENT] no\r\n"},
    "no greeting": {"greeting": SILENCE},
    "silent at login": {"authenticate": SILENCE},
    "silent in the middle": {"fetch": [DEFAULT, SILENCE], "noop": SILENCE, "idle": SILENCE},
    "hangs up": {"greeting": DROP},
    "hangs up in the middle": {"examine": DROP},
}


@pytest.mark.parametrize("name", FAULTS)
async def test_a_bounce_mailbox_that_fails_delays_no_delivery(name: str) -> None:
    """It is a note; a server that falls silent only after the first look has told all that there was."""
    async with around(bounces=FAULTS[name]) as way:
        begun = time.monotonic()
        result = await way.check()
        assert time.monotonic() - begun < PROMPT
        assert way.mailbox.messages == []
    assert_delivered(result)
    assert [UNSEEN in note for note in notes(result)] == ([] if "silent in" in name else [True])
    assert result.delivery_seconds is not None
    assert result.delivery_seconds < 1


@pytest.mark.parametrize("name", FAULTS)
async def test_a_bounce_mailbox_that_fails_makes_no_lost_message_anything_else(name: str) -> None:
    async with around(bounces=FAULTS[name]) as way:
        way.lose()
        begun = time.monotonic()
        result = await way.check(SHORT)
        assert time.monotonic() - begun < SHORT + 5 + PROMPT
    assert (result.status, result.outcome) == (Status.ERROR, Outcome.LOST)
    assert any("bounce mailbox" in note and UNSEEN in note for note in notes(result)) or "silent in" in name


async def test_a_bounce_mailbox_that_nobody_serves_is_a_note_with_the_remedy() -> None:
    async with around() as way:
        result = await way.check(port=1)
    assert_delivered(result)
    (note,) = notes(result)
    assert note.startswith("The bounce mailbox of ann at 127.0.0.1:1 could not be read (at connect: ")
    assert note.endswith("see whether the service on 127.0.0.1 is running, and bounce_mailbox.port is right.")


async def test_a_bounce_mailbox_that_was_away_is_read_when_it_is_back() -> None:
    async with around(bounces={"greeting": [DROP, DEFAULT]}) as way:
        way.bounce()
        assert (await way.check()).outcome is Outcome.BOUNCED


async def test_a_slow_bounce_mailbox_is_waited_for_where_all_depends_on_it() -> None:
    """The bounce was there when the time was over, and is read some time later."""
    async with around(bounces={"examine": Slow(0.005)}) as way:
        way.bounce()
        begun = time.monotonic()
        assert (await way.check(SHORT)).outcome is Outcome.BOUNCED
        assert time.monotonic() - begun > SHORT


async def test_a_slow_bounce_mailbox_delays_no_delivery() -> None:
    async with around(bounces={"examine": Slow(0.02)}) as way:
        begun = time.monotonic()
        result = await way.check()
        assert time.monotonic() - begun < PROMPT
    assert_delivered(result)
    (note,) = notes(result)
    assert note.endswith(f"did not answer in the meantime, {UNSEEN}.")


async def test_a_mailbox_that_cannot_be_read_is_told_at_once_unless_a_bounce_is_there() -> None:
    async with around(imap={"authenticate": REFUSED}) as way:
        result = await way.check()
        assert (result.outcome, result.error_type) == (Outcome.UNVERIFIED, ErrorType.AUTH)
        way.bounce()
        result = await way.check()
    assert (result.outcome, result.error_type) == (Outcome.BOUNCED, ErrorType.BOUNCED)
    assert [note for note in notes(result) if "the mailbox of bob" in note and "imap.username" in note]


async def test_a_mailbox_that_is_silent_when_the_bounce_comes_does_not_hide_it() -> None:
    async with around(imap={"authenticate": SILENCE}) as way:
        way.bounce(0.2)
        result = await way.check()
    assert result.outcome is Outcome.BOUNCED
    assert any("is not known" in note for note in notes(result))


async def test_a_check_that_is_cancelled_leaves_neither_connection_behind() -> None:
    async with around() as way:
        way.lose()
        running = asyncio.create_task(way.check())
        async with asyncio.timeout(SOON):
            while not all(any("EXAMINE" in line for line in server.log) for server in (way.mailbox, way.bounces)):
                await asyncio.sleep(0.05)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running


async def test_without_the_recipients_mailbox_the_wait_is_for_a_bounce() -> None:
    async with around() as way:
        way.bounce(0.3)
        result = await way.check(mailbox=False)
        assert (result.outcome, result.bounce and result.bounce.mailbox) == (Outcome.BOUNCED, "ann at 127.0.0.1")
        way.lose()
        result = await way.check(SHORT, mailbox=False)
    assert_delivered(result)
    assert "and no bounce came within 0.4 s; whether it arrives was not looked at." in result.sentence
    assert result.detected_at is None


async def test_without_the_recipients_mailbox_a_delay_is_a_warning() -> None:
    async with around() as way:
        way.bounce(action="delayed")
        result = await way.check(SHORT, mailbox=False)
    assert (result.status, result.outcome) == (Status.WARNING, Outcome.DELIVERED)
    assert "was not looked at, but edge.test says that it is still trying" in result.sentence
    assert result.bounce is not None


async def test_without_the_recipients_mailbox_a_bounce_mailbox_that_fails_leaves_the_mail_unverified() -> None:
    """Else nobody would learn that no bounce is ever seen."""
    async with around(bounces={"authenticate": REFUSED}) as way:
        result = await way.check(mailbox=False)
    assert (result.status, result.outcome, result.error_type) == (Status.ERROR, Outcome.UNVERIFIED, ErrorType.AUTH)
    assert "the bounce mailbox of ann" in result.sentence
    assert "check bounce_mailbox.username and its password" in result.sentence


async def test_with_verp_a_bounce_without_content_is_known_by_its_address() -> None:
    async with around() as way:
        text = b"Return-Path: <>\r\nFrom: postmaster@edge.test\r\nSubject: Mail failed\r\nTo: %s\r\n\r\nmail failed\r\n"

        def arrive(raw: bytes) -> None:
            (sender,) = [line for line in way.relay.log if line.upper().startswith("MAIL FROM")]
            way.bounces.append(text % sender.partition("<")[2].partition(">")[0].encode())

        way.relay.arrive = arrive
        result = await way.check(smtp={"verp": True})
    assert (result.outcome, result.error_msg) == (Outcome.BOUNCED, "no reason given")
    assert result.envelope_from == f"ann+{result.token}@localhost.test"


async def test_the_password_of_the_bounce_mailbox_is_told_nowhere() -> None:
    """Its server repeats it, and so does the bounce."""
    secret = "Kanari7enVogelTon9"
    async with around(bounces={"authenticate": b"{tag} NO what is %s?\r\n" % secret.encode()}) as way:
        result = await way.check(password=secret)
        assert_delivered(result)
        assert "********" in str(notes(result))
        assert secret not in result.model_dump_json()
    async with around() as way:
        way.relay.arrive = lambda raw: way.bounces.append(report(raw).replace(b"No such user", secret.encode()))
        result = await way.check(password=secret)
    assert result.outcome is Outcome.BOUNCED
    assert secret not in result.model_dump_json()
