"""What has to be read of a mailbox and is not yet: a stranger may put there more than one look has time for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from tasks.mail.mailboxes.imap.reading import Unreadable
from tasks.mail.model.header import Row
from tasks.mail.probe.match import Match


@dataclass(slots=True)
class Seen:
    """How far a folder has been looked at: everything below `uidnext`, but for `rest` (ascending UIDs).

    `first`: what is below was there before the first look, and of no interest once it is too old. `floor`: the first
    look went back to it, and is not over.
    """

    uidvalidity: int
    uidnext: int
    first: int = 0
    floor: int | None = None
    rest: list[int] = field(default_factory=list)

    def owes(self, uids: Iterable[int]) -> None:
        """These have to be looked at as well."""
        self.rest = sorted({*self.rest, *uids})
        if self.rest:
            self.uidnext = max(self.uidnext, self.rest[-1] + 1)

    def done(self, uids: Sequence[int], all_old: bool) -> None:
        """These were looked at, the last of the rest. Where `all_old`, so is what was there before them."""
        first = uids[0] if uids else 0
        self.rest = [uid for uid in self.rest if uid < first and not (all_old and uid < self.first)]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A message whose body decides what it is; `headers` do where that cannot be read, and they may."""

    uid: int
    kind: Match
    arrived: datetime
    old: bool  # by its date it came before the probe was sent
    headers: bytes = b""

    @property
    def rank(self) -> tuple[bool, bool, int]:
        return self.kind is not Match.REPORT, not self.old, self.uid


class Unread:
    """The messages whose bodies are still to be read, by folder and UIDVALIDITY; each is read once."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[str, int], dict[int, Candidate]] = {}
        self._read: set[tuple[str, int, int]] = set()

    def add(self, folder: str, uidvalidity: int, row: Row, kind: Match, old: bool) -> None:
        if (folder, uidvalidity, row.uid) not in self._read:
            waiting = self._waiting.setdefault((folder, uidvalidity), {})
            headers = row.headers if kind is Match.UNLESS_REPORT else b""
            waiting[row.uid] = Candidate(row.uid, kind, row.internaldate, old, headers)

    def next(self, folder: str, uidvalidity: int) -> Candidate | None:
        """The one to read first: what may be the probe, then the newest."""
        waiting = self._waiting.get((folder, uidvalidity), {})
        return max(waiting.values(), key=lambda one: one.rank, default=None)

    def done(self, folder: str, uidvalidity: int, one: Candidate, read: bool = True) -> None:
        """It was looked at; where it could not be `read`, a later look may try again."""
        self._waiting[folder, uidvalidity].pop(one.uid, None)
        if read:
            self._read.add((folder, uidvalidity, one.uid))

    def forget(self, folder: str, but: int) -> None:
        """The folder was made anew, and has this UIDVALIDITY."""
        for place in [place for place in self._waiting if place[0] == folder and place[1] != but]:
            del self._waiting[place]

    def count(self, folder: str | None = None) -> int:
        return sum(len(waiting) for place, waiting in self._waiting.items() if folder in (None, place[0]))


def unreadable(messages: Unreadable) -> str:
    """What is told of messages that may be the one that is looked for."""
    folders = ", ".join(sorted({folder for folder, _ in messages}))
    count = "1 message" if len(messages) == 1 else f"{len(messages)} messages"
    return f"{count} in {folders} could not be read: what the server answers to FETCH lacks them, or their fields"
