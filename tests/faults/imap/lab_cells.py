"""The IMAP leg: mail sent through the real relay, and a proxy in front of the real mailboxes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from email.message import EmailMessage
from typing import Any
from unittest import mock

from tasks.mail.model.outcome import ErrorType
from tasks.mail.model.result import LoopResult
from tasks.mail.search import pace
from tests.faults.cells import Cell, Expected, Ground
from tests.faults.harms import ARRIVES, MOST, faults, timeout_for
from tests.faults.imap.scripted import BRIEF, OVER
from tests.faults.proxy import Harm, Proxy
from tests.faults.scripted import AMPLE, delivered, unread
from tests.support.servers.lab import Lab, User
from tests.support.servers.loops import contents, loop

# By stage of the table: what the client sends when it begins, and the stage that is reported.
SECURE = {
    "greeting": (b"", "connect"),
    "STARTTLS": (b" STARTTLS\r\n", "tls"),
    "TLS handshake": (b"\x16\x03\x01", "tls"),
}
CLEAR = {
    "login": (b" AUTHENTICATE PLAIN ", "login"),
    "LIST": (b" LIST ", "select"),
    "EXAMINE": (b" EXAMINE ", "select"),
    "FETCH": (b" FETCH ", "search"),
}
WAITING = {
    "NOOP": ("close", b" NOOP\r\n", 0),
    "IDLE start": ("close", b" IDLE\r\n", 0),
    "IDLE": ("reset", b" IDLE\r\n", len(b"+ idling\r\n")),
    "DONE": ("garbage", b"DONE\r\n", 0),
}
FOUND = {"STORE": b" UID STORE ", "EXPUNGE": b" UID EXPUNGE ", "LOGOUT": b" LOGOUT\r\n"}
FAULTS = faults(garbage=ErrorType.MAILBOX)
GO_AHEAD = b"OK Begin TLS negotiation now.\r\n"


@dataclass(frozen=True)
class Proxied:
    """A whole loop through the laboratory, with the proxy before its mailboxes."""

    harm: Harm | None = None
    once: bool = False
    tls: str = "starttls"
    timeout: float = AMPLE
    max_wait: float = ARRIVES
    rewrite: Mapping[bytes, bytes] = field(default_factory=dict)
    server: str = ""  # which of the laboratory's
    imap: Mapping[str, Any] = field(default_factory=dict)
    waits: bool = False  # for mail that is greylisted on its way, and so takes seconds
    idles: bool = False  # at once: three seconds of looks would come before IDLE, and the mail is there sooner

    async def __call__(self, ground: Ground) -> LoopResult:
        lab, user = ground.lab, ground.lab.fresh_user()
        lab.put(user, _foreign())
        server = self.server or ("imaps" if self.tls == "implicit" else "imap")
        async with Proxy(getattr(lab.dovecot, server), self.harm, rewrite=self.rewrite, once=self.once) as proxy:
            way = {"host": proxy.host, "port": proxy.port, "tls": self.tls, "timeout": self.timeout}
            to = user.greylisted if self.waits else None
            config = loop(lab, user, to, imap=way | dict(self.imap), max_wait=self.max_wait)
            with contextlib.ExitStack() as held:
                if self.idles:
                    held.enter_context(mock.patch.object(pace, "TIGHT_SECONDS", 0.0))
                result = await ground.check(config)
        assert proxy.harmed or not self.harm, "nothing was harmed"
        if self.tls != "none":
            assert b"AUTHENTICATE" not in proxy.sent, "a login in clear"
        if result.stage == "login":
            assert proxy.connections == 1 or result.error_type is not ErrorType.AUTH, "a second login"
        _look_at(lab, user, result)
        return result


def _foreign() -> EmailMessage:
    message = EmailMessage()
    message["From"] = "ann@elsewhere.test"
    message["Subject"] = "[mail-loop] lunch?"
    message.set_content("Or coffee?\n")
    return message


def _look_at(lab: Lab, user: User, result: LoopResult) -> None:
    """The message of somebody else is as it was; the probe is gone, or a note says what kept it."""
    found = contents(lab, user)
    assert found.pop(1, None) == "", "a foreign message was touched"
    kept = any(note.startswith("After the message was found the mailbox failed") for note in result.notes)
    assert not found or kept or result.error_type, f"the probe was left in the mailbox: {found}"


def cells() -> list[Cell]:
    """Faults between the check and the real mailboxes; further in than TLS they need a dialogue in clear."""
    return [*_shut(), *_no_tls(), *_waiting(), *_after(), *_real_refusals(), *_alive()]


def _cell(stage: str, fault: str, expected: Expected, run: Proxied) -> Cell:
    return Cell("imap", stage, f"Dovecot: {fault}", expected, run, needs_lab=True)


def _shut() -> Iterator[Cell]:
    """Faults that last, so that the mail is unverified, and one of each kind that does not, so that it is found."""
    for stage, (on, reported) in (SECURE | CLEAR).items():
        tls = "starttls" if stage in SECURE else "none"
        for fault, (harm, kind) in FAULTS.items():
            if fault == "one byte a second" and stage not in ("greeting", "FETCH"):
                continue  # takes its time, and shows what silence does
            silent = kind is ErrorType.TIMEOUT
            # In the handshake every end is one of TLS but silence.
            wanted = ErrorType.TLS if stage == "TLS handshake" and not silent else kind
            run = Proxied(replace(harm, on=on), tls=tls, timeout=timeout_for(kind), max_wait=OVER if silent else BRIEF)
            yield _cell(stage, fault, unread(reported, wanted, MOST), run)
            if fault == "close" or (fault == "silence" and stage in ("login", "FETCH")):
                passing = replace(run, once=True, max_wait=ARRIVES)
                yield _cell(stage, f"{fault}, once", delivered(within=MOST), passing)


def _no_tls() -> Iterator[Cell]:
    """Nothing is said to a server that has no room for TLS, and nothing believed that comes before it."""
    refused = unread("tls", ErrorType.TLS, MOST)
    yield _cell("STARTTLS", "stripped", refused, Proxied(rewrite={b" STARTTLS": b""}))
    behind = Proxied(rewrite={GO_AHEAD: GO_AHEAD + b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n"}, max_wait=BRIEF)
    yield _cell("STARTTLS", "bytes pipelined behind it", refused, behind)
    for flaw in ("expired", "wrong_name"):
        for mode, server in (("starttls", f"{flaw}_imap"), ("implicit", f"{flaw}_imaps")):
            bad = Proxied(tls=mode, server=server, max_wait=BRIEF)
            yield _cell(f"TLS handshake ({mode})", flaw.replace("_", " "), refused, bad)


def _waiting() -> Iterator[Cell]:
    """Faults while the mail is on its way."""
    for stage, (fault, on, after) in WAITING.items():
        harm = replace(FAULTS[fault][0], on=on, after=after)
        run = Proxied(harm, once=True, tls="none", waits=True, idles=stage != "NOOP")
        yield _cell(stage, f"{fault}, once", delivered(within=MOST), run)


def _after() -> Iterator[Cell]:
    """The message is found, whatever happens then."""
    for stage, on in FOUND.items():
        for fault in ("close", "reset", "garbage"):
            run = Proxied(replace(FAULTS[fault][0], on=on), tls="none")
            yield _cell(stage, fault, delivered(within=MOST), run)


def _real_refusals() -> Iterator[Cell]:
    """What Dovecot itself says no with."""
    wrong = Proxied(imap={"password": "not the password"})
    yield _cell("login", "wrong password", unread("login", ErrorType.AUTH, MOST), wrong)
    nowhere = Proxied(imap={"folder": "Nowhere"})
    yield _cell("EXAMINE", "no such folder", unread("select", ErrorType.MAILBOX, MOST), nowhere)


def _alive() -> Iterator[Cell]:
    """What is slow but gets there is no failure."""
    expected = delivered(within=MOST)
    for mode, named in (("starttls", ""), ("implicit", ", implicit TLS"), ("none", ", in clear")):
        yield _cell("all", f"no fault{named}", expected, Proxied(tls=mode))
    yield _cell("all", "byte by byte, but alive", expected, Proxied(Harm("slow")))
    for stage, (on, _) in SECURE.items():
        yield _cell(stage, "late, but alive", expected, Proxied(Harm("delay", on=on, pause=0.5)))
