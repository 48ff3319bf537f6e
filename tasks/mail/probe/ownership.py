"""Uncollected probes, since their check was killed, or gave up before they came: how they are known.

Not known by their ids, they are known by all else that a probe says of itself; anything short of it is not ours.
"""

import hmac
import re
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime

from tasks.mail.config.loop import TOKEN_LENGTH
from tasks.mail.model.header import UNKNOWN_DATE, Header
from tasks.mail.probe.compose import SIGNATURE_FIELD, Probe, signature
from tasks.mail.probe.match import HEADERS, decoded, is_answer, is_report

_PROBE_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose leftovers: what all probes of a loop have in common, but for `own_id`. One is old if it came `before`."""

    loop: str
    from_addr: str
    before: datetime
    own_id: str = ""

    @classmethod
    def of(cls, probe: Probe, before: datetime) -> "Owner":
        return cls(probe.loop, probe.from_addr, before, probe.id)

    def owns(self, header: Header) -> bool:
        """Whether the message is an old probe of this loop."""
        return header.arrived_at < self.before and self.sent(header)

    def sent(self, header: Header) -> bool:
        """Whether the message is a probe of this loop, though not this run's, by its own top-level header."""
        message = HEADERS.parsebytes(header.raw)
        ids = message.get_all("X-Mail-Loop-Id", [])
        return (
            header.arrived_at > UNKNOWN_DATE
            and len(ids) == 1
            and probe_id(header) != self.own_id
            and _PROBE_ID.fullmatch(probe_id(header)) is not None
            and [decoded(name) for name in message.get_all("X-Mail-Loop-Name", [])] == [self.loop]
            and self._is_sender(decoded(message.get("From")).casefold())
            and decoded(message.get("Auto-Submitted")).casefold() == "auto-generated"
            and decoded(message.get("Subject")).split()[-1:] == [probe_id(header)[:TOKEN_LENGTH]]
            and not is_report(message)
            and not is_answer(message)
        )

    def _is_sender(self, sender: str) -> bool:
        address = self.from_addr.casefold()
        return sender == address or sender.endswith(f"<{address}>")


def is_thorough(probe: Probe) -> bool:
    """Whether this run is one of the sixteenth that look into every folder and beyond the window.

    By its random id: that needs no memory of earlier runs.
    """
    return probe.id.endswith("0")


def probe_id(header: Header) -> str:
    return decoded(HEADERS.parsebytes(header.raw).get("X-Mail-Loop-Id"))


def is_signed(header: Header, key: bytes) -> bool:
    """Whether the message carries the signature that this key makes of it. Without a key none does.

    Anybody who saw one of our probes can write all that another one says of itself but this.
    """
    message = HEADERS.parsebytes(header.raw)
    fields = [message.get_all(name, []) for name in (SIGNATURE_FIELD, "X-Mail-Loop-Id", "Date", "X-Mail-Loop-Name")]
    if not key or any(len(values) != 1 for values in fields):
        return False
    given, probe_id, date, loop = (decoded(values[0]) for values in fields)
    try:
        expected = signature(key, probe_id, parsedate_to_datetime(date), loop)
    except (ValueError, TypeError, IndexError, OverflowError):
        return False
    return hmac.compare_digest(given.encode(errors="replace"), expected.encode())
