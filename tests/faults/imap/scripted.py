"""What the cells of the IMAP leg share: a relay that accepts, and behind it a scripted mailbox."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from unittest import mock

from tasks.mail.model.outcome import Outcome
from tasks.mail.model.result import LoopResult
from tasks.mail.search import pace
from tests.faults.cells import Ground
from tests.faults.scripted import AMPLE, PASSWORD, Script, loop
from tests.support.raw.imap import RawImap
from tests.support.raw.mailbox import Message
from tests.support.raw.server import Line
from tests.support.raw.smtp import RawSmtp

BRIEF = 0.1  # seconds to wait where the mailbox stays shut: enough for a second connection, at the end of it
OVER = 1e-6  # seconds to wait where each connection takes its time: the first is the last

FOREIGN = b"From: ann@elsewhere.test\r\nSubject: [mail-loop] lunch?\r\n\r\nOr coffee?\r\n"


class Mailbox(RawImap):
    """Holds messages of others, one of which waits to be expunged, and keeps new ones back until the `cue`.

    The cue is a phase. As it begins the messages are there, unannounced; IDLE tells of them once the reply is out.
    """

    def __init__(self, script: Script, cue: str | None, folder: str, **options: Any) -> None:
        super().__init__(script, **options)
        self.cue = cue
        self.folder = folder  # where new messages go
        self.kept: list[bytes] = []
        for name in self.folders:
            for flags in ((), ("\\Deleted",)):
                self.put(FOREIGN, name).flags.update(flags)
        self.others = [(message, set(message.flags)) for message in self.all()]

    def all(self) -> Sequence[Message]:
        return [message for messages in self.folders.values() for message in messages]

    def deliver(self, raw: bytes) -> None:
        if self.cue is None:
            self.append(raw, self.folder)
        else:
            self.kept.append(raw)

    async def reply(self, line: Line, phase: str, default: bytes, tag: bytes = b"") -> bytes:
        comes = phase == self.cue and bool(self.kept)
        while comes and self.kept:
            self.put(self.kept.pop(), self.folder)
        said = await super().reply(line, phase, default, tag)
        if comes:
            self.announce(self.folder)
        return said

    def of_ours(self) -> list[Message]:
        """What is there besides the messages of others; an AssertionError where one of those was touched."""
        found = self.all()
        for message, flags in self.others:
            assert message in found, "a foreign message was deleted"
            assert message.flags == flags, f"a foreign message was flagged: {message.flags}"
        others = [message for message, _ in self.others]
        return [message for message in found if message not in others]


@dataclass(frozen=True)
class Scripted:
    """A mailbox by script. What the relay accepts arrives there at once, or with the `cue`, or never.

    `remain`: how many probes are there when the check is over; by default none where it was delivered, else all.
    """

    script: Script
    timeout: float = AMPLE
    max_wait: float = AMPLE
    cue: str | None = None
    arrives: bool = True
    folder: str = "INBOX"
    remain: int | None = None
    connections: int | None = None
    noted: str = ""  # what one of the notes must begin with
    tight: float | None = None
    certificate: str = "good"
    tls: str = "starttls"
    mechanism: str = ""  # the only one that there is to log in by

    async def __call__(self, ground: Ground) -> LoopResult:
        tls = ground.tls(self.certificate)
        context = None if self.tls == "none" else tls.context
        box = Mailbox(self.script, self.cue, self.folder, tls=context, implicit=self.tls == "implicit")
        if self.mechanism:
            box.capabilities = f"IMAP4rev1 SASL-IR IDLE UIDPLUS SPECIAL-USE LOGINDISABLED AUTH={self.mechanism}"
            box.logins.passwords = {"monitor": PASSWORD}
        async with RawSmtp() as relay, box as mailbox:
            if self.arrives:
                relay.deliver = mailbox.deliver
            with contextlib.ExitStack() as held:
                if self.tight is not None:
                    # Three seconds of looks would come before each IDLE, and they are no part of what is looked at.
                    held.enter_context(mock.patch.object(pace, "TIGHT_SECONDS", self.tight))
                config = loop("imap", relay, mailbox, tls, self.tls, self.timeout, self.max_wait)
                result = await ground.check(config)
        self._look_at(mailbox, result)
        return result

    def _look_at(self, mailbox: Mailbox, result: LoopResult) -> None:
        """What the server has seen, and what it has left."""
        assert mailbox.played >= set(self.script), f"not reached: {set(self.script) - mailbox.played}"
        if self.tls != "none":
            assert mailbox.in_clear <= {"CAPABILITY", "STARTTLS", "LOGOUT"}, f"in clear: {mailbox.in_clear}"
        if result.stage in ("dns", "connect", "tls") and self.cue is None:
            assert mailbox.credentials == [], "a login before there was TLS"
        if self.connections is not None:
            assert mailbox.connections == self.connections, f"{mailbox.connections} connections"
        assert not mailbox.kept, f"{self.cue} was never reached"
        ours = mailbox.of_ours()
        remain = self.remain
        if remain is None:
            remain = int(self.arrives and result.outcome is not Outcome.DELIVERED)
        assert len(ours) == remain, f"{len(ours)} probes remain"
        if result.outcome is Outcome.UNVERIFIED:
            assert not any(message.flags for message in ours), "flags without a verdict"
        assert not self.noted or any(note.startswith(self.noted) for note in result.notes), f"notes: {result.notes}"
