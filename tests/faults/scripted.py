"""What the cells of both legs share: how long things take in them, loops over scripted servers, and ways to end."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

from tasks.mail.config.loop import LoopConfig, loop_config
from tasks.mail.model.outcome import ErrorType, Outcome
from tests.faults.cells import Cell, Expected
from tests.support.certificates import ServerTls
from tests.support.raw.imap import RawImap
from tests.support.raw.server import CLOSE, DROP, SILENCE, Action, Part, Slow
from tests.support.raw.smtp import RawSmtp

ALIVE = "127.0.0.1"  # where scripted servers listen
AMPLE = 30.0  # seconds for one step where no fault is one of silence; its cell takes far less
SHORT = 0.5  # seconds for one step where one is
SOON = 15.0  # seconds for a check that has nothing to wait for: less than AMPLE; it takes 3, but machines pause
PAUSE = 0.2  # seconds before each byte: "one a second", in the time of a test
PASSWORD = "canary-Gr\u00fc\u00dfe:42"

# What may go wrong in any reply, and how it is told; garbage is no SMTP, or no IMAP.
BREAKS: Mapping[str, Action] = {
    "close": CLOSE,
    "reset": DROP,
    "reset after n bytes": Part(7, DROP),
    "silence": SILENCE,
    "one byte a second": Slow(PAUSE),
    "garbage": bytes(range(256)) * 4 + b"\r\n",
}
BROKEN = {
    "close": ErrorType.CONNECTION,
    "reset": ErrorType.CONNECTION,
    "reset after n bytes": ErrorType.CONNECTION,
    "silence": ErrorType.TIMEOUT,
    "one byte a second": ErrorType.TIMEOUT,
}
SILENT = ("silence", "one byte a second")

# What no server says in SCRAM, in base64: what is no message of it, and a price that is too high.
NO_MESSAGE, TOO_DEAR = (b64encode(text) for text in (b"hello", b"r=x,s=eA==,i=1000000000"))

MUCH = ("100,000", "without end", "2 GB", "16 MB")  # faults in which a server sends all that it can
LONG = 25.0  # seconds for a whole check with one of those, on a machine that does other things as well

Leg = Literal["smtp", "imap"]
Script = Mapping[str, Action | Sequence[Action]]


def in_order(cells: Sequence[Cell], stages: Sequence[str]) -> list[Cell]:
    """The cells of a leg in the order of its dialogue; those that have much to read get the time for it."""
    found = [_roomy(cell) if any(word in cell.fault for word in MUCH) else cell for cell in cells]
    return sorted(found, key=lambda cell: stages.index(cell.stage.partition(" (")[0]))


def _roomy(cell: Cell) -> Cell:
    return replace(cell, expected=replace(cell.expected, within=LONG))


def loop(
    leg: Leg, relay: RawSmtp, mailbox: RawImap, tls: ServerTls, mode: str, timeout: float, max_wait: float = AMPLE
) -> LoopConfig:
    """A loop over scripted servers: that of `leg`, by name and in this mode of TLS, and the other one in clear."""
    login: dict[str, object] = {"username": "monitor", "password": PASSWORD, "retries": 1, "retry_delay": 0.0}
    mail: dict[str, object] = {
        "from_addr": "probe@localhost",
        "to_addr": "inbox@localhost",
        "subject_prefix": "[mail-loop]",
    }
    sections = {
        "smtp": {"host": ALIVE, "port": relay.port, "tls": "none"} | login | mail,
        "imap": {"host": ALIVE, "port": mailbox.port, "tls": "none"} | login,
    }
    sections[leg] |= {"host": "localhost", "tls": mode, "ca_file": tls.ca_file, "timeout": timeout}
    return loop_config({"name": "faults", "limits": {"max_wait": max_wait}, **sections})


def with_login(config: LoopConfig, leg: Leg, login: Mapping[str, object]) -> LoopConfig:
    """The loop with another way to log in on one leg."""
    data = config.model_dump()
    data[leg] |= login
    return loop_config(data)


def delivered(attempts: int = 1, within: float = SOON) -> Expected:
    return Expected(Outcome.DELIVERED, None, None, None, attempts, within, copies=1)


def unread(stage: str, error_type: ErrorType, within: float = SOON) -> Expected:
    """The message was accepted, and nobody could see whether it is there."""
    return Expected(Outcome.UNVERIFIED, error_type, "imap", stage, 1, within)


def lost(within: float = SOON) -> Expected:
    """The message was accepted, and a complete look did not find it."""
    return Expected(Outcome.LOST, ErrorType.NO_MESSAGE, "imap", "search", 1, within)
