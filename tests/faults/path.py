"""The way to a server, which is names, addresses and TLS: what goes wrong there on either leg."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tasks.mail.model.outcome import ErrorType
from tasks.mail.model.result import LoopResult
from tests.faults.cells import Cell, Expected, Ground, Run
from tests.faults.names import FAILING, UNKNOWN, Answer, resolving
from tests.faults.proxy import black_hole
from tests.faults.scripted import ALIVE, AMPLE, SHORT, Leg, Script, delivered, loop
from tests.support import certificates
from tests.support.raw.imap import RawImap
from tests.support.raw.server import CLOSE, DROP, SILENCE, Action, Endless
from tests.support.raw.smtp import RawSmtp

DEAD = ("127.0.0.2", "127.0.0.3")  # on Linux all of 127/8 is this machine; nobody listens there
SECOND = 1.0  # that a dead address may cost

Failed = Callable[[str, ErrorType], Expected]
"""What the contracts say of a stage that fails in this way."""

# What the server says once the client has begun a handshake, instead of its part of it.
HANDSHAKES: Mapping[str, tuple[Action, ErrorType]] = {
    "close": (CLOSE, ErrorType.TLS),
    "reset": (DROP, ErrorType.TLS),
    "silence": (SILENCE, ErrorType.TIMEOUT),
    "garbage": (bytes(range(256)) * 4, ErrorType.TLS),
    "plain text": (b"* OK 220 raw.test ready\r\n", ErrorType.TLS),
    "a line without end": (Endless(b"2" * 65536), ErrorType.TLS),
    "a message of 16 MB": (Endless(b"\0" * 65536, b"\x16\x03\x03\x40\x00\x02\xff\xff\xff"), ErrorType.TLS),
    "requests without end": (Endless(b"\x16\x03\x03\x40\x00" + b"\0" * 16384), ErrorType.TIMEOUT),
}
MODES = ("starttls", "implicit")


@dataclass(frozen=True)
class Addresses:
    """A server whose name has the first of these answers, then the next, and the last one ever after.

    Of the dead addresses, black holes never answer and others refuse.
    """

    leg: Leg
    answers: Sequence[Answer]
    black_holes: bool = False
    timeout: float = AMPLE
    max_wait: float = AMPLE

    async def __call__(self, ground: Ground) -> LoopResult:
        tls = ground.tls()
        contexts = {self.leg: tls.context}
        async with RawSmtp(tls=contexts.get("smtp")) as relay, RawImap(tls=contexts.get("imap")) as mailbox:
            relay.deliver = mailbox.append
            server = relay if self.leg == "smtp" else mailbox
            config = loop(self.leg, relay, mailbox, tls, "starttls", self.timeout, self.max_wait)
            with contextlib.ExitStack() as held:
                for dead in DEAD if self.black_holes else ():
                    held.enter_context(black_hole(dead, server.port))
                held.enter_context(resolving("localhost", *self.answers))
                result = await ground.check(config)
        alive = isinstance(self.answers[-1], Sequence) and ALIVE in self.answers[-1]
        assert (server.connections > 0) == alive, f"{server.connections} connections"
        if alive:
            stages = result.smtp_stages if self.leg == "smtp" else result.imap_stages
            assert stages["connect"] < SECOND, f"connected after {stages['connect']:.2f} s"
        return result


def cells(
    leg: Leg, failed: Failed, scripted: Callable[[Script, float, str, str], Run], max_wait: float = AMPLE
) -> Iterator[Cell]:
    """Everything before the first reply, and everything about TLS.

    `scripted` makes a run of a script, the seconds for a step, a certificate and a mode of TLS; where nothing arrives
    the check waits `max_wait` for it.
    """
    for stage, fault, expected, answers, black_holes in _ways(failed):
        timeout = SHORT if expected.error_type is ErrorType.TIMEOUT else AMPLE
        wait = AMPLE if expected.ok else max_wait
        yield Cell(leg, stage, fault, expected, Addresses(leg, [answers], black_holes, timeout, wait))
    for mode in MODES:
        for fault, (action, kind) in HANDSHAKES.items():
            run = scripted({"handshake": action}, SHORT if kind is ErrorType.TIMEOUT else AMPLE, "good", mode)
            yield Cell(leg, f"TLS handshake ({mode})", fault, failed("tls", kind), run)
        for flaw in (*certificates.BAD, "old TLS"):
            run = scripted({}, AMPLE, flaw, mode)
            yield Cell(leg, f"TLS handshake ({mode})", flaw, failed("tls", ErrorType.TLS), run)


def _ways(failed: Failed) -> Iterator[tuple[str, str, Expected, Answer, bool]]:
    refused, silent = failed("connect", ErrorType.CONNECTION), failed("connect", ErrorType.TIMEOUT)
    unknown, unanswered = failed("dns", ErrorType.CONNECTION), failed("dns", ErrorType.TIMEOUT)
    first, second = DEAD
    yield "dns", "no such name", unknown, UNKNOWN, False
    yield "dns", "resolver fails", unknown, FAILING, False
    yield "dns", "resolver is silent", unanswered, None, False
    yield "dns", "name without an address", refused, [], False
    yield "connect", "refused", refused, [first], False
    yield "connect", "both addresses refuse", refused, [first, second], False
    yield "connect", "first of two addresses refuses", delivered(), [first, ALIVE], False
    yield "connect", "black hole", silent, [first], True
    yield "connect", "both addresses are black holes", silent, [first, second], True
    yield "connect", "first of two addresses is a black hole", delivered(), [first, ALIVE], True
    yield "connect", "second of two addresses is a black hole", delivered(), [ALIVE, first], True
