"""What several waiters know together of one open folder: which messages are in it, and the header of each read once.

No I/O: what the server says is handed to it, in the order in which the server says it.
"""

from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import replace

from tasks.mail.mailboxes.imap.folder import Selected
from tasks.mail.mailboxes.imap.message_data import FetchedRow
from tasks.mail.probe.match import loop_ids

MAX_HEADER_OCTETS = 2 * 2**20  # of header fields that are kept; those of the oldest messages are asked for again
_MAX_NUMBERED = 20_000  # messages that are known by number, the newest: what a server says to have may be anything
_MAX_BODIES = 16  # bounces come few at a time, and each concerns all waiters until they have read it


class FolderView:
    """The messages of a folder, by sequence number and UID.

    `next`: new messages have this UID or a higher one; None where that is not known. `whole_from`: of all messages from
    this UID on, and below `next`, the header is kept; None where none is.
    """

    def __init__(self, opened: Selected) -> None:
        self.opened = opened
        self.next = self.whole_from = opened.uidnext
        self.changes = 0  # how often a message has gone
        self.bodies: OrderedDict[tuple[int, int], bytes] = OrderedDict()
        self.exists = 0
        self.came = 0  # messages since it was opened
        self._uids: list[int] = []  # of the last so many sequence numbers; 0 is not known
        self._rows: dict[int, FetchedRow] = {}
        self._order: list[int] = []  # the UIDs of these, ascending
        self._octets = 0
        self._renumber(opened.exists)

    def reopened(self, opened: Selected) -> bool:
        """The folder was opened again; whether there may be new messages. What is known by UID holds.

        The sequence numbers hold, too, where as many messages are there as before, and none has come since.
        """
        last = self._uids[-1] if self._uids else 0
        same = opened.exists == self.exists and opened.uidnext is not None
        if not (same and (last + 1 == opened.uidnext or (not last and opened.uidnext == self.opened.uidnext))):
            self._renumber(opened.exists)
        self.opened, self.came = opened, 0
        return self.next is None or opened.uidnext is None or opened.uidnext > self.next

    def count(self, number: int, kind: str) -> None:
        """The server has said `number EXISTS` or `number EXPUNGE`."""
        if kind == "EXPUNGE" and 0 < number <= self.exists:
            if (place := self._place(number)) >= 0:
                self._forget(self._uids.pop(place))
            self.exists -= 1
            self.changes += 1
        elif kind == "EXISTS" and self.exists <= number < self.exists + _MAX_NUMBERED:
            self._uids = (self._uids + [0] * (number - self.exists))[-_MAX_NUMBERED:]
            self.came += number - self.exists
            self.exists = number
        elif kind == "EXISTS":  # some have gone unannounced
            self.came += max(0, number - self.exists)
            self._renumber(number)

    def learn(self, rows: Iterable[FetchedRow], changes: int) -> list[FetchedRow]:
        """Keep what was fetched when `changes` was as given; returns it with the ids in it."""
        learned = []
        for row in rows:
            known = self._rows.get(row.uid)
            if known is None or known.headers != row.headers:
                self._forget(row.uid)
                known = replace(row, loop_ids=loop_ids(row.headers))
                self._octets += len(row.headers)
                insort(self._order, row.uid)
            # Of the flags, and of the number, what the server has said last.
            self._rows[row.uid] = now = replace(row, headers=known.headers, loop_ids=known.loop_ids)
            place = self._place(row.seq)
            if changes == self.changes and 0 <= place < len(self._uids):
                if self._uids[place] not in (0, row.uid):
                    self._uids = [0] * len(self._uids)
                self._uids[place] = row.uid
            learned.append(now)
        while self._octets > MAX_HEADER_OCTETS and len(self._rows) > 1:
            oldest = self._order[0]
            self._forget(oldest)
            if self.whole_from is not None:
                self.whole_from = max(self.whole_from, oldest + 1)
        return learned

    def reached(self, rows: Iterable[FetchedRow]) -> None:
        """All new messages were fetched, and these they are."""
        if self.next is not None:
            self.next = max([self.next, *(row.uid + 1 for row in rows)])

    def skip(self, uidnext: int | None) -> None:
        """Each waiter asks for the new messages below this UID itself: they are too many to be fetched for all.

        With None for all that will come: the server does not let them be fetched for all.
        """
        self.next = self.whole_from = uidnext

    def at_most(self, uidnext: int) -> int:
        """How many messages there may be with this UID or a higher one."""
        uidnext_then = self.opened.uidnext
        most = self.exists if uidnext_then is None else min(self.exists, max(0, uidnext_then - uidnext) + self.came)
        known = (place for place, uid in enumerate(reversed(self._uids)) if 0 < uid < uidnext)
        return min(most, next(known, most))

    def since(self, uidnext: int) -> list[FetchedRow] | None:
        """The messages with this UID or a higher one, by ascending UID; None where they are not all known."""
        if self.whole_from is None or uidnext < self.whole_from:
            return None
        return [self._rows[uid] for uid in self._order[bisect_left(self._order, uidnext) :]]

    def unknown(self, first: int, last: int) -> tuple[int, int] | None:
        """The sequence numbers from the first to the last of those between whose messages are not known."""
        missing = [number for number in range(first, last + 1) if self._at(number) not in self._rows]
        return (missing[0], missing[-1]) if missing else None

    def range(self, first: int, last: int) -> list[FetchedRow]:
        """The known ones of these messages, by ascending UID."""
        rows = (self._rows.get(self._at(number)) for number in range(first, last + 1))
        return sorted((row for row in rows if row is not None), key=lambda row: row.uid)

    def keep_body(self, uid: int, limit: int, body: bytes) -> None:
        self.bodies[uid, limit] = body
        if len(self.bodies) > _MAX_BODIES:
            self.bodies.popitem(last=False)

    def _renumber(self, exists: int) -> None:
        """Nothing is known any more of which message has which number."""
        self.exists, self._uids = exists, [0] * min(exists, _MAX_NUMBERED)
        self.changes += 1

    def _place(self, number: int) -> int:
        return number - 1 - (self.exists - len(self._uids))

    def _at(self, number: int) -> int:
        """The UID of the message with this number; 0 where it is not known."""
        return self._uids[place] if 0 <= (place := self._place(number)) < len(self._uids) else 0

    def _forget(self, uid: int) -> None:
        if (row := self._rows.pop(uid, None)) is not None:
            self._octets -= len(row.headers)
            del self._order[bisect_left(self._order, uid)]
