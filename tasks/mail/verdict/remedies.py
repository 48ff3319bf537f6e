"""What to do about a failure, and who must, from what the server said: pure."""

from __future__ import annotations

import re
from typing import NamedTuple

CODE = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")  # what a notice calls its status may be anything
GREYLISTING = re.compile(r"gr[ae]y-?\s?list", re.IGNORECASE)

YOU = "you, who set up this check"
OWNER = "the owner of the mailbox {to}"
RUNS = "whoever runs {server}"


class Remedy(NamedTuple):
    """What to do, as half a sentence, and who must."""

    words: str
    who: str


# By the subject and detail of the enhanced status code (RFC 3463, with the registry of RFC 5248); a detail of "" is any
# other. `{to}` is the recipient's address, `{server}` who answered so.
ADVICE = {
    ("1", ""): Remedy("see whether {to} exists, and is spelt right", f"{YOU}, or else {RUNS}"),
    ("2", "1"): Remedy("have the mailbox of {to} enabled again", RUNS),
    ("2", "2"): Remedy("the mailbox of {to} is full: make room in it, or raise its quota", OWNER),
    ("2", "3"): Remedy("have the size limit of {to} raised", RUNS),
    ("3", ""): Remedy("see whether that server is overloaded or its disk full", RUNS),
    ("4", ""): Remedy("see how that server reaches the next one", RUNS),
    ("7", ""): Remedy("ask its postmaster which of its rules refuses the message", RUNS),
}


def whoever_runs(server: str) -> str:
    """Who must act where a server is to blame."""
    return RUNS.format(server=server)


def advice(code: str | None, to: str, server: str) -> Remedy | None:
    """What to do about a reply of `server` with this enhanced status code; None where it does not tell."""
    _, subject, detail = (code or "").split(".") if CODE.fullmatch(code or "") else ("", "", "")
    found = ADVICE.get((subject, detail)) or ADVICE.get((subject, ""))
    return Remedy(*(part.format(to=to, server=server) for part in found)) if found else None


def is_greylisting(reply: str) -> bool:
    """Whether a server refuses for now because it has not seen the sender before: it says so in words only."""
    return GREYLISTING.search(reply) is not None


def renewal(text: str) -> str | None:
    """What to do about a certificate that was not accepted because its time is over."""
    return "renew that certificate" if "certificate has expired" in text else None
