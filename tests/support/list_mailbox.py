"""A mailbox that is a list of messages: a second protocol, by the contract of tasks/mail/mailboxes/mailbox.py alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import ClassVar

from tasks.mail.config.loop import ImapConfig
from tasks.mail.config.mailbox import ProbeMailbox
from tasks.mail.mailboxes.mailbox import MAX_WALKED, Can, Cursor, Folder, IsOurs, Look
from tasks.mail.model.facts import Quota
from tasks.mail.model.header import Header, Ref


class ListSection(ImapConfig):
    """Its section of the configuration."""

    protocol: ClassVar[str] = "list"


@dataclass(frozen=True)
class Shown:
    """A Cursor: how many messages of the list were shown."""

    count: int = 0
    generation: int = 1
    behind: bool = False
    is_empty: bool = False

    def without_older(self) -> Cursor:
        return self

    def without_rest(self) -> Cursor:
        return self


@dataclass
class ListMailbox:
    """A Mailbox. `messages` are what was delivered, in this order; None is one that was deleted."""

    messages: list[tuple[Header, bytes] | None] = field(default_factory=list)
    can: Can = Can.FOLDERS | Can.DELETE
    spared: set[str] = field(default_factory=set)
    stuck: set[str] = field(default_factory=set)
    stages: Mapping[str, float] = field(default_factory=dict)
    tls: None = None
    alive: bool = True
    unreadable: set[Ref] = field(default_factory=set)

    async def open(self, section: ProbeMailbox, until: float, probe_id: str | None = None) -> ListMailbox:
        """One line of MAILBOXES makes it known by this."""
        return self

    def deliver(self, raw: bytes, folder: str = "INBOX") -> None:
        ref = Ref(folder, 1, len(self.messages) + 1)
        self.messages.append((Header(ref, datetime.now(UTC), raw.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"), raw))

    def _headers(self, folder: str, past: int = 0) -> list[Header]:
        return [one[0] for one in self.messages[past:] if one and one[0].ref.folder == folder]

    async def folders(self) -> list[Folder]:
        return [Folder(name, frozenset(), b"", "/") for name in ("INBOX", "Junk")]

    async def new(self, folder: str, cursor: Cursor | None, *, to_change: bool = False) -> Look:
        return Look(self._headers(folder, getattr(cursor, "count", 0)), Shown(len(self.messages)))

    async def older(self, folder: str, cursor: Cursor) -> Look:
        return Look((), cursor)

    async def walk_back(
        self, folder: str, most: int = MAX_WALKED, *, anew: bool = True, flags: bool = True
    ) -> AsyncIterator[list[Header]]:
        yield self._headers(folder)[-most:]

    async def fetch(self, refs: Sequence[Ref]) -> list[Header]:
        return [header for header in self._headers(refs[0].folder) if header.ref in refs]

    async def body(self, ref: Ref) -> bytes:
        return one[1] if (one := self.messages[ref.number - 1]) else b""

    async def find(
        self, folder: str, since: datetime | None, field: str, value: str, without: str | None = None
    ) -> list[Ref]:
        return []

    async def still_there(self, refs: Sequence[Ref]) -> Collection[Ref]:
        return [header.ref for header in await self.fetch(refs)]

    def count_gone(self, folder: str, cursor: Cursor) -> None:
        return None

    async def wait(self, at_most: float, hurry: bool) -> None:
        await asyncio.sleep(min(0.02, at_most))

    async def delete(self, refs: Sequence[Ref], is_ours: IsOurs, proven: Collection[Ref] = ()) -> list[Ref]:
        gone = [header.ref for header in await self.fetch(refs) if is_ours(header)] if refs else []
        for ref in gone:
            self.messages[ref.number - 1] = None
        return gone

    async def mark(self, refs: Sequence[Ref], is_ours: IsOurs, flag: str, proven: Collection[Ref] = ()) -> list[Ref]:
        return []

    def keeps(self, folder: str, flag: str) -> bool:
        return False

    def may_go(self, header: Header) -> bool:
        return True

    async def trash(self) -> None:
        return None

    async def quotas(self, folder: str) -> tuple[Quota, ...]:
        return ()

    async def close(self) -> None:
        pass
