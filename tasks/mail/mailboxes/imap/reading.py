"""What is read of the messages of a mailbox, in answers of a bounded size, however much strangers send."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import replace
from typing import TypeVar

from tasks.mail.mailboxes.imap import responses
from tasks.mail.mailboxes.imap.encoding import uid_set
from tasks.mail.mailboxes.imap.folder import Selected
from tasks.mail.mailboxes.imap.framing import Reply
from tasks.mail.mailboxes.imap.headers import (
    HEADERS,
    OWN_HEADERS,
    READ_HEADERS,
    completed,
    is_cut,
    readable_part,
)
from tasks.mail.mailboxes.imap.protocol import Asking
from tasks.mail.mailboxes.imap.responses import Response
from tasks.mail.model.header import Row
from tasks.mail.probe.octets import has_end

Read = TypeVar("Read")

BODY_OCTETS = 128 * 2**10
FIRST_BATCH, BATCH = 10, 200  # messages a FETCH
MOST_WALKED = 20_000  # messages walked back in one look: what a server says to have may be anything


class Reading(ABC):
    """The reading half of a Mailbox. `left`: the UIDs of new messages that fetch_new() left, for they were too many.

    `unreadable`: answers to FETCH that could not be read: what they spoke of has not been looked at.
    """

    def __init__(self, session: Asking) -> None:
        self._session = session
        self._fetched = time.monotonic()
        self._reached: tuple[int | None, int] = (None, 0)  # below that UID all is known, but for what came later
        self.unreadable = 0
        self.left: list[int] = []

    @property
    @abstractmethod
    def exists(self) -> int: ...

    async def newest_first(
        self, exists: int, most: int = MOST_WALKED, *, flags: bool = True
    ) -> AsyncIterator[list[Row]]:
        """The newest messages of the open folder in batches, from the last of `exists` back.

        `most` counts the messages asked for: there may be fewer than the server says. `flags`: whether they matter, of
        all that is fetched the one thing that changes.
        """
        last, end, size = exists, max(0, exists - most), FIRST_BATCH
        while last > end:
            first = max(end + 1, last - size + 1)
            if rows := await self.fetch_range(first, last, flags=flags):  # all of a batch may be gone by now
                yield rows
            last, size = first - 1, BATCH

    async def fetch_range(self, first: int, last: int, *, flags: bool = True) -> list[Row]:
        """The messages with these sequence numbers, as far as they exist, by ascending UID."""
        if last >= self.exists:  # else there are new ones still to be fetched
            self._fetching()
        first, last = max(first, 1), min(last, self.exists)
        return await self._fetch("FETCH", b"%d:%d" % (first, last)) if first <= last else []

    async def fetch_new(self, uidnext: int) -> list[Row]:
        """The messages with this UID or a higher one, by ascending UID; of too many, the newest: see `left`."""
        self._fetching()
        self.left = []
        if not self.exists:
            return []
        came = self._session.connection.came
        if self._at_most(uidnext) <= BATCH:
            # n:* always includes the last message, whatever its UID.
            rows = [row for row in await self._fetch("UID FETCH", b"%d:*" % uidnext) if row.uid >= uidnext]
        else:
            uids = [uid for uid in await self.newest_uids(self._at_most(uidnext)) if uid >= uidnext]
            self.left, newest = uids[:-FIRST_BATCH], uids[-FIRST_BATCH:]
            rows = await self.fetch_uids(newest)
        self._reached = max([uidnext, *(row.uid + 1 for row in rows)]), came
        return rows

    async def newest_uids(self, most: int = MOST_WALKED) -> list[int]:
        """The UIDs of the newest messages, ascending."""
        first = max(1, self.exists - min(most, MOST_WALKED) + 1)
        reply = await self._session.ask("search", "FETCH", b"%d:*" % first, b"(UID)")
        return sorted({uid for uid in map(responses.uid, reply.responses) if uid is not None})

    async def fetch_uids(self, uids: Collection[int]) -> list[Row]:
        """The messages with these UIDs, as far as they exist."""
        ordered, rows = sorted(uids), list[Row]()
        for start in range(0, len(ordered), BATCH):
            rows += await self._fetch("UID FETCH", uid_set(ordered[start : start + BATCH]))
        return rows

    async def fetch_body(self, uid: int, limit: int = BODY_OCTETS) -> bytes:
        """The first octets of a whole message; none when it is gone.

        Of a message whose header alone is longer, those fields that anybody reads, without the line that ends a header.
        """
        found = await self._octets(uid, b"(UID BODY.PEEK[]<0.%d>)" % limit)
        if len(found) >= limit and not has_end(found):
            fields, own = await self._octets(uid, READ_HEADERS), await self._octets(uid, OWN_HEADERS)
            found = completed(fields, own).rstrip(b"\r\n") + b"\r\n"
        return found[:limit]

    async def _octets(self, uid: int, items: bytes) -> bytes:
        reply = await self._session.ask("search", "UID FETCH", b"%d" % uid, items)
        return next(iter(self._read(reply, lambda response: responses.body(response, uid))), b"")

    async def _fetch(self, verb: str, messages: bytes) -> list[Row]:
        reply = await self._session.ask("search", verb, messages, HEADERS)
        rows = {row.uid: row for row in self._read(reply, responses.row)}
        if cut := [uid for uid, row in rows.items() if is_cut(row.headers)]:
            reply = await self._session.ask("search", "UID FETCH", uid_set(cut), OWN_HEADERS)
            own = {uid: octets for uid, octets in map(responses.octets, reply.responses) if uid is not None}
            for uid in cut:
                rows[uid] = replace(rows[uid], headers=completed(rows[uid].headers, own.get(uid, b"")))
        return [replace(row, headers=readable_part(row.headers)) for _, row in sorted(rows.items())]

    def _read(self, reply: Reply, read: Callable[[Response], Read | None]) -> list[Read]:
        """What can be read of the answers to a FETCH; the others are counted."""
        found = [(response, read(response)) for response in reply.responses]
        self.unreadable += sum(answer is None and responses.is_answer(response) for response, answer in found)
        return [answer for _, answer in found if answer is not None]

    def _fetching(self) -> None:
        self._session.connection.news = False
        self._fetched = time.monotonic()

    def _opened(self, folder: Selected) -> None:
        self._reached = folder.uidnext, self._session.connection.came

    def _at_most(self, uidnext: int) -> int:
        """How many messages there may be with this UID or a higher one."""
        known, came = self._reached
        since = self._session.connection.came - came
        return self.exists if known is None else min(self.exists, max(0, known - uidnext) + since)
