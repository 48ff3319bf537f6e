"""A mailbox that is read over IMAP, as a search sees it: where a folder is opened, and how news is asked for.

NOOP before each look at the open folder, for a server may answer from the view of the command before; EXAMINE anew
where it shows nothing; STATUS of the folders that are looked at aside.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Self, cast

from tasks.mail.config.mailbox import ProbeMailbox
from tasks.mail.mailboxes.imap.client import Client
from tasks.mail.mailboxes.imap.commands import IDLE_SLICE_SECONDS, MAX_SILENCE_SECONDS, SILENCE_SLACK
from tasks.mail.mailboxes.imap.folder import Position, Selected
from tasks.mail.mailboxes.imap.message_data import FetchedRow
from tasks.mail.mailboxes.imap.pool.pool import opened
from tasks.mail.mailboxes.imap.reading import BATCH
from tasks.mail.mailboxes.mailbox import MAX_WALKED, Can, Cursor, Look
from tasks.mail.model.errors import MailboxFailure
from tasks.mail.model.header import Header, Ref
from tasks.mail.model.journey_record import TlsRecord

# Seconds between two looks in a hurry, and the factor by which they grow: a message is seen after half of one.
_FIRST_STEP, _MAX_STEP, _GROWTH = 0.02, 0.08, 1.5
_POLL_SECONDS = 2.5  # between two looks on a server without IDLE: each second one opens the view anew
_ABOVE_ALL = 2**32  # no UID is as high


class ImapMailbox:
    """A Mailbox. The expected folder stays open between the looks at it."""

    can = Can.FOLDERS | Can.DELETE | Can.FLAGS

    def __init__(self, client: Client, folder: str) -> None:
        self._client = client
        self._expected = folder
        self._generations: dict[str, int] = {}
        self._walk: AsyncIterator[list[FetchedRow]] | None = None  # back from the newest message of the open folder
        self._cut_off = False  # that walk ends before the oldest one
        self._step = _FIRST_STEP
        self.spared, self.stuck = client.spared, client.stuck
        self.folders, self.trash, self.quotas = client.folders, client.trash, client.quotas
        self.delete, self.mark, self.keeps, self.may_go = client.delete, client.mark, client.keeps, client.may_go
        self.close = client.close

    @classmethod
    async def open(cls, section: ProbeMailbox, until: float, probe_id: str | None = None) -> Self:
        client = await (Client.open(section, until) if probe_id is None else opened(section, until, probe_id))
        return cls(client, section.folder)

    @property
    def stages(self) -> dict[str, float]:
        return dict(self._client.session.stages)

    @property
    def tls(self) -> TlsRecord | None:
        return self._client.session.tls

    @property
    def alive(self) -> bool:
        return self._client.alive

    @property
    def unreadable(self) -> set[Ref]:
        return {Ref(folder, self._generations.get(folder, 0), uid) for folder, uid in self._client.unreadable}

    async def new(self, folder: str, cursor: Cursor | None, *, to_change: bool = False) -> Look:
        client, position = self._client, cast("Position | None", cursor)
        self._walk = None
        if to_change and client.may_select and position is not None:
            try:
                selected = await client.select(folder)
                # A folder made anew in the meantime may hold the same messages under other numbers.
                if selected.uidvalidity != position.generation or not position.is_outdated(selected):
                    return Look((), position)
                return await self._fetch_new(folder, position)
            except MailboxFailure:
                if not client.alive:
                    raise
        if folder != self._expected:
            return await self._look_aside(folder, position)
        if client.selected != folder or position is None:
            return await self._look_into(folder, position, await self._examine(folder))
        is_silent = client.unfetched >= MAX_SILENCE_SECONDS - SILENCE_SLACK
        if is_silent and not client.news and (renewed := await client.renewed(folder)) is not None:
            return await self._look_into(folder, position, self._noted(folder, renewed))
        if not client.news:
            await client.noop()
        return await self._fetch_new(folder, position) if client.news or is_silent else Look((), position)

    async def _look_aside(self, folder: str, position: Position | None) -> Look:
        status = await self._client.status(folder)
        is_empty = status.messages == 0
        if position is not None and not position.is_outdated(status):
            return Look((), replace(position, is_empty=is_empty))
        if is_empty and status.uidnext and status.uidvalidity:
            return Look((), Position(status.uidvalidity, status.uidnext, is_empty=True))
        look = await self._look_into(folder, position, await self._examine(folder))
        return replace(look, cursor=replace(cast("Position", look.cursor), is_empty=is_empty))

    async def _look_into(self, folder: str, position: Position | None, selected: Selected) -> Look:
        """What is new in a folder that has just been opened."""
        if position is not None and position.generation == selected.uidvalidity:
            return await self._fetch_new(folder, position)
        # What has just landed is the last message. Asked for alone it comes soonest.
        rows = await self._client.fetch_range(selected.exists, selected.exists, flags=False)
        self._walk = self._client.newest_first(selected.exists - 1, flags=False)
        self._cut_off = selected.exists > MAX_WALKED
        uidnext = selected.uidnext or 1
        floor = min((row.uid for row in rows), default=_ABOVE_ALL) if selected.exists else None
        return Look(
            self._headers(folder, rows), Position(selected.uidvalidity, uidnext, first=uidnext, floor=floor).past(rows)
        )

    async def _fetch_new(self, folder: str, position: Position) -> Look:
        """What has come; of very much, the newest first."""
        rows = await self._client.fetch_new(position.uidnext)
        left, self._client.left = self._client.left, []
        return Look(self._headers(folder, rows), position.past(rows).owing(left))

    async def older(self, folder: str, cursor: Cursor) -> Look:
        client, position = self._client, cast("Position", cursor)
        if client.selected != folder:
            self._walk = None
            selected = await self._examine(folder)
            if selected.uidvalidity != position.generation:
                return Look((), position.without_rest())
        if self._walk is not None and position.floor is not None:
            if (rows := await anext(self._walk, None)) is None:
                return Look((), replace(position, floor=None), self._cut_off)
            return Look(self._headers(folder, rows), replace(position, floor=min(row.uid for row in rows)).past(rows))
        if position.floor is not None:  # a lost connection, or the end of its time, has kept the walk from going on
            uids = [uid for uid in await client.newest_uids() if uid < position.floor]
            position = replace(position.owing(uids), floor=None)
        rows = await client.fetch_uids(position.rest[-BATCH:])
        return Look(self._headers(folder, rows), replace(position, rest=position.rest[:-BATCH]).past(rows))

    async def walk_back(
        self, folder: str, most: int = MAX_WALKED, *, anew: bool = True, flags: bool = True
    ) -> AsyncIterator[list[Header]]:
        selected = await (self._examine if anew else self._opened)(folder)
        async for rows in self._client.newest_first(selected.exists, most, flags=flags):
            yield self._headers(folder, rows)

    async def fetch(self, refs: Sequence[Ref]) -> list[Header]:
        folder = refs[0].folder
        await self._opened(folder)
        return self._headers(folder, await self._client.fetch_uids([ref.number for ref in refs]))

    async def body(self, ref: Ref) -> bytes:
        if self._client.selected != ref.folder:
            await self._examine(ref.folder)
        return await self._client.fetch_body(ref.number)

    async def find(
        self, folder: str, since: datetime | None, field: str, value: str, without: str | None = None
    ) -> list[Ref]:
        selected = await self._opened(folder)
        uids = await self._client.search(since, field, value, without) if selected.exists else []
        return [Ref(folder, selected.uidvalidity, uid) for uid in uids]

    async def still_there(self, refs: Sequence[Ref]) -> Collection[Ref] | None:
        client, folder = self._client, refs[0].folder
        selected, unreadable = await self._examine(folder), client.unreadable
        found = self._headers(folder, await client.fetch_uids([ref.number for ref in refs]))
        if selected.uidvalidity != refs[0].generation or client.unreadable != unreadable:
            return None
        return {one.ref for one in found if not one.is_deleted}  # so do those who know no MOVE

    def count_gone(self, folder: str, cursor: Cursor) -> int | None:
        client = self._client
        return cast("Position", cursor).uidnext - client.exists if client.selected == folder else None

    async def wait(self, at_most: float, hurry: bool) -> None:
        client, now = self._client, time.monotonic()
        if client.selected != self._expected:
            return  # what came there meanwhile is to be seen now, and what comes next has to wake IDLE
        if hurry:
            await client.rest(min(self._step, at_most), at_most)
            self._step = min(self._step * _GROWTH, _MAX_STEP)
        elif client.can_idle:
            await client.idle(max(0.0, min(IDLE_SLICE_SECONDS, at_most, MAX_SILENCE_SECONDS - client.unfetched)))
            # A busy mailbox, or a server that ends IDLE at once, must not make the looks follow each other unpaced.
            await asyncio.sleep(max(0.0, now + min(_MAX_STEP, at_most) - time.monotonic()))
        else:
            await client.rest(min(_POLL_SECONDS, at_most), min(IDLE_SLICE_SECONDS, at_most))

    async def _examine(self, folder: str) -> Selected:
        return self._noted(folder, await self._client.examine(folder))

    async def _opened(self, folder: str) -> Selected:
        """The folder open for reading, as it is where it is the open one."""
        return self._noted(folder, await self._client.opened(folder))

    def _noted(self, folder: str, selected: Selected) -> Selected:
        self._generations[folder] = selected.uidvalidity
        return selected

    def _headers(self, folder: str, rows: Iterable[FetchedRow]) -> list[Header]:
        generation = self._generations.get(folder, 0)
        return [row.header(Ref(folder, generation, row.uid)) for row in rows]
