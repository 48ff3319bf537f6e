"""The memory of a check stays under a fixed bound, whatever a hostile server sends."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from tests.faults.cells import Ground
from tests.faults.scripted import Leg, Script, loop
from tests.support.checks.bounds import PROGRAM_SECONDS
from tests.support.raw.imap import RawImap
from tests.support.raw.server import DEFAULT, Endless
from tests.support.raw.smtp import RawSmtp

# What a check may need on top of one where nothing is wrong. A mailbox may honestly hold a lot, a relay says little.
MEGABYTES = {"smtp": 16, "imap": 160}
PATIENCE = 1.0  # seconds for one step: long enough for gigabytes over loopback
HEADER = "BODY[HEADER.FIELDS (SUBJECT)]"

# Runs one check for each configuration it reads, and tells the outcome and the highest memory of the process so far.
# Not ru_maxrss: that begins with the memory of the process that started this one.
CHECKS = """
import asyncio, json, sys
from flows.direct import check
from tasks.mail.config.loop import loop_config

for line in sys.stdin:
    result = asyncio.run(check(loop_config(json.loads(line))))
    status = dict(line.split(":", 1) for line in open("/proc/self/status"))
    print(json.dumps([result.outcome, result.leg, int(status["VmHWM"].split()[0]) / 1024]), flush=True)
