"""The folders of one mailbox as many see them over one session: each is opened when needed, and read once for all."""

import asyncio
import time
from collections.abc import Iterable

from tasks.mail.mailboxes.imap.client import Client
from tasks.mail.mailboxes.imap.folder import Selected
from tasks.mail.mailboxes.imap.message_data import FetchedRow
from tasks.mail.mailboxes.imap.pool.cache import FolderView
from tasks.mail.mailboxes.imap.session import Session
from tasks.mail.model.errors import MailboxFailure
from tasks.mail.model.outcome import ErrorType

_ROUNDS = 3  # of fetching what came while new messages were fetched; then others have their turn


class Waiter:
    """Waits for the probe of this id. `wake` ends its rest; `has_news`: there are messages that it has not fetched."""

    def __init__(self, probe_id: str) -> None:
        self.probe_id = probe_id
        self.place: tuple[str, int] | None = None  # the folder that is open for it, and its UIDVALIDITY
        self.has_news = False
        self.wake = asyncio.Event()


class SharedFolders:
    """What is asked of the server for all. Its methods are for the task of the session alone, one at a time."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.box = Client(session)  # as it is open on the wire
        self.waiters: set[Waiter] = set()
        self.views: dict[str, FolderView] = {}
        self.looked = 0.0  # when the last look began, in monotonic seconds
        session.connection.counted = self._count

    async def ensure(self, folder: str, uidvalidity: int | None, writable: bool = False) -> FolderView:
        """Have the folder open as wanted: for another waiter another one may have been opened meanwhile."""
        if self.box.selected != folder or self.box.writable is not writable or folder not in self.views:
            await self.open("search", "SELECT" if writable else "EXAMINE", folder)
        view = self.views[folder]
        if uidvalidity is not None and view.opened.uidvalidity != uidvalidity:
            raise MailboxFailure(ErrorType.MAILBOX, "search", f"the folder {folder} was made anew")
        return view

    async def open(self, stage: str, verb: str, folder: str) -> Selected:
        """Open a folder by SELECT or EXAMINE."""
        view = self.views.pop(folder, None)  # what is counted while it is opened is in the answer
        selected = await self.box.open_folder(stage, verb, folder)
        if view is not None and selected.uidvalidity and view.opened.uidvalidity == selected.uidvalidity:
            self.session.connection.news = view.reopened(selected)
        else:
            view, self.session.connection.news = FolderView(selected), False
        self.views[folder] = view
        return selected

    async def look(self, folder: str, uidvalidity: int | None, writable: bool = False) -> FolderView:
        """Bring what is known of a folder up to date."""
        await self.ensure(folder, uidvalidity, writable)
        self.looked = time.monotonic()
        await self.box.noop()
        return self.views[folder]

    async def fetch_news(self, view: FolderView) -> None:
        """Fetch the new messages of the open folder, and hand them out."""
        if view.next is None:
            self.session.connection.news = False
            self._hand_out(view, None)
            return
        changes = view.changes
        try:
            rows = await self.box.fetch_new(view.next)
        except MailboxFailure:
            if not self.session.connection.alive:
                raise
            view.skip(None)
            self._hand_out(view, None)
            return
        known = view.learn(rows, changes)
        if self.box.left:
            view.skip(max(self.box.left) + 1)
        self._hand_out(view, None if self.box.left else known)
        view.reached(rows)

    async def fetch_range(self, view: FolderView, first: int, last: int, flags: bool) -> list[FetchedRow]:
        """The messages with these numbers in the open folder.

        With `flags` nothing that is known already will do: they may have changed.
        """
        first, last = max(first, 1), min(last, view.exists)
        wanted = (first, last) if flags else view.unknown(first, last)
        if first > last or wanted is None:
            return view.range(first, last)
        changes = view.changes
        rows = view.learn(await self.box.fetch("FETCH", range(wanted[0], wanted[1] + 1)), changes)
        if changes != view.changes:  # the numbers mean others by now
            return rows
        known = {row.uid: row for row in (*view.range(first, last), *rows)}
        return [known[uid] for uid in sorted(known)]

    def _hand_out(self, view: FolderView, rows: Iterable[FetchedRow] | None) -> None:
        """Wake those that new messages may concern; with None, of which nothing is known, all.

        What carries the id of one probe is none of another's: see match().
        """
        place = next((name for name, one in self.views.items() if one is view), ""), view.opened.uidvalidity
        ids = None if rows is None else [row.loop_ids for row in rows]
        concerned = None if ids is None or not all(ids) else frozenset().union(*(one for one in ids if one))
        for waiter in self.waiters:
            if waiter.place == place and (concerned is None or waiter.probe_id in concerned):
                waiter.has_news = True
                waiter.wake.set()

    def _count(self, number: int, kind: str) -> None:
        if self.box.selected is not None and (view := self.views.get(self.box.selected)) is not None:
            view.count(number, kind)

    async def take_news(self) -> None:
        for _ in range(_ROUNDS):
            view = self.views.get(self.box.selected or "")
            if view is None or not self.session.connection.news:
                return
            await self.fetch_news(view)
