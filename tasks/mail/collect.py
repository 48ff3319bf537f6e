"""What is ours is taken out of the mailbox: the probe of this run, and what earlier runs of the loop left behind."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

from tasks.mail.errors import ImapFailure
from tasks.mail.facts import Hit, Moment
from tasks.mail.imap import Mailbox
from tasks.mail.leftovers import Leftover, Owner, is_thorough, remove
from tasks.mail.match import Match, match
from tasks.mail.probe import Probe

LEFTOVERS_SECONDS = 10.0  # the verdict is certain by then, and waits for no more than this


async def collect(box: Mailbox, probe: Probe, hits: Sequence[Hit]) -> Iterable[str]:
    """Delete the copies of the probe that carry our header with our loop's name; returns notes. Raises ImapFailure."""
    own = [hit for hit in hits if hit.own]
    for folder, uidvalidity in {(hit.folder, hit.uidvalidity) for hit in own}:
        uids = [hit.uid for hit in own if (hit.folder, hit.uidvalidity) == (folder, uidvalidity)]
        await box.delete(folder, uidvalidity, uids, lambda row: match(row.headers, probe) is Match.OWN)
    return ["A copy without our own header was left in the mailbox."] if len(own) < len(hits) else []


async def collect_leftovers(
    box: Mailbox,
    probe: Probe,
    before: datetime,
    looked_at: Sequence[str],
    others: Sequence[str],
) -> Iterable[str]:
    """Delete the old probes in the folders that were looked at, now and then in the others as well; returns notes.

    A probe that came later than `before` is left alone, for a check may still wait for it.
    Whatever goes wrong here is a note, too: it changes nothing about this run's message.
    """
    unreadable = box.unreadable
    thorough = is_thorough(probe)
    folders = [*looked_at, *others] if thorough else looked_at
    try:
        async with asyncio.timeout(LEFTOVERS_SECONDS):
            removed = await remove(box, folders, Owner.of(probe, before), thorough)
    except (ImapFailure, TimeoutError) as failure:
        return [f"Whether earlier probes were left behind could not be seen: {failure or 'it took too long'}."]
    finally:
        box.unreadable = unreadable  # what concerns old messages only says nothing about this one
    return [*_told(removed), *_spared(box)]


def earliest_now(started: Moment, hits: Sequence[Hit]) -> datetime:
    """Now by the clock that is furthest behind, ours or the mail server's, set or not: what is old by all is old."""
    now = Moment.now()
    return min([now.utc, started.utc_at(now), *(hit.internaldate for hit in hits)])


def _told(removed: Sequence[Leftover]) -> Iterator[str]:
    if removed:
        oldest = min(removed, key=lambda probe: probe.internaldate)
        what = (
            "An earlier probe that nobody had collected was"
            if len(removed) == 1
            else (f"{len(removed)} earlier probes that nobody had collected were")
        )
        when = f"{oldest.internaldate.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        yield f"{what} deleted; the oldest had arrived in {oldest.folder} at {when}."


def _spared(box: Mailbox) -> Iterator[str]:
    for folder in sorted(box.spared):
        yield rf"Probes were left in {folder}, for deleting them would take \Recent from other messages."
