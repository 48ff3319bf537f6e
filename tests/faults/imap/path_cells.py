"""The IMAP leg: the way to the mailbox, which is names, addresses and TLS."""

from __future__ import annotations

from collections.abc import Iterator

from tasks.mail.model.outcome import ErrorType
from tests.faults import path
from tests.faults.cells import Cell
from tests.faults.imap.scripted import BRIEF, OVER, Scripted
from tests.faults.names import FAILING, UNKNOWN
from tests.faults.scripted import ALIVE, AMPLE, SHORT, Script, delivered, unread
from tests.support import certificates
from tests.support.raw.server import Extra

OFFER = b"* CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN\r\n"


def cells() -> list[Cell]:
    """Everything before the greeting, and everything about TLS."""
    return [*path.cells("imap", unread, _unread, OVER), *_passing_ways(), *_passing_handshakes(), *_no_tls()]


def _unread(script: Script, timeout: float, certificate: str, tls: str) -> Scripted:
    # A certificate that is refused has a second look, here at the end of the time, and no third.
    connections = 2 if certificate in certificates.BAD else None
    max_wait = OVER if timeout == SHORT else BRIEF
    return Scripted(script, timeout, max_wait, certificate=certificate, tls=tls, connections=connections)


def _passing_ways() -> Iterator[Cell]:
    """A server whose name or address was not there at first."""
    dead = path.DEAD[0]
    for stage, fault, answer, black_holes in (
        ("dns", "no such name", UNKNOWN, False),
        ("dns", "resolver fails", FAILING, False),
        ("dns", "resolver is silent", None, False),
        ("connect", "refused", [dead], False),
        ("connect", "black hole", [dead], True),
    ):
        timeout = SHORT if black_holes or answer is None else AMPLE
        run = path.Addresses("imap", [answer, [ALIVE]], black_holes, timeout)
        yield Cell("imap", stage, f"{fault}, once", delivered(), run)


def _passing_handshakes() -> Iterator[Cell]:
    for mode in path.MODES:
        for fault in ("close", "silence", "garbage"):
            action, kind = path.HANDSHAKES[fault]
            run = Scripted({"handshake": [action]}, SHORT if kind is ErrorType.TIMEOUT else AMPLE, tls=mode)
            yield Cell("imap", f"TLS handshake ({mode})", f"{fault}, once", delivered(), run)


def _no_tls() -> Iterator[Cell]:
    """Nothing is said to a server that has no room for TLS, and nothing believed that comes before it."""
    refused = unread("tls", ErrorType.TLS)
    for fault, script in (
        ("stripped", {"capability": OFFER + b"{tag} OK done\r\n"}),
        ("PREAUTH", {"greeting": b"* PREAUTH welcome\r\n"}),
    ):
        yield Cell("imap", "STARTTLS", fault, refused, Scripted(script, connections=1))
    behind = Extra(behind=OFFER)
    fault = "bytes pipelined behind it"
    yield Cell("imap", "STARTTLS", fault, refused, Scripted({"starttls": behind}, max_wait=BRIEF))
    yield Cell("imap", "STARTTLS", f"{fault}, once", delivered(), Scripted({"starttls": [behind]}, connections=2))
