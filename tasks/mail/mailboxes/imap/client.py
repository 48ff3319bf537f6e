"""What a mailbox lets us change: our own messages are deleted or marked, known as ours by their header just before."""

from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from tasks.mail.mailboxes.imap.asking import Asking
from tasks.mail.mailboxes.imap.encoding import uid_set
from tasks.mail.mailboxes.imap.folder import Selected
from tasks.mail.mailboxes.imap.message_data import FetchedRow, fetched_messages
from tasks.mail.mailboxes.imap.reading import Reading
from tasks.mail.mailboxes.imap.responses import message_count
from tasks.mail.mailboxes.mailbox import IsOurs
from tasks.mail.model.header import Header, Ref


class Client(Reading):
    """All that is done in a mailbox over IMAP."""

    def __init__(self, session: Asking) -> None:
        super().__init__(session)
        self._spare_recent = session.config.spare_recent
        # Whether a folder may be opened for changes before it is known that no other program has \Recent in it.
        self.may_select = not self._spare_recent
        self._views: dict[str, Selected] = {}
        self.spared: set[str] = set()  # folders left unchanged for others' \\Recent
        self.stuck: set[str] = set()  # folders in which what is ours stays, whatever is asked for

    async def select(self, folder: str) -> Selected:
        r"""Open a folder for changes. It takes \Recent from all messages (RFC 3501, 2.3.2)."""
        view = await self.open_folder("search", "SELECT", folder)
        self._views[folder] = view
        return view

    def may_go(self, header: Header) -> bool:
        """Whether deleting a message would change anything: without UID EXPUNGE it stays, flagged."""
        return self._can_expunge or not header.is_deleted

    async def delete(self, refs: Sequence[Ref], is_ours: IsOurs, proven: Collection[Ref] = ()) -> list[Ref]:
        """See Mailbox. Without UID EXPUNGE they are only flagged: EXPUNGE would remove what others flagged, too."""
        async with self._changing(refs, is_ours, proven) as (ours, view):
            gone = await self._delete(ours) if ours and not view.read_only else []
        if len(gone) < len(ours):
            self.stuck.add(refs[0].folder)
        return [replace(refs[0], number=uid) for uid in gone]

    async def _delete(self, uids: Sequence[int]) -> list[int]:
        """Delete messages of the open folder; returns the UIDs of those that the server does not show any more."""
        ask, trash, done = self.session.ask, await self.trash(), False
        if trash not in (None, self.selected) and (self._rev2 or "MOVE" in self.session.capabilities):
            await ask("search", "UID MOVE", uid_set(uids), self._name(trash or ""))
        else:
            if trash not in (None, self.selected):
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

    async def mark(self, refs: Sequence[Ref], is_ours: IsOurs, flag: str, proven: Collection[Ref] = ()) -> list[Ref]:
        """See Mailbox. Where the folder does not keep such a flag for good, nothing is set."""
        async with self._changing(refs, is_ours, proven) as (ours, view):
            ours = ours if view.keeps(flag) and not view.read_only else []
            if ours:
                await self.session.ask("search", "UID STORE", uid_set(ours), b"+FLAGS.SILENT", b"(%b)" % flag.encode())
                without = {row.uid for row in await self.fetch_uids(ours) if flag.upper() not in row.flags}
                ours = [uid for uid in ours if uid not in without]
        return [replace(refs[0], number=uid) for uid in ours]

    @asynccontextmanager
    async def _changing(
        self, refs: Sequence[Ref], is_ours: IsOurs, proven: Collection[Ref]
    ) -> AsyncIterator[tuple[list[int], Selected]]:
        r"""The folder open for changes, with the UIDs of those of the messages that may be changed.

        With `spare_recent` there are none where others have \Recent. Otherwise the folder stays open: what follows may
        change more in it, and nothing is expunged unless it is asked for by UID.
        """
        if not refs or (self._spare_recent and await self._others_are_recent(refs, is_ours)):
            yield [], Selected(0, None, 0)
            return
        folder, ours = refs[0].folder, list[int]()
        view = await (self.opened if self.selected == folder and self.writable else self.select)(folder)
        if view.exists and view.uidvalidity and view.uidvalidity == refs[0].generation:
            known = await self._ours([ref for ref in refs if ref not in proven], is_ours)
            ours = sorted({row.uid for row in known} | {ref.number for ref in refs if ref in proven})
        yield ours, view
        if self._spare_recent:
            await self.open_folder("search", "EXAMINE", folder)

    async def _others_are_recent(self, refs: Sequence[Ref], is_ours: IsOurs) -> bool:
        view = await self.open_folder("search", "EXAMINE", refs[0].folder)
        ours = sum(r"\RECENT" in row.flags for row in await self._ours(refs, is_ours))
        if view.recent > ours:
            self.spared.add(refs[0].folder)
        return view.recent > ours

    async def _ours(self, refs: Iterable[Ref], is_ours: IsOurs) -> list[FetchedRow]:
        """Those of these messages that are still in the open folder, and ours by their headers."""
        by_uid = {ref.number: ref for ref in refs}
        rows = await self.fetch_uids(by_uid)
        return [row for row in rows if row.uid in by_uid and is_ours(row.header(by_uid[row.uid]))]

    def keeps(self, folder: str, flag: str) -> bool | None:
        """Whether a folder keeps a flag for good; None before it was open for changes."""
        view = self._views.get(folder)
        return None if view is None else view.keeps(flag)

    @property
    def _can_expunge(self) -> bool:
        return self._rev2 or "UIDPLUS" in self.session.capabilities
