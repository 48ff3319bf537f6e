"""Probes of earlier runs in the mailbox: told once, and deleted when they are old. How it is once: see ledger."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from tasks.mail.mailboxes.imap.mailbox import Mailbox
from tasks.mail.model.errors import ImapFailure
from tasks.mail.model.header import Row
from tasks.mail.model.outcome import Reported
from tasks.mail.model.result import EarlierProbe
from tasks.mail.probe.ownership import Owner, is_signed, probe_id
from tasks.mail.search.cleanup.ledger import DELETED, TELLING, TOLD, Terms, entry, sender_is_done

MOST_TOLD = 100  # in one run; the next one goes on
WINDOW = timedelta(days=31)  # how far back an ordinary look goes, for a server's sake
MOST_READ = 1000  # messages that the server's search has found and one run reads
BATCH = 100
READ_SECONDS = 4.0  # for them
NEWEST = 1000  # messages that a thorough look reads itself, for servers whose search is not to be relied on


@dataclass(slots=True)
class Earlier:
    """The probes of earlier runs that this one tells, by id, and those that it removed since they were told before."""

    told: dict[str, EarlierProbe] = field(default_factory=dict)
    removed: list[tuple[str, Row]] = field(default_factory=list)  # with their folders


@dataclass(frozen=True, slots=True)
class _Folder:
    """An open folder, and the probes of earlier runs in it, by UID."""

    box: Mailbox
    name: str
    uidvalidity: int
    owner: Owner
    rows: dict[int, Row]

    async def mark(self, rows: Iterable[Row], flag: str) -> list[Row]:
        """Those of which the server shows the flag then."""
        uids = [row.uid for row in rows]
        marked = await self.box.mark(self.name, self.uidvalidity, uids, self.owner.sent, flag)
        return [self.rows[uid] for uid in marked]

    async def delete(self, rows: Iterable[Row]) -> list[Row]:
        uids = [row.uid for row in rows]
        deleted = await self.box.delete(self.name, self.uidvalidity, uids, self.owner.owns)
        return [self.rows[uid] for uid in deleted]


async def look(
    box: Mailbox, folders: Iterable[str], owner: Owner, terms: Terms, thorough: bool, found: Earlier
) -> None:
    """Add to `found` what these folders hold. A folder that is shut to us is passed over. Raises ImapFailure."""
    trash = await box.trash()  # what lies in it was accounted for before it was moved there
    for name in folders:
        if name == trash:
            continue
        if terms.keep and box.keeps(name, TOLD) is False:
            continue
        try:
            opened = await box.opened(name)
            if not opened.exists:
                continue
            # Where probes are kept on purpose those that were told are many, and none of them is to be deleted.
            rows = await _candidates(box, owner, opened.exists, thorough, TOLD if terms.keep else None)
            ours = {row.uid: row for row in rows if box.may_go(row)}
            await _take(_Folder(box, name, opened.uidvalidity, owner, ours), terms, found)
        except ImapFailure:
            if not box.alive:
                raise


async def _candidates(box: Mailbox, owner: Owner, exists: int, thorough: bool, without: str | None) -> list[Row]:
    """What may be a leftover in the open folder: what the server's search finds, and in a thorough run the newest.

    `without`: a keyword that none of them has. A server that cannot search this way is no reason to end.
    """
    rows: dict[int, Row] = {}
    since = None if thorough else owner.before - WINDOW
    try:
        uids = _some(await box.search(since, "X-Mail-Loop-Name", owner.loop, without), owner.own_id)
    except ImapFailure:
        if not box.alive:
            raise
    else:
        until = time.monotonic() + READ_SECONDS
        for place in range(0, len(uids), BATCH):
            if time.monotonic() >= until:  # another run begins elsewhere
                break
            rows |= _sent(await box.fetch_uids(uids[place : place + BATCH]), owner)
    if thorough:
        async for batch in box.newest_first(exists, NEWEST):
            rows |= _sent(batch, owner)
    return list(rows.values())


def _some(uids: Sequence[int], own_id: str) -> Sequence[int]:
    """As many as one run reads, by its random id others than the last one did: anybody may write our loop's name."""
    start = int(own_id[:8] or "0", 16) % len(uids) if len(uids) > BATCH else 0
    return [*uids[start:], *uids[:start]][:MOST_READ]


def _sent(rows: Iterable[Row], owner: Owner) -> dict[int, Row]:
    """Those that may be ours, by UID: strangers' headers may be large, and anybody may write our loop's name."""
    return {row.uid: row for row in rows if owner.sent(row)}


async def _take(folder: _Folder, terms: Terms, found: Earlier) -> None:
    """Remove what was told and is old, and claim what is to be told."""
    # What is signed comes first: no number of forged ones keeps it from being told.
    rows = sorted(folder.rows.values(), key=lambda row: (not is_signed(row, terms.key), row.internaldate, row.uid))
    told = [row for row in rows if _has(row, TOLD)]
    if not terms.keep:
        gone = await folder.delete(row for row in told if folder.owner.owns(row))
        found.removed += [(folder.name, row) for row in gone]
    known = {probe_id(row) for row in told} | set(found.told)
    due: list[Row] = []
    silent: list[Row] = []
    for row in rows:
        if _has(row, TOLD) or not (sender_is_done(row, terms) or folder.owner.owns(row)):
            continue
        if (earlier := found.told.get(probe_id(row))) and (earlier.folder, earlier.uid) == (folder.name, row.uid):
            continue  # claimed by this very run, on a connection that was lost
        is_news = probe_id(row) not in known and (terms.sure or _entry(folder, row, terms).reported is Reported.LOST)
        (due if is_news or _has(row, TELLING) else silent).append(row)
        known.add(probe_id(row))
    for row in await _claim(folder, due[: MOST_TOLD - len(found.told)], terms):
        found.told[probe_id(row)] = _entry(folder, row, terms)
    untold = {probe_id(row) for row in due} - set(found.told)
    await _close(folder, [row for row in silent if probe_id(row) not in untold], terms, found)


async def _claim(folder: _Folder, due: Sequence[Row], terms: Terms) -> list[Row]:
    """Claim what is to be told: see ledger. A claim that was left behind is as good as one's own."""
    claimed = [row for row in due if _has(row, TELLING)]
    fresh = [row for row in due if not _has(row, TELLING)]
    if folder.box.keeps(folder.name, TELLING) is not False:
        claimed += await folder.mark(fresh, TELLING)
    if not terms.keep:
        claimed += await folder.mark((row for row in fresh if row not in claimed and folder.owner.owns(row)), DELETED)
    return claimed


async def _close(folder: _Folder, silent: Sequence[Row], terms: Terms, found: Earlier) -> None:
    """Account for what is not to be told at all: a copy of what is, or what its own check had to leave."""
    old = [row for row in silent if folder.owner.owns(row) and not terms.keep]
    found.removed += [(folder.name, row) for row in await folder.delete(old)]
    if folder.box.keeps(folder.name, TOLD) is not False:
        await folder.mark((row for row in silent if row not in old), TOLD)


def _entry(folder: _Folder, row: Row, terms: Terms) -> EarlierProbe:
    return entry(row, folder.name, folder.uidvalidity, terms)


def _has(row: Row, keyword: str) -> bool:
    return keyword.upper() in row.flags
