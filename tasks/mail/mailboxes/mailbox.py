"""What a search needs of a mailbox, whatever the protocol: headers, and cursors that it hands back as they are."""

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Flag, auto
from typing import Protocol

from tasks.mail.model.facts import Quota
from tasks.mail.model.header import Header, Ref
from tasks.mail.model.journey_record import TlsRecord

MAX_BODY_OCTETS = 128 * 2**10  # of one message
MAX_WALKED = 20_000  # messages walked back in one look: what a server says to have may be anything

IsOurs = Callable[[Header], bool]


class Can(Flag):
    """What not every mailbox can do. One without server time gives UNKNOWN_DATE; one without push just waits."""

    FOLDERS = auto()  # it has others than the expected one
    DELETE = auto()
    FLAGS = auto()  # it keeps keywords on messages


@dataclass(frozen=True, slots=True)
class Folder:
    """One folder. `attributes` are upper-case, such as \\JUNK; `wire` is the name as the server spells it.

    `delimiter` stands between its parents' names and its own; "" where there is no hierarchy, None if that is unknown.
    """

    name: str
    attributes: frozenset[str]
    wire: bytes
    delimiter: str | None = field(default=None, compare=False)

    @property
    def selectable(self) -> bool:
        return self.attributes.isdisjoint({"\\NOSELECT", "\\NONEXISTENT"})


class Cursor(Protocol):
    """How far a folder has been shown; it holds on another connection as well. What is in it is the mailbox's own."""

    @property
    def generation(self) -> int:
        """See Ref."""

    @property
    def behind(self) -> bool:
        """Whether there are messages that were not shown yet, though the mailbox knows of them: see older()."""

    @property
    def is_empty(self) -> bool:
        """Whether the folder held nothing, as far as that is known."""

    def without_older(self) -> "Cursor":
        """The same, as if all had been shown that was there before the first look."""

    def without_rest(self) -> "Cursor":
        """The same, as if all had been shown."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a look has shown, by ascending number, and how far it reaches.

    `cut_off`: older messages are not shown at all, for there are too many.
    """

    headers: Sequence[Header]
    cursor: Cursor
    cut_off: bool = False


class Mailbox(Protocol):
    """A mailbox that is logged in to. Its methods raise nothing but MailboxFailure, and each ends in time.

    After a lost connection, a timeout or a cancellation it is over: every method then fails at once.
    """

    can: Can
    spared: set[str]  # folders left unchanged, for a change would cost other messages a flag
    stuck: set[str]  # folders in which what is ours stays, whatever is asked for

    @property
    def stages(self) -> Mapping[str, float]:
        """Seconds by stage so far."""

    @property
    def tls(self) -> TlsRecord | None: ...

    @property
    def alive(self) -> bool:
        """Whether anything else can be asked: after a mere refusal it can."""

    @property
    def unreadable(self) -> set[Ref]:
        """What could not be read when it was asked for last. See Ref.lasts."""

    async def folders(self) -> list[Folder]:
        """All folders, with their special use where the server knows it."""

    async def new(self, folder: str, cursor: Cursor | None, *, to_change: bool = False) -> Look:
        """What has come since `cursor`; without one the newest message, and older() shows those before it.

        `to_change`: the folder may be opened for changes, for there will be some.
        """

    async def older(self, folder: str, cursor: Cursor) -> Look:
        """Some of what a cursor that is `behind` has still to show, the newest."""

    def walk_back(
        self, folder: str, most: int = MAX_WALKED, *, anew: bool = True, flags: bool = True
    ) -> AsyncIterator[list[Header]]:
        """The newest messages in batches, by no cursor. Without `anew` a folder that is open already will do.

        `flags`: whether they matter, of all the one thing that changes.
        """

    async def fetch(self, refs: Sequence[Ref]) -> list[Header]:
        """These messages of one folder, as far as they exist."""

    async def body(self, ref: Ref) -> bytes:
        """The first octets of a whole message; none when it is gone."""

    async def find(
        self, folder: str, since: datetime | None, field: str, value: str, without: str | None = None
    ) -> list[Ref]:
        """Messages by day, header field and keyword, as the server's own search finds them: servers differ."""

    async def still_there(self, refs: Sequence[Ref]) -> Collection[Ref] | None:
        """Those of these messages of one folder that are still in it; None where that is not certain."""

    def count_gone(self, folder: str, cursor: Cursor) -> int | None:
        """A number that grows with each message that leaves the folder; None where nothing is known of that."""

    async def wait(self, at_most: float, hurry: bool) -> None:
        """Wait for new messages in the expected folder. In a `hurry` one may come at any moment."""

    async def delete(self, refs: Sequence[Ref], is_ours: IsOurs, proven: Collection[Ref] = ()) -> list[Ref]:
        """Delete those of these messages of one folder that are still there and ours; returns those that went.

        `proven` were read on this connection just before, and were ours.
        """

    async def mark(self, refs: Sequence[Ref], is_ours: IsOurs, flag: str, proven: Collection[Ref] = ()) -> list[Ref]:
        """Set a flag on those that are still there and ours; returns those of which the server shows it then."""

    def keeps(self, folder: str, flag: str) -> bool | None:
        """Whether a folder keeps a flag for good; None where that is not known yet."""

    def may_go(self, header: Header) -> bool:
        """Whether deleting would change anything."""

    async def trash(self) -> str | None:
        """The folder that deleted messages are moved to, where to delete is to move."""

    async def quotas(self, folder: str) -> tuple[Quota, ...]:
        """The limits that hold for a folder, as far as the server gives any."""

    async def close(self) -> None:
        """Log out if that is quick, and drop the connection in any case. May be called twice."""
