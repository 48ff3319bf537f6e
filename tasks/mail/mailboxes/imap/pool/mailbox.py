"""A mailbox whose session others use as well: to its owner it is like one with a session of its own.

The open folder is tracked for each waiter: on the wire it is opened again where another one was opened meanwhile.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Self

from tasks.mail.config.mailbox import ProbeMailbox
from tasks.mail.mailboxes.imap.client import Client
from tasks.mail.mailboxes.imap.commands import IDLE_SLICE_SECONDS
from tasks.mail.mailboxes.imap.folder import FolderStatus, Selected
from tasks.mail.mailboxes.imap.message_data import FetchedRow
from tasks.mail.mailboxes.imap.pool.cache import FolderView
from tasks.mail.mailboxes.imap.pool.lease import Share
from tasks.mail.mailboxes.imap.pool.session import SharedSession
from tasks.mail.mailboxes.imap.reading import Unreadable
from tasks.mail.mailboxes.mailbox import MAX_BODY_OCTETS, Folder, IsOurs
from tasks.mail.model.header import Ref

_SOON_SECONDS = 1.0  # seconds after which all slices of IDLE begin anew: see idle()


class SharedMailbox(Client):
    """The mailbox for one waiter."""

    def __init__(self, share: Share) -> None:
        """Use `join`."""
        super().__init__(share)
        self._share = share
        self._shared = share.shared
        self._known = 0  # the UID up to which it has taken what there is
        self._examined: set[str] = set()
        self.may_select = False  # before a deletion: the others want it open read-only, and a look is one look for all

    @classmethod
    async def join(cls, shared: SharedSession, config: ProbeMailbox, until: float, probe_id: str) -> Self:
        """Take part in a session; fails as Client.open() does."""
        box = cls(Share(shared, config, until, probe_id))
        shared.waiters.add(box._share)
        try:
            await box._share.join()
        except BaseException:
            await box.close()
            raise
        return box

    @property
    def alive(self) -> bool:
        return self._share.alive

    @property
    def exists(self) -> int:
        view = self._seen_by_all()
        return view.exists if view else 0

    @property
    def news(self) -> bool:
        view = self._seen_by_all()
        return self._share.has_news or (view is not None and view.next is not None and view.next > self._known)

    @property
    def can_idle(self) -> bool:
        return self._shared.box.can_idle

    async def folders(self) -> list[Folder]:
        found = await self._share.do("select", "LIST", "LIST", self._shared.box.folders)
        self.remember(found)
        return found

    @property
    def unreadable(self) -> Unreadable:
        return super().unreadable | self._shared.box.unreadable

    def was_read(self, messages: Unreadable) -> None:
        super().was_read(messages)
        self._shared.box.was_read({one for one in messages if one[1] > 0})

    async def renewed(self, folder: str) -> Selected | None:
        """Once for all: one that comes when another has had it opened anew sees what is there now."""
        if not self._shared.box.may_renew:
            return None
        self._examined.discard(folder)  # as if it had come just now
        selected = await self.examine(folder)
        self._share.has_news = False  # what is not announced is asked for
        return selected

    async def fetch_range(self, first: int, last: int, *, flags: bool = True) -> list[FetchedRow]:
        if last >= self.exists:
            self._fetching()
        if (place := self._share.place) is None:
            return []

        async def run() -> list[FetchedRow]:
            return await self._shared.fetch_range(await self._shared.ensure(*place, writable), first, last, flags)

        writable = self._share.writable
        key = "range", place, writable, first, last, flags
        return await self._share.do("search", "FETCH", key, run)

    async def fetch_new(self, uidnext: int) -> list[FetchedRow]:
        had_news = self.news
        self._fetching()
        view = self._seen_by_all()
        if (place := self._share.place) is None:
            return []
        if not had_news or view is None:

            async def run() -> FolderView:
                view = await self._shared.ensure(*place, writable)
                if view.next is not None:
                    await self._shared.fetch_news(view)
                return view

            writable = self._share.writable
            view = await self._share.do("search", "FETCH", ("news", place, writable), run)
        self._known = view.next or 0
        if (rows := view.since(uidnext)) is not None:
            return rows
        return await super().fetch_new(uidnext)

    async def fetch_body(self, uid: int, limit: int = MAX_BODY_OCTETS) -> bytes:
        view = self._seen_by_all()
        if view is not None and (kept := view.bodies.get((uid, limit))):
            return kept
        body = await super().fetch_body(uid, limit)
        if view is not None and body:
            view.keep_body(uid, limit, body)
        return body

    async def noop(self) -> None:
        if (place := self._share.place) is None:
            return
        writable = self._share.writable
        await self._share.do("search", "NOOP", ("NOOP", place, writable), lambda: self._shared.look(*place, writable))

    async def status(self, folder: str) -> FolderStatus:
        place = self._share.place

        async def run() -> FolderStatus:
            if self._shared.box.selected == folder and place is not None:
                await self._shared.ensure(*place)  # of an open folder it would never change
            return await self._shared.box.status(folder)

        return await self._share.do("search", "STATUS", ("STATUS", folder), run)

    async def rest(self, seconds: float, at_most: float) -> None:
        await self._listen(at_most, seconds)

    async def idle(self, seconds: float) -> bool:
        """All end their slices at the same time, so that one look is enough for them."""
        now = time.monotonic()
        end = IDLE_SLICE_SECONDS - (now + _SOON_SECONDS) % IDLE_SLICE_SECONDS + _SOON_SECONDS
        await self._listen(min(seconds, end), None)
        return self.news

    async def close(self) -> None:
        await self._share.close()
        if self._share in self._shared.waiters and self._shared.leave(self._share):
            await asyncio.wait({self._shared.task})

    async def _listen(self, at_most: float, seconds: float | None) -> None:
        if not self.alive:
            return
        self._shared.rests(self._share, seconds)
        try:
            async with asyncio.timeout(at_most):
                await self._share.wake.wait()
        except TimeoutError:
            pass
        finally:
            self._shared.rises(self._share)
            self._share.wake.clear()

    def _seen_by_all(self) -> FolderView | None:
        """What all know of the folder that is open for this one."""
        place = self._share.place
        view = self._shared.views.get(place[0]) if place else None
        return view if view and place and view.opened.uidvalidity == place[1] else None

    def _announced(self, uidnext: int) -> int:
        return 0  # new messages are fetched for all

    def _at_most(self, uidnext: int) -> int:
        view = self._seen_by_all()
        return view.at_most(uidnext) if view else 0

    def _fetching(self) -> None:
        self._share.has_news = False
        self._fetched = time.monotonic()

    async def open_folder(self, stage: str, verb: str, folder: str) -> Selected:
        share, shared = self._share, self._shared
        self.selected = self._view = share.place = None
        is_first = verb == "EXAMINE" and folder not in self._examined and not shared.jobs.is_alone(share)

        async def run() -> Selected:
            # One that comes to a folder that was opened just now sees it as it is; later it wants it opened anew.
            open_already = shared.box.selected == folder and not shared.box.writable and folder in shared.views
            if open_already and is_first and not shared.box.may_renew:
                view = await shared.look(folder, None)
                return replace(view.opened, exists=view.exists)
            return await shared.open(stage, verb, folder)

        selected = await share.do(stage, verb, (verb, folder, is_first), run)
        self._examined.add(folder)
        self.selected, share.place, share.writable = folder, (folder, selected.uidvalidity), verb == "SELECT"
        self._known = selected.uidnext or 0
        self._share.has_news = True
        if not selected.exists:
            self._fetching()
        self._view, self.writable = selected, verb == "SELECT"
        return selected

    @asynccontextmanager
    async def _changing(
        self, refs: Sequence[Ref], is_ours: IsOurs, proven: Collection[Ref]
    ) -> AsyncIterator[tuple[list[int], Selected]]:
        async with self._shared.jobs.alone(self._share), super()._changing(refs, is_ours, proven) as changing:
            yield changing
