"""The SMTP leg: the way to the relay, which is names, addresses and TLS."""

from __future__ import annotations

from tasks.mail.model.outcome import ErrorType
from tests.faults import path
from tests.faults.cells import Cell
from tests.faults.scripted import Script
from tests.faults.smtp.scripted import Scripted, failed


def cells() -> list[Cell]:
    """Everything before the first reply, and everything about TLS: nothing is sent where it is not as it should be."""
    stripped = Scripted({"ehlo": b"250-raw.test\r\n250 AUTH PLAIN\r\n"}, accepted=0)
    return [
        *path.cells("smtp", failed, _nothing_sent),
        Cell("smtp", "STARTTLS", "stripped", failed("tls", ErrorType.TLS), stripped),
    ]


def _nothing_sent(script: Script, timeout: float, certificate: str, tls: str) -> Scripted:
    return Scripted(script, timeout, accepted=0, certificate=certificate, tls=tls)
