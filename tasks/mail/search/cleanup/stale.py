"""Probes of earlier runs in the mailbox: reported once, and deleted when they are old. How it is once: see ledger."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from tasks.mail.mailboxes.mailbox import Can, Mailbox
from tasks.mail.model.errors import MailboxFailure
from tasks.mail.model.header import Header, Ref
from tasks.mail.model.outcome import Reported
from tasks.mail.model.result import EarlierProbe
from tasks.mail.probe.ownership import Owner, is_signed, probe_id
from tasks.mail.search.cleanup.ledger import (
    CLAIM_FLAG,
    DELETED_FLAG,
    REPORTED_FLAG,
    Terms,
    earlier_probe,
    sender_is_done,
)

MAX_REPORTED = 100  # in one run; the next one goes on
_WINDOW = timedelta(days=31)  # how far back an ordinary look goes, for a server's sake
_MAX_READ = 1000  # messages that the server's search has found and one run reads
_BATCH = 100
_READ_SECONDS = 4.0  # for them
_MAX_NEWEST = 1000  # messages that a thorough look reads itself, for servers whose search is not to be relied on


@dataclass(slots=True)
class Earlier:
    """The probes of earlier runs that this one reports, by id, and those, reported before, that it removed."""

    reported: dict[str, EarlierProbe] = field(default_factory=dict)
    removed: list[Header] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Folder:
    """A folder, and the probes of earlier runs in it."""

    box: Mailbox
    name: str
    owner: Owner
    found: dict[Ref, Header]

    def keeps(self, flag: str) -> bool:
        """Whether it may keep a flag for good: where that is not known, it is tried."""
        return Can.FLAGS in self.box.can and self.box.keeps(self.name, flag) is not False

    async def mark(self, headers: Iterable[Header], flag: str) -> list[Header]:
        """Those of which the server shows the flag then."""
        marked = await self.box.mark([header.ref for header in headers], self.owner.sent, flag)
        return [self.found[ref] for ref in marked]

    async def delete(self, headers: Iterable[Header]) -> list[Header]:
        deleted = await self.box.delete([header.ref for header in headers], self.owner.owns)
        return [self.found[ref] for ref in deleted]


async def find_earlier(
    box: Mailbox, folders: Iterable[str], owner: Owner, terms: Terms, thorough: bool, found: Earlier
) -> None:
    """Add to `found` what these folders hold. A folder that is shut to us is passed over. Raises MailboxFailure."""
    trash = await box.trash()  # what lies in it was accounted for before it was moved there
    for name in folders:
        if name == trash:
            continue
        if terms.keep and box.keeps(name, REPORTED_FLAG) is False:
            continue
        try:
            # Where probes are kept on purpose those that were reported are many, and none of them is to be deleted.
            headers = await _candidates(box, owner, name, thorough, REPORTED_FLAG if terms.keep else None)
            ours = {header.ref: header for header in headers if box.may_go(header)}
            await _take(_Folder(box, name, owner, ours), terms, found)
        except MailboxFailure:
            if not box.alive:
                raise


async def _candidates(box: Mailbox, owner: Owner, folder: str, thorough: bool, without: str | None) -> list[Header]:
    """What may be a leftover in a folder: what the server's search finds, and in a thorough run the newest.

    `without`: a keyword that none of them has. A server that cannot search this way is no reason to end.
    """
    found: dict[Ref, Header] = {}
    since = None if thorough else owner.before - _WINDOW
    try:
        refs = _some(await box.find(folder, since, "X-Mail-Loop-Name", owner.loop, without), owner.own_id)
    except MailboxFailure:
        if not box.alive:
            raise
    else:
        until = time.monotonic() + _READ_SECONDS
        for place in range(0, len(refs), _BATCH):
            if time.monotonic() >= until:  # another run begins elsewhere
                break
            found |= _sent(await box.fetch(refs[place : place + _BATCH]), owner)
    if thorough:
        async for batch in box.walk_back(folder, _MAX_NEWEST, anew=False):
            found |= _sent(batch, owner)
    return list(found.values())


def _some(refs: Sequence[Ref], own_id: str) -> Sequence[Ref]:
    """As many as one run reads, by its random id others than the last one did: any sender may write our loop's name."""
    start = int(own_id[:8] or "0", 16) % len(refs) if len(refs) > _BATCH else 0
    return [*refs[start:], *refs[:start]][:_MAX_READ]


def _sent(headers: Iterable[Header], owner: Owner) -> dict[Ref, Header]:
    """Those that may be ours: strangers' headers may be large, and any sender may write our loop's name."""
    return {header.ref: header for header in headers if owner.sent(header)}


async def _take(folder: _Folder, terms: Terms, found: Earlier) -> None:
    """Remove what was reported and is old, and claim what is to be reported."""
    # What is signed comes first: no number of forged ones keeps it from being reported.
    headers = sorted(folder.found.values(), key=lambda one: (not is_signed(one, terms.key), one.arrived_at, one.ref))
    reported = [header for header in headers if _has(header, REPORTED_FLAG)]
    if not terms.keep:
        gone = await folder.delete(header for header in reported if folder.owner.owns(header))
        found.removed += gone
    known = {probe_id(header) for header in reported} | set(found.reported)
    due: list[Header] = []
    silent: list[Header] = []
    for header in headers:
        if _has(header, REPORTED_FLAG) or not (sender_is_done(header, terms) or folder.owner.owns(header)):
            continue
        if (earlier := found.reported.get(probe_id(header))) and earlier.ref == header.ref:
            continue  # claimed by this very run, on a connection that was lost
        is_news = probe_id(header) not in known and (
            terms.sure or earlier_probe(header, terms).reported is Reported.LOST
        )
        (due if is_news or _has(header, CLAIM_FLAG) else silent).append(header)
        known.add(probe_id(header))
    for header in await _claim(folder, due[: MAX_REPORTED - len(found.reported)], terms):
        found.reported[probe_id(header)] = earlier_probe(header, terms)
    unreported = {probe_id(header) for header in due} - set(found.reported)
    await _close(folder, [header for header in silent if probe_id(header) not in unreported], terms, found)


async def _claim(folder: _Folder, due: Sequence[Header], terms: Terms) -> list[Header]:
    """Claim what is to be reported: see ledger. A claim that was left behind is as good as one of this run."""
    claimed = [header for header in due if _has(header, CLAIM_FLAG)]
    fresh = [header for header in due if not _has(header, CLAIM_FLAG)]
    if folder.keeps(CLAIM_FLAG):
        claimed += await folder.mark(fresh, CLAIM_FLAG)
    if not terms.keep:
        claimed += await folder.mark(
            (header for header in fresh if header not in claimed and folder.owner.owns(header)), DELETED_FLAG
        )
    return claimed


async def _close(folder: _Folder, silent: Sequence[Header], terms: Terms, found: Earlier) -> None:
    """Account for what is not to be reported at all: a copy of what is, or what its own check had to leave."""
    old = [header for header in silent if folder.owner.owns(header) and not terms.keep]
    found.removed += await folder.delete(old)
    if folder.keeps(REPORTED_FLAG):
        await folder.mark((header for header in silent if header not in old), REPORTED_FLAG)


def _has(header: Header, keyword: str) -> bool:
    return keyword.upper() in header.flags
