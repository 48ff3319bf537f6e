"""What the answers to a FETCH tell, message by message: a server may tell of one in several responses. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from tasks.mail.mailboxes.imap.encoding import internaldate
from tasks.mail.mailboxes.imap.headers import has_any
from tasks.mail.mailboxes.imap.responses import Response, fetched, message_count, number


@dataclass(frozen=True, slots=True)
class FetchedRow:
    """One message: the header fields asked for, and when its server says it arrived. `flags` are upper-case.

    `loop_ids`: the values of X-Mail-Loop-Id in `headers`, where they were read before.
    """

    seq: int
    uid: int
    internaldate: datetime
    headers: bytes
    flags: frozenset[str] = frozenset()
    loop_ids: frozenset[str] | None = None


@dataclass(slots=True)
class FetchedMessage:
    """One message; its items by name, NIL is None."""

    seq: int
    uid: int | None = None
    items: dict[bytes, bytes | None] = field(default_factory=dict)

    def take(self, items: dict[bytes, bytes | None]) -> None:
        """What was told last counts, but for octets that are not there."""
        for name, value in items.items():
            if value or not name.startswith(b"BODY["):
                self.items[name] = value
            else:
                self.items.setdefault(name, value)
        self.uid = number(self.items.get(b"UID")) or None

    @property
    def octets(self) -> bytes:
        """Those of BODY[...]; none where it was left out or is empty."""
        return next((value for name, value in self.items.items() if value and name.startswith(b"BODY[")), b"")

    @property
    def size(self) -> int | None:
        return number(self.items.get(b"RFC822.SIZE"))

    @property
    def is_readable(self) -> bool:
        return self.uid is not None and has_any(self.octets)

    @property
    def flags(self) -> frozenset[str]:
        return frozenset((self.items.get(b"FLAGS") or b"").decode("ascii", "replace").upper().split())

    def row(self, headers: bytes) -> FetchedRow:
        """Its row, with these fields. A date that the server does not tell is unknown."""
        date = internaldate(self.items.get(b"INTERNALDATE") or b"")
        return FetchedRow(self.seq, self.uid or 0, date, headers, self.flags)


def fetched_messages(responses: Iterable[Response]) -> list[FetchedMessage]:
    """The messages that these responses tell of, each once."""
    found: list[FetchedMessage] = []
    by_seq: dict[int, FetchedMessage] = {}
    by_uid: dict[int, FetchedMessage] = {}
    for response in responses:
        if (counted := message_count(response)) is not None and counted[1] == "EXPUNGE":
            by_seq.clear()  # from here on the numbers mean others
        if (part := fetched(response)) is None:
            continue
        seq, items = part
        uid = number(items.get(b"UID")) or None
        one = by_uid.get(uid) if uid else by_seq.get(seq)
        if one is None and (one := by_seq.get(seq)) is not None and one.uid is not None:
            one = None  # of another message
        if one is None:
            found.append(one := FetchedMessage(seq))
        one.take(items)
        by_seq[seq] = one
        if one.uid is not None:
            by_uid[one.uid] = one
    return found
