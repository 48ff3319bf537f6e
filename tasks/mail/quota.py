"""Whether a mailbox is full, by what its server says of its quota (RFC 9208, before it RFC 2087): pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from tasks.mail.imap_rows import Response

ROOM = {"STORAGE": 8, "MESSAGE": 0}  # what a probe needs at the most, with all that is added to it: KiB, messages
UNITS = {"STORAGE": "KiB", "MESSAGE": "messages"}
QUOTA = re.compile(rb"QUOTA\b", re.IGNORECASE)
LIMIT = re.compile(rb"(?<![\w-])(STORAGE|MESSAGE) (\d{1,19}) (\d{1,19})\b", re.IGNORECASE)
LONGEST = 4096  # octets that are looked at


@dataclass(frozen=True, slots=True)
class Quota:
    """One limit of a mailbox: `used` of `limit`, of STORAGE in KiB, of MESSAGE in messages."""

    resource: str
    used: int
    limit: int

    @property
    def is_full(self) -> bool:
        """Whether there may be no room left for a probe."""
        return self.limit - self.used <= ROOM[self.resource]

    @property
    def words(self) -> str:
        return f"{self.used} of {self.limit} {UNITS[self.resource]}"


def quotas(responses: Iterable[Response]) -> tuple[Quota, ...]:
    """The limits that the answers to GETQUOTAROOT tell of, as far as they are of these two kinds."""
    found = []
    for response in responses:
        if QUOTA.match(response[0]):
            # What the limits belong to has a name that may be a literal, so they stand at the end.
            told = response[-1][-LONGEST:].rpartition(b"(")[2]
            found += [Quota(kind.decode().upper(), int(used), int(most)) for kind, used, most in LIMIT.findall(told)]
    return tuple(found)
