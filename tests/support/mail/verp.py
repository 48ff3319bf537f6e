"""Probes that are sent from an address of their own."""

from __future__ import annotations

from typing import Any

from tasks.mail.config.loop import SmtpConfig
from tasks.mail.probe.compose import Probe, compose

SMTP: dict[str, Any] = {
    "host": "relay.test",
    "from_addr": "monitor@example.org",
    "to_addr": "nobody@example.net",
    "subject_prefix": "[mail-loop]",
}


def probe_of(verp: bool = True, **changes: Any) -> Probe:
    return compose("office", SmtpConfig(**SMTP | changes, verp=verp))


PROBE = probe_of()
OWN = PROBE.envelope_from.encode()
OTHER = probe_of()


def coming_to(address: bytes, raw: bytes, field: bytes = b"Delivered-To") -> bytes:
    """A message as the server of `address` has it, which is not always in To."""
    return b"%s: %s\r\n%s" % (field, address, raw)
