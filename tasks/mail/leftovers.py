"""Probes that nobody collected, since their check was killed, or gave up before they came: how they are found.

Not known by their ids, they are known by all else that a probe says of itself; anything short of it is not ours.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from tasks.mail.config import TOKEN_LENGTH
from tasks.mail.errors import ImapFailure
from tasks.mail.imap import Mailbox
from tasks.mail.imap_rows import UNKNOWN_DATE, Row
from tasks.mail.match import HEADERS, decoded, is_answer, is_report
from tasks.mail.probe import Probe

PROBE_ID = re.compile(r"[0-9a-f]{32}")
WINDOW = timedelta(days=31)  # how far back an ordinary look goes, for a server's sake
NEWEST = 1000  # messages that a thorough look reads itself, for servers whose search is not to be relied on


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose leftovers: what all probes of a loop have in common, but for `own_id`. One is old if it came `before`."""

    loop: str
    from_addr: str
    before: datetime
    own_id: str = ""

    @classmethod
    def of(cls, probe: Probe, before: datetime) -> Owner:
        return cls(probe.loop, probe.from_addr, before, probe.id)

    def owns(self, row: Row) -> bool:
        """Whether the message is an old probe of this loop."""
        return row.internaldate < self.before and self.sent(row)

    def sent(self, row: Row) -> bool:
        """Whether the message is a probe of this loop, though not this run's, by its own top-level header."""
        message = HEADERS.parsebytes(row.headers)
        ids = message.get_all("X-Mail-Loop-Id", [])
        return (
            row.internaldate > UNKNOWN_DATE
            and len(ids) == 1
            and probe_id(row) != self.own_id
            and PROBE_ID.fullmatch(probe_id(row)) is not None
            and [decoded(name) for name in message.get_all("X-Mail-Loop-Name", [])] == [self.loop]
            and self._is_sender(decoded(message.get("From")).casefold())
            and decoded(message.get("Auto-Submitted")).casefold() == "auto-generated"
            and decoded(message.get("Subject")).split()[-1:] == [probe_id(row)[:TOKEN_LENGTH]]
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


def probe_id(row: Row) -> str:
    return decoded(HEADERS.parsebytes(row.headers).get("X-Mail-Loop-Id"))


async def candidates(box: Mailbox, owner: Owner, exists: int, thorough: bool, without: str | None) -> list[Row]:
    """What may be a leftover in the open folder: what the server's search finds, and in a thorough run the newest.

    `without`: a keyword that none of them has. A server that cannot search this way is no reason to end.
    """
    rows: dict[int, Row] = {}
    since = None if thorough else owner.before - WINDOW
    try:
        uids = await box.search(since, "X-Mail-Loop-Name", owner.loop, without)
    except ImapFailure:
        if not box.alive:
            raise
    else:
        rows |= {row.uid: row for row in await box.fetch_uids(uids)}
    if thorough:
        async for batch in box.newest_first(exists, NEWEST):
            rows |= {row.uid: row for row in batch}
    return list(rows.values())
