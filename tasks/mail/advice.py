"""What to do about a failure, from what the server said: pure."""

from __future__ import annotations

import re

CODE = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")  # what a notice calls its status may be anything
GREYLISTING = re.compile(r"gr[ae]y-?\s?list", re.IGNORECASE)

# By the subject and detail of the enhanced status code (RFC 3463, with the registry of RFC 5248); a detail of "" is any
# other. `{to}` is the recipient's address.
ADVICE = {
    ("1", ""): "see whether {to} exists, and is spelt right",
    ("2", "1"): "have the mailbox of {to} enabled again",
    ("2", "2"): "the mailbox of {to} is full: make room in it, or raise its quota",
    ("2", "3"): "have the size limit of {to} raised",
    ("3", ""): "see whether that server is overloaded or its disk full",
    ("4", ""): "see how that server reaches the next one",
    ("7", ""): "ask its postmaster which of its rules refuses the message",
}


def advice(code: str | None, to: str) -> str | None:
    """What to do about a reply with this enhanced status code; None where it does not tell."""
    _, subject, detail = (code or "").split(".") if CODE.fullmatch(code or "") else ("", "", "")
    found = ADVICE.get((subject, detail)) or ADVICE.get((subject, ""))
    return found.format(to=to) if found else None


def is_greylisting(reply: str) -> bool:
    """Whether a server refuses for now because it has not seen the sender before: it says so in words only."""
    return GREYLISTING.search(reply) is not None


def renewal(text: str) -> str | None:
    """What to do about a certificate that was not accepted because its time is over."""
    return "renew that certificate" if "certificate has expired" in text else None