"""

HANDSHAKES: dict[str, Script] = {
    "handshake, a message without end": {"handshake": Endless(b"\0" * 65536, b"\x16\x03\x03\x40\x00\x02\xff\xff\xff")},
    "handshake, requests without end": {"handshake": Endless(b"\x16\x03\x03\x40\x00" + b"\0" * 16384)},
}
LINE = Endless(b"2" * 65536)
LINES = Endless(b"250-and so on\r\n" * 4000)
SMTP: dict[str, Script] = {
    "banner, a line without end": {"banner": LINE},
    "banner, lines without end": {"banner": Endless(b"220-and so on\r\n" * 4000)},
    "EHLO, a line without end": {"ehlo": LINE},
    "EHLO, lines without end": {"ehlo": LINES},
    "EHLO in TLS, lines without end": {"ehlo": [DEFAULT, LINES]},
    "EHLO in TLS, a line without end": {"ehlo": [DEFAULT, LINE]},
    "EHLO in TLS, 100,000 extensions": {"ehlo": [DEFAULT, b"250-X-EXTENSION\r\n" * 100_000 + b"250 OK\r\n"]},
    **HANDSHAKES,
    "AUTH, a line without end": {"auth": LINE},
    "RCPT, lines without end": {"rcpt": LINES},
    "after the dot, a line without end": {"eod": LINE},
    "after the dot, lines without end": {"eod": LINES},
    "QUIT, lines without end": {"quit": LINES},
}

TEXT = Endless(b"x" * 65536, b"* OK ")
UNTAGGED = Endless(b"* 7 EXISTS\r\n" * 5000)
ROW = b'* 1 FETCH (UID 1 INTERNALDATE "17-Jul-2026 02:44:25 +0000" BODY[] "x")\r\n'
LONG_ROW = f"* 1 FETCH (UID 1 {HEADER} {{65000}}\r\n".encode() + b"\0" * 65000 + b")\r\n"
LITERAL = Endless(b"\0" * 65536, f"* 1 FETCH (UID 1 {HEADER} {{2147483648}}\r\n".encode())
IMAP: dict[str, Script] = {
    "greeting, a line without end": {"greeting": TEXT},
    "greeting, untagged lines without end": {"greeting": UNTAGGED},
    "greeting, a literal of 2 GB": {"greeting": Endless(b"\0" * 65536, b"* OK {2147483648}\r\n")},
    "capability, a line without end": {"capability": Endless(b"X " * 32768, b"* CAPABILITY ")},
    "STARTTLS, untagged lines without end": {"starttls": UNTAGGED},
    **HANDSHAKES,
    "login, a line without end": {"authenticate": TEXT, "login": TEXT},
    "login, untagged lines without end": {"authenticate": UNTAGGED, "login": UNTAGGED},
    "LIST, folders without end": {"list": Endless(b'* LIST () "/" "folder"\r\n' * 3000)},
    "LIST, a literal of 2 GB": {"list": Endless(b"\0" * 65536, b'* LIST () "/" {2147483648}\r\n')},
    "EXAMINE, untagged lines without end": {"examine": UNTAGGED},
    "EXAMINE, 100,000 untagged lines": {"examine": b"* 7 EXISTS\r\n" * 100_000 + b"{tag} OK done\r\n"},
    "NOOP, untagged lines without end": {"noop": UNTAGGED},
    "FETCH, a line without end": {"fetch": Endless(b"x" * 65536, b"* 1 FETCH (UID 1 ")},
    "FETCH, rows without end": {"fetch": Endless(b'* 1 FETCH (UID 1 INTERNALDATE "x")\r\n' * 1000)},
    "FETCH, a literal of 2 GB": {"fetch": LITERAL},
    "FETCH, literals without end": {"fetch": Endless(LONG_ROW)},
    "FETCH, rows up to the limit": {"fetch": ROW * 199_000 + b"{tag} OK done\r\n"},
    "FETCH, literals up to the limit": {"fetch": LONG_ROW * 500 + b"{tag} OK done\r\n"},
    "IDLE, untagged lines without end": {"idle": Endless(b"* OK still here\r\n" * 4000, b"+ idling\r\n")},
    "IDLE, a line without end": {"idle": Endless(b"x" * 65536, b"+ idling\r\n* OK ")},
    "LOGOUT, untagged lines without end": {"logout": UNTAGGED},
}


@dataclass(frozen=True)
class Told:
    """What the process of the checks said after one of them."""

    outcome: str
    leg: str | None
    megabytes: float


class Checker:
    """A process that runs checks, one after the other."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    @classmethod
    async def start(cls) -> Checker:
        pipe = asyncio.subprocess.PIPE
        return cls(await asyncio.create_subprocess_exec(sys.executable, "-c", CHECKS, stdin=pipe, stdout=pipe))

    async def check(self, config: dict[str, Any]) -> Told:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(config).encode() + b"\n")
        async with asyncio.timeout(PROGRAM_SECONDS):
            return Told(*json.loads(await self.process.stdout.readline()))

    async def end(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        async with asyncio.timeout(PROGRAM_SECONDS):
            await self.process.wait()


async def told(checker: Checker, ground: Ground, leg: Leg, script: Script) -> Told:
    """What a check says of servers of which one leg's follows this script."""
    tls = ground.tls()
    scripts, contexts = {leg: script}, {leg: tls.context}
    relay = RawSmtp(scripts.get("smtp"), tls=contexts.get("smtp"))
    async with relay, RawImap(scripts.get("imap"), tls=contexts.get("imap")) as mailbox:
        relay.deliver = mailbox.append
        config = loop(leg, relay, mailbox, tls, "starttls", PATIENCE, PATIENCE).model_dump(exclude_none=True)
        for section in ("smtp", "imap"):
            config[section] |= {"password": "secret", "timeout": PATIENCE}
        config["imap"] |= {"retry_delay": 0.2}
        async with asyncio.timeout(60):
            return await checker.check(config)


@pytest.mark.parametrize(("leg", "scripts"), [("smtp", SMTP), ("imap", IMAP)])
async def test_a_hostile_server_does_not_make_a_check_need_much_memory(
    leg: Leg, scripts: Mapping[str, Script], ground: Ground
) -> None:
    """All in one process, so that what one check did not give back would add up."""
    checker = await Checker.start()
    try:
        start = await told(checker, ground, leg, {})
        assert start.outcome == "delivered"
        found = {name: await told(checker, ground, leg, script) for name, script in scripts.items()}
    finally:
        await checker.end()
    needed = {name: round(one.megabytes - start.megabytes, 1) for name, one in found.items()}
    assert [name for name, extra in needed.items() if extra > MEGABYTES[leg]] == []
