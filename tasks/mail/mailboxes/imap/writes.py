"""What a mailbox lets us change: our own messages are deleted or marked, known as ours by their header just before."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager

from tasks.mail.mailboxes.imap.encoding import uid_set
from tasks.mail.mailboxes.imap.folder import Selected
from tasks.mail.mailboxes.imap.protocol import Asking
from tasks.mail.mailboxes.imap.reading import Reading
from tasks.mail.model.header import Row


class Changes(Reading):
    """The changing half of a Mailbox."""

    def __init__(self, session: Asking) -> None:
        super().__init__(session)
        self._spare_recent = session.config.spare_recent
        self._views: dict[str, Selected] = {}
        self.spared: set[str] = set()  # folders left unchanged for others' \\Recent

    @abstractmethod
    async def _select(self, stage: str, verb: str, folder: str) -> Selected: ...

    @abstractmethod
    def _open_to_change(self, folder: str) -> Selected | None: ...

    @property
    def may_select(self) -> bool:
        r"""Whether a folder may be opened for changes before it is known that nobody else has \Recent in it."""
        return not self._spare_recent

    async def select(self, folder: str) -> Selected:
        r"""Open a folder for changes. It takes \Recent from all messages (RFC 3501, 2.3.2)."""
        view = await self._select("search", "SELECT", folder)
        self._views[folder] = view
        return view

    def may_go(self, row: Row) -> bool:
        """Whether deleting would change anything: without UID EXPUNGE a message stays, flagged as deleted."""
        return self._can_expunge or r"\DELETED" not in row.flags

    async def delete(
        self,
        folder: str,
        uidvalidity: int,
        uids: Sequence[int],
        is_ours: Callable[[Row], bool],
        proven: Collection[int] = (),
    ) -> list[int]:
        """Delete those of the messages that are still there and are ours by their headers; returns their UIDs.

        `proven` are those that were read on this connection just before, and were ours. Without UID EXPUNGE messages
        are only flagged: EXPUNGE and CLOSE would remove what others have flagged, too.
        """
        async with self._changing(folder, uidvalidity, uids, is_ours, proven) as (ours, _):
            if ours:
                await self._session.ask("search", "UID STORE", uid_set(ours), b"+FLAGS.SILENT", rb"(\Deleted)")
                if self._can_expunge:
                    await self._session.ask("search", "UID EXPUNGE", uid_set(ours))
        return ours

    async def mark(
        self,
        folder: str,
        uidvalidity: int,
        uids: Sequence[int],
        is_ours: Callable[[Row], bool],
        flag: str,
        proven: Collection[int] = (),
    ) -> list[int]:
        """Set a flag on those that are still there and are ours; returns the UIDs of which the server shows it then.

        Where the folder does not keep such a flag for good, nothing is set. `proven`: see delete().
        """
        async with self._changing(folder, uidvalidity, uids, is_ours, proven) as (ours, view):
            ours = ours if view.keeps(flag) else []
            if ours:
                await self._session.ask("search", "UID STORE", uid_set(ours), b"+FLAGS.SILENT", b"(%b)" % flag.encode())
                rows = await self.fetch_uids(ours)
                without = {row.uid for row in rows if flag.upper() not in row.flags}
                ours = [uid for uid in ours if uid not in without]
        return ours

    @asynccontextmanager
    async def _changing(
        self,
        folder: str,
        uidvalidity: int,
        uids: Sequence[int],
        is_ours: Callable[[Row], bool],
        proven: Collection[int],
    ) -> AsyncIterator[tuple[list[int], Selected]]:
        r"""The folder open for changes, with those of the messages that may be changed.

        With `spare_recent` there are none where others have \Recent. Otherwise the folder stays open: what follows may
        change more in it, and nothing is expunged unless it is asked for by UID.
        """
        ours: list[int] = []
        if not uids or (self._spare_recent and await self._others_are_recent(folder, uids, is_ours)):
            yield ours, Selected(0, None, 0)
            return
        view = self._open_to_change(folder) or await self.select(folder)
        if view.exists and view.uidvalidity and view.uidvalidity == uidvalidity:
            unproven = frozenset(uids) - {*proven}
            rows = await self.fetch_uids(unproven)
            known = {row.uid for row in rows if row.uid in unproven and is_ours(row)}
            ours = sorted(known | (frozenset(uids) & {*proven}))
        yield ours, view
        if self._spare_recent:
            await self._select("search", "EXAMINE", folder)

    async def _others_are_recent(self, folder: str, uids: Sequence[int], is_ours: Callable[[Row], bool]) -> bool:
        view = await self._select("search", "EXAMINE", folder)
        rows = await self.fetch_uids(uids)
        ours = sum(r"\RECENT" in row.flags for row in rows if is_ours(row))
        if view.recent > ours:
            self.spared.add(folder)
        return view.recent > ours

    def keeps(self, folder: str, flag: str) -> bool | None:
        """Whether a folder keeps a flag for good; None before it was open for changes."""
        view = self._views.get(folder)
        return None if view is None else view.keeps(flag)

    @property
    def _can_expunge(self) -> bool:
        return self._session.rev2 or "UIDPLUS" in self._session.capabilities
