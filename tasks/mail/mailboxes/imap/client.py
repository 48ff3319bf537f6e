"""What a mailbox lets us change: our own messages are deleted or marked, known as ours by their header just before."""

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager

from tasks.mail.mailboxes.imap.asking import Asking
from tasks.mail.mailboxes.imap.encoding import uid_set
from tasks.mail.mailboxes.imap.folder import Selected
from tasks.mail.mailboxes.imap.message_data import FetchedRow, fetched_messages
from tasks.mail.mailboxes.imap.reading import Reading
from tasks.mail.mailboxes.imap.responses import message_count


class Client(Reading):
    """All that is done in a mailbox over IMAP."""

    def __init__(self, session: Asking) -> None:
        super().__init__(session)
        self._spare_recent = session.config.spare_recent
        self._views: dict[str, Selected] = {}
        self.spared: set[str] = set()  # folders left unchanged for others' \\Recent
        self.stuck: set[str] = set()  # folders in which what is ours stays, whatever is asked for

    @property
    def may_select(self) -> bool:
        r"""Whether a folder may be opened for changes before it is known that nobody else has \Recent in it."""
        return not self._spare_recent

    async def select(self, folder: str) -> Selected:
        r"""Open a folder for changes. It takes \Recent from all messages (RFC 3501, 2.3.2)."""
        view = await self.open_folder("search", "SELECT", folder)
        self._views[folder] = view
        return view

    def may_go(self, flags: Collection[str]) -> bool:
        """Whether deleting a message with these flags would change anything: without UID EXPUNGE it stays, flagged."""
        return self._can_expunge or r"\DELETED" not in flags

    async def delete(
        self,
        folder: str,
        uidvalidity: int,
        uids: Sequence[int],
        is_ours: Callable[[FetchedRow], bool],
        proven: Collection[int] = (),
    ) -> list[int]:
        """Delete those of the messages that are still there and are ours by their headers; returns the UIDs that went.

        `proven` are those that were read on this connection just before, and were ours. Without UID EXPUNGE messages
        are only flagged: EXPUNGE and CLOSE would remove what others have flagged, too.
        """
        async with self._changing(folder, uidvalidity, uids, is_ours, proven) as (ours, view):
            gone = [] if view.read_only else await self._delete(folder, ours)
        if len(gone) < len(ours):
            self.stuck.add(folder)
        return gone

    async def _delete(self, folder: str, uids: Sequence[int]) -> list[int]:
        """Delete messages of the open folder; returns the UIDs of those that the server does not show any more."""
        if not uids:
            return []
        ask, trash, done = self.session.ask, await self.trash(), False
        if trash not in (None, folder) and (self._rev2 or "MOVE" in self.session.capabilities):
            await ask("search", "UID MOVE", uid_set(uids), self._name(trash or ""))
        else:
            if trash not in (None, folder):
                await ask("search", "UID COPY", uid_set(uids), self._name(trash or ""))
            done = await self._flag_and_expunge(uids)
        if done:
            return [*uids]
        there = await self._fetcher.ask("UID FETCH", sorted(uids), b"(UID FLAGS)")  # OK is not always done
        left = {one.uid for one in there if self._can_expunge or r"\DELETED" not in one.flags}
        return [uid for uid in uids if uid not in left]

    async def _flag_and_expunge(self, uids: Sequence[int]) -> bool:
        """Whether the server has said that it is done for all of them."""
        if not self._can_expunge:
            reply = await self.session.ask("search", "UID STORE", uid_set(uids), b"+FLAGS", rb"(\Deleted)")
            return {one.uid for one in fetched_messages(reply.responses) if r"\DELETED" in one.flags} >= {*uids}
        await self.session.ask("search", "UID STORE", uid_set(uids), b"+FLAGS.SILENT", rb"(\Deleted)")
        reply = await self.session.ask("search", "UID EXPUNGE", uid_set(uids))
        return sum(counted[1] == "EXPUNGE" for counted in map(message_count, reply.responses) if counted) >= len(uids)

    async def trash(self) -> str | None:
        r"""The folder that deleted messages are moved to: Gmail's, for there \Deleted and EXPUNGE only archive."""
        if "X-GM-EXT-1" not in self.session.capabilities:
            return None
        if not self._wire_names:
            await self.folders()
        return self._trash

    async def mark(
        self,
        folder: str,
        uidvalidity: int,
        uids: Sequence[int],
        is_ours: Callable[[FetchedRow], bool],
        flag: str,
        proven: Collection[int] = (),
    ) -> list[int]:
        """Set a flag on those that are still there and are ours; returns the UIDs of which the server shows it then.

        Where the folder does not keep such a flag for good, nothing is set. `proven`: see delete().
        """
        async with self._changing(folder, uidvalidity, uids, is_ours, proven) as (ours, view):
            ours = ours if view.keeps(flag) and not view.read_only else []
            if ours:
                await self.session.ask("search", "UID STORE", uid_set(ours), b"+FLAGS.SILENT", b"(%b)" % flag.encode())
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
        is_ours: Callable[[FetchedRow], bool],
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
        view = await (self.opened if self.selected == folder and self.writable else self.select)(folder)
        if view.exists and view.uidvalidity and view.uidvalidity == uidvalidity:
            unproven = frozenset(uids) - {*proven}
            rows = await self.fetch_uids(unproven)
            known = {row.uid for row in rows if row.uid in unproven and is_ours(row)}
            ours = sorted(known | (frozenset(uids) & {*proven}))
        yield ours, view
        if self._spare_recent:
            await self.open_folder("search", "EXAMINE", folder)

    async def _others_are_recent(self, folder: str, uids: Sequence[int], is_ours: Callable[[FetchedRow], bool]) -> bool:
        view = await self.open_folder("search", "EXAMINE", folder)
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
        return self._rev2 or "UIDPLUS" in self.session.capabilities
