"""`mail-loop check` in a process of its own, between scripted mail servers and a Prefect API that fails it."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from tests.prefect.failures.api import Api
from tests.prefect.failures.phases import HeldImap, HeldSmtp, until
from tests.prefect.records import PASSWORD, USER
from tests.support.command.run import running
from tests.support.raw.server import Line

REFUSED = b"550 5.1.1 No such user\r\n"


class Relay(HeldSmtp):
    """A relay that remembers when it was last asked to take a message."""

    asked = 0.0

    async def reply(self, line: Line, phase: str, default: bytes, tag: bytes = b"") -> bytes:
        if phase == "rcpt":
            self.asked = time.monotonic()
        return await super().reply(line, phase, default, tag)


class Apart:
    """One check, which goes through `api`. Where its mail is not refused it arrives at once.

    `known` is when the last thing had happened that its verdict depends on, `said` is when the command said it, and
    `ended` when it ended, all in monotonic seconds.
    """

    def __init__(self, name: str, api: Api, *, refused: bool = False, **limits: float) -> None:
        self.name = name
        self.api = api
        self.smtp = Relay(extensions=["8BITMIME"])
        self.imap = HeldImap()
        self.limits = {"max_wait": 60.0} | limits
        self.smtp.deliver = self.deliver
        if refused:
            self.smtp.play("rcpt", [REFUSED])
        self.code: int | None = None
        self.out = ""
        self.err = ""
        self.delivered = self.said = self.ended = 0.0

    def __repr__(self) -> str:
        return f"{self.name}: exit code {self.code}\n{self.out}\n{self.err}"

    @property
    def result(self) -> dict[str, Any]:
        """The one result on stdout."""
        (line,) = self.out.splitlines()
        return dict(json.loads(line))

    @property
    def known(self) -> float:
        return max(self.smtp.asked, self.delivered)

    @property
    def verdict(self) -> tuple[int | None, str]:
        return self.code, str(self.result["outcome"])

    def deliver(self, raw: bytes) -> None:
        """Let the message be in the mailbox."""
        self.imap.append(raw)
        self.delivered = time.monotonic()

    async def run(self, folder: Path, also: Mapping[str, str] | None = None) -> None:
        """Run the check to its end, with all its files in `folder`; `also` adds to its environment."""
        self._write_config(folder / "check.json")
        env = {"PREFECT_API_URL": self.api.url, "PREFECT_HOME": str(folder), "XDG_STATE_HOME": str(folder)}
        env |= {"SANDBOX_PASSWORD": PASSWORD, "DO_NOT_TRACK": "1", **(also or {})}
        async with running("check", "--json", "check.json", env=os.environ | env, folder=folder) as command:
            ending = asyncio.create_task(command.ended())
            try:
                while not (command.has_said_a_line() or ending.done()):
                    await asyncio.sleep(0.02)
                self.said = time.monotonic()
                ended = await ending
            finally:
                ending.cancel()
        self.code, self.out, self.err = ended.code, ended.out, ended.err
        self.ended = time.monotonic()

    def _write_config(self, file: Path) -> None:
        addresses = {"from_addr": "probe@raw.test", "to_addr": "box@raw.test", "subject_prefix": "[api]"}
        relay = {"host": self.smtp.host, "port": self.smtp.port, "tls": "none", **addresses}
        # There is no such Secret block, so it is the variable; the API is asked for it all the same.
        login = {"username": USER, "password_secret": "sandbox-password"}
        mailbox = {"host": self.imap.host, "port": self.imap.port, "tls": "none", **login}
        data = {"name": self.name, "smtp": relay, "imap": mailbox, "limits": self.limits}
        file.parent.mkdir()
        file.write_text(json.dumps(data), encoding="utf-8")

    async def while_it_sends(self) -> None:
        """Let the API be gone while the relay is spoken to."""
        self.smtp.held = "banner"
        await until(lambda: self.smtp.reached, f"{self.name} sends nothing")
        self._let_it_be_gone()
        self.smtp.held = ""

    async def while_it_waits(self) -> None:
        """Let the API be gone while the message is on its way."""
        self.smtp.deliver = lambda raw: None
        await until(lambda: self.imap.count("IDLE") > 0, f"{self.name} does not wait")
        self._let_it_be_gone()
        await asyncio.sleep(1.0)
        self.deliver(self.smtp.messages[0])

    def _let_it_be_gone(self) -> None:
        self.api.die()
        self.api.reached.set()

    async def __aenter__(self) -> Self:
        await self.smtp.__aenter__()
        await self.imap.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> None:
        await self.imap.__aexit__(*error)
        await self.smtp.__aexit__(*error)
