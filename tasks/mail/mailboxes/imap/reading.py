"""What is read of the messages of a mailbox, in answers of a bounded size, however much strangers send."""

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import replace

from tasks.mail.mailboxes.imap.asking import Asking
from tasks.mail.mailboxes.imap.commands import Commands
from tasks.mail.mailboxes.imap.fetcher import Fetcher, Found
from tasks.mail.mailboxes.imap.folder import Selected
from tasks.mail.mailboxes.imap.message_data import (
    OWN_HEADERS,
    READ_HEADERS,
    WHOLE,
    FetchedRow,
    completed,
)
from tasks.mail.mailboxes.mailbox import MAX_WALKED
from tasks.mail.model.errors import MailboxFailure
from tasks.mail.probe.octets import MOST_HEADER_LINES, bounded, has_end

_FIRST_BATCH, BATCH = 10, 200  # messages a FETCH


Unreadable = set[tuple[str, int]]
"""Messages that the server does not show: folder and UID, or, where that is not shown either, minus the number."""


class Reading(Commands):
    """What is read over a session. `left`: the UIDs of new messages that fetch_new() left, for they were too many."""

    def __init__(self, session: Asking) -> None:
        super().__init__(session)
        self._fetcher = Fetcher(session)
        self._reached: tuple[int | None, int] = (None, 0)  # below that UID all is known, but for what came later
        self._unreadable: Unreadable = set()
        self.left: list[int] = []

    @property
    def unreadable(self) -> Unreadable:
        """What could not be read when it was asked for last."""
        return {*self._unreadable}

    async def open_folder(self, stage: str, verb: str, folder: str) -> Selected:
        view = await super().open_folder(stage, verb, folder)
        self._reached = view.uidnext, self.session.connection.came
        self._fetcher.opened(view.uidnext)
        # The numbers of this folder's messages are new ones now.
        self._unreadable = {one for one in self._unreadable if one[0] != folder or one[1] > 0}
        return view

    async def newest_first(
        self, exists: int, most: int = MAX_WALKED, *, flags: bool = True
    ) -> AsyncIterator[list[FetchedRow]]:
        """The newest messages of the open folder in batches, from the last of `exists` back.

        `most` counts the messages asked for: there may be fewer than the server says. `flags`: whether they matter, of
        all that is fetched the one thing that changes.
        """
        last, end, size = exists, max(0, exists - most), _FIRST_BATCH
        while last > end:
            first = max(end + 1, last - size + 1)
            if rows := await self.fetch_range(first, last, flags=flags):  # all of a batch may be gone by now
                yield rows
            last, size = first - 1, BATCH

    async def fetch_range(self, first: int, last: int, *, flags: bool = True) -> list[FetchedRow]:
        """The messages with these sequence numbers, as far as they exist, by ascending UID."""
        if last >= self.exists:  # else there are new ones still to be fetched
            self._fetching()
        first, last = max(first, 1), min(last, self.exists)
        return await self.fetch("FETCH", range(first, last + 1)) if first <= last else []

    async def fetch_new(self, uidnext: int) -> list[FetchedRow]:
        """The messages with this UID or a higher one, by ascending UID; of too many, the newest: see `left`.

        They are asked for though the server has announced none: some never do, least of all the first one.
        """
        self._fetching()
        self.left = []
        came, announced = self.session.connection.came, self._announced(uidnext)
        if self._at_most(uidnext) <= BATCH:
            rows = await self._since(uidnext)
            if len(rows) < min(announced, BATCH):  # it has announced more than it shows
                newest = await self.fetch_range(self.exists - announced + 1, self.exists)
                rows = [row for row in newest if row.uid >= uidnext]
        else:
            uids = [uid for uid in await self.newest_uids(self._at_most(uidnext)) if uid >= uidnext]
            self.left, newest_uids = uids[:-_FIRST_BATCH], uids[-_FIRST_BATCH:]
            rows = await self.fetch_uids(newest_uids)
        self._reached = max([uidnext, *(row.uid + 1 for row in rows)]), came
        return rows

    async def newest_uids(self, most: int = MAX_WALKED) -> list[int]:
        """The UIDs of the newest messages, ascending."""
        first = max(1, self.exists - min(most, MAX_WALKED) + 1)
        answers = await self._fetcher.ask("FETCH", b"%d:*" % first, b"(UID)")
        return sorted({one.uid for one in answers if one.uid is not None})

    async def fetch_uids(self, uids: Collection[int]) -> list[FetchedRow]:
        """The messages with these UIDs, as far as they exist."""
        ordered, rows = sorted(uids), list[FetchedRow]()
        for start in range(0, len(ordered), BATCH):
            rows += await self.fetch("UID FETCH", ordered[start : start + BATCH])
        return rows

    async def fetch_body(self, uid: int, limit: int = WHOLE.octets) -> bytes:
        """The first octets of a whole message; none when it is gone.

        Of a message whose header alone is longer, the fields that are ever read, without the line that ends a header.
        """
        found = await self._fetcher.octets(uid, replace(WHOLE, octets=limit))
        if len(found) >= limit and not has_end(found):
            fields = await self._fetcher.octets(uid, READ_HEADERS)
            found = completed(fields, await self._fetcher.octets(uid, OWN_HEADERS)).rstrip(b"\r\n") + b"\r\n"
        return found[:limit]

    async def _since(self, uidnext: int) -> list[FetchedRow]:
        try:
            return self._keep(await self._fetcher.since(uidnext))
        except MailboxFailure as failure:
            if failure.permanent or not self.session.connection.alive:
                raise
            if not self.exists:  # some know no `*` where there is nothing
                return []
        # By their numbers a range can be halved: the last message of n:* is always one of them.
        most = max(_FIRST_BATCH, self._at_most(uidnext))
        return [row for row in await self.fetch_range(self.exists - most + 1, self.exists) if row.uid >= uidnext]

    async def fetch(self, verb: str, numbers: Sequence[int]) -> list[FetchedRow]:
        return self._keep(await self._fetcher.rows(verb, numbers))

    def _keep(self, found: Found) -> list[FetchedRow]:
        """The rows by UID; what could not be read is noted, for as long as it cannot be."""
        folder = self.selected or ""
        self.was_read({(folder, number) for row in found.rows.values() for number in (row.uid, -row.seq)})
        self._unreadable |= {(folder, number) for number in found.unread}
        return [replace(row, headers=bounded(row.headers, MOST_HEADER_LINES)) for _, row in sorted(found.rows.items())]

    def was_read(self, messages: Unreadable) -> None:
        self._unreadable -= messages

    def _announced(self, uidnext: int) -> int:
        """How many messages with this UID or a higher one the server has announced, by EXISTS or by the next UID."""
        known, came = self._reached
        return self.session.connection.came - came if known is None else self._at_most(uidnext)

    def _at_most(self, uidnext: int) -> int:
        """How many messages there may be with this UID or a higher one."""
        known, came = self._reached
        since = self.session.connection.came - came
        return self.exists if known is None else min(self.exists, max(0, known - uidnext) + since)
