"""Probes that nobody collected, since their check was killed, or gave up before they came: found and removed.

Not known by their ids, they are known by all else that a probe says of itself; anything short of it is not ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
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
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Leftover:
    """A probe of an earlier run that was deleted. `internaldate` is when it arrived."""

    folder: str
    uid: int
    probe_id: str
    internaldate: datetime


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose leftovers: what all probes of a loop have in common. They are left alone until `before`."""

    loop: str
    from_addr: str
    before: datetime

    @classmethod
    def of(cls, probe: Probe, before: datetime) -> Owner:
        return cls(probe.loop, probe.from_addr, before)

    def owns(self, row: Row) -> bool:
        """Whether the message is an old probe of this loop, by its own top-level header."""
        message = HEADERS.parsebytes(row.headers)
        ids = message.get_all("X-Mail-Loop-Id", [])
        return (
            UNKNOWN_DATE < row.internaldate < self.before
            and len(ids) == 1
            and PROBE_ID.fullmatch(probe_id(row)) is not None
            and [decoded(name) for name in message.get_all("X-Mail-Loop-Name", [])] == [self.loop]
            and self._sent(decoded(message.get("From")).casefold())
            and decoded(message.get("Auto-Submitted")).casefold() == "auto-generated"
            and decoded(message.get("Subject")).split()[-1:] == [probe_id(row)[:TOKEN_LENGTH]]
            and not is_report(message)
            and not is_answer(message)
        )

    def _sent(self, sender: str) -> bool:
        address = self.from_addr.casefold()
        return sender == address or sender.endswith(f"<{address}>")


def is_thorough(probe: Probe) -> bool:
    """Whether this run is one of the sixteenth that look into every folder and beyond the window.

    By its random id: that needs no memory of earlier runs.
    """
    return probe.id.endswith("0")


def probe_id(row: Row) -> str:
    return decoded(HEADERS.parsebytes(row.headers).get("X-Mail-Loop-Id"))


async def remove(box: Mailbox, folders: Iterable[str], owner: Owner, thorough: bool) -> list[Leftover]:
    """Delete the leftovers in these folders. A folder that is shut to us is passed over. Raises ImapFailure."""
    removed: list[Leftover] = []
    for folder in folders:
        try:
            removed += await _remove(box, folder, owner, thorough)
        except ImapFailure:
            if not box.alive:
                raise
    return removed


async def _remove(box: Mailbox, folder: str, owner: Owner, thorough: bool) -> list[Leftover]:
    opened = await box.examine(folder)
    if not opened.exists:
        return []
    rows = {row.uid: row for row in await _candidates(box, owner, thorough)}
    if thorough:
        async for batch in box.newest_first(opened.exists, NEWEST):
            rows |= {row.uid: row for row in batch}
    ours = {uid: row for uid, row in rows.items() if owner.owns(row) and box.may_go(row)}
    deleted = await box.delete(folder, opened.uidvalidity, list(ours), owner.owns)
    return [Leftover(folder, uid, probe_id(ours[uid]), ours[uid].internaldate) for uid in deleted]


async def _candidates(box: Mailbox, owner: Owner, thorough: bool) -> list[Row]:
    """What the server's search finds; a server that cannot search this way is no reason to end."""
    since = None if thorough else owner.before - WINDOW
    try:
        # A day more, for the server's zone is not known; owns() is exact.
        uids = await box.search(since, owner.before + 2 * DAY, "X-Mail-Loop-Name", owner.loop)
    except ImapFailure:
        if not box.alive:
            raise
        return []
    return await box.fetch_uids(uids)
