"""A whole check between a scripted relay and a scripted mailbox."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from flows.direct import check
from tasks.mail.config.loop import InboundConfig, LoopConfig, inbound_config, loop_config
from tasks.mail.model.outcome import ErrorType, Outcome, Status
from tasks.mail.model.result import LoopResult
from tests.support.raw.imap import RawImap
from tests.support.raw.server import DROP, SILENCE, Action, Line
from tests.support.raw.smtp import RawSmtp

LONG = 120.0  # seconds that a check might wait, if it did not know better
SOON = 30.0  # seconds within which it does
SHORT = 0.4  # seconds after which a message that never comes is lost
RECEIVED = b"Received: from relay.test by edge.test; Mon, 2 Mar 2026 00:00:00 +0000\r\n"
NO = b"{tag} NO [X-CODE] not today\r\n"
BYE = b"* BYE [UNAVAILABLE] shutting down\r\n"
FAULTS: dict[str, Action] = {"no": NO, "bye": BYE, "drop": DROP, "silence": SILENCE}
KINDS = {"bye": ErrorType.CONNECTION, "drop": ErrorType.CONNECTION, "silence": ErrorType.TIMEOUT}
Script = Mapping[str, Action | Sequence[Action]]
Arrive = Callable[[bytes], object]


class Relay(RawSmtp):
    """Hands each message over as soon as it is accepted."""

    arrive: Arrive

    async def _take_message(self, line: Line) -> None:
        await super()._take_message(line)
        self.arrive(self.messages[-1])


@dataclass
class Round:
    """A relay and a mailbox; `relay.arrive` says what becomes of a message."""

    relay: Relay
    mailbox: RawImap

    def loop(self, max_wait: float = LONG, **imap: Any) -> LoopConfig:
        smtp = {"host": self.relay.host, "port": self.relay.port, "tls": "none", "subject_prefix": "[loop]"}
        smtp |= {"from_addr": "bob@localhost.test", "to_addr": "bob@localhost.test"}
        login = {"host": self.mailbox.host, "port": self.mailbox.port, "tls": "none", "username": "bob"}
        imap = {**login, "password": "secret", "retry_delay": 0.1, **imap}
        return loop_config({"name": "raw", "smtp": smtp, "imap": imap, "limits": {"max_wait": max_wait}})

    def inbound(self, **imap: Any) -> InboundConfig:
        """The receiving half alone, looking once."""
        fields: dict[str, Any] = {"search_subject": "[loop]", "retries": 0} | imap
        return inbound_config({"name": "raw", "imap": self.loop(**fields).imap})

    async def check(self, max_wait: float = LONG, **imap: Any) -> LoopResult:
        async with asyncio.timeout(SOON):
            return await check(self.loop(max_wait, **imap))

    def later(self, seconds: float, folder: str = "INBOX") -> None:
        """Let the message arrive so much later."""
        loop = asyncio.get_running_loop()
        self.relay.arrive = lambda raw: loop.call_later(seconds, self.mailbox.append, raw, folder)

    def lose(self) -> None:
        """Let nothing arrive."""
        self.relay.arrive = lambda raw: None


@asynccontextmanager
async def around(script: Script | None = None, **options: Any) -> AsyncIterator[Round]:
    async with Relay() as relay, RawImap(script, **options) as mailbox:
        relay.arrive = mailbox.append
        yield Round(relay, mailbox)


def notes(result: LoopResult) -> list[str]:
    """What was told beside the verdict, but for the missing encryption."""
    return [note for note in result.notes if not note.startswith("imap.tls is none")]


def assert_found(result: LoopResult, outcome: Outcome = Outcome.DELIVERED) -> None:
    status = Status.OK if outcome is Outcome.DELIVERED else Status.WARNING
    assert (result.status, result.outcome) == (status, outcome), result.sentence


def stripped(raw: bytes) -> bytes:
    """What a gateway leaves that takes away our header and gives a Message-ID of its own."""
    raw = re.sub(rb"(?m)^X-Mail-Loop-[^\r]*\r\n", b"", raw)
    return re.sub(rb"(?m)^Message-ID: [^\r]*", b"Message-ID: <new@gateway.test>", raw)


def report(raw: bytes, action: str = "failed") -> bytes:
    """A delivery status notification on a message."""
    return (
        b"From: MAILER-DAEMON@edge.test\r\nTo: bob@localhost.test\r\nSubject: Undelivered\r\n"
        b'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
        b"--b\r\nContent-Type: text/plain\r\n\r\nSorry.\r\n"
        b"--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; edge.test\r\n\r\n"
        b"Final-Recipient: rfc822; bob@localhost.test\r\nAction: %s\r\nStatus: 5.1.1\r\n"
        b"Diagnostic-Code: smtp; 550 5.1.1 No such user\r\n\r\n"
        b"--b\r\nContent-Type: message/rfc822\r\n\r\n%s\r\n--b--\r\n" % (action.encode(), raw)
    )


def letter(head: bytes = b"", subject: bytes = b"[loop] hello") -> bytes:
    return b"From: ann@elsewhere.test\r\nSubject: " + subject + b"\r\n" + head + b"\r\nhello\r\n"
