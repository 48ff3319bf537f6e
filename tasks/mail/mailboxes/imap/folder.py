"""A folder: as SELECT, EXAMINE and STATUS describe it, and how far it was shown."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from tasks.mail.mailboxes.imap.framing import Reply
from tasks.mail.mailboxes.imap.message_data import FetchedRow
from tasks.mail.mailboxes.imap.responses import Response, number, response_code, selected, status_items


@dataclass(frozen=True, slots=True)
class Selected:
    """A folder as it was when it was opened. `uidvalidity` is 0 where the server gave none.

    `permanent`: the flags that a client can set for good, in upper case; None where the server does not say.
    `read_only`: nothing can be changed in it, as the server says.
    """

    exists: int
    uidnext: int | None
    uidvalidity: int
    recent: int = 0
    permanent: frozenset[str] | None = None
    read_only: bool = False

    def keeps(self, flag: str) -> bool:
        r"""Whether a flag that is set stays: of a keyword only where the server says so, by its name or by `\*`."""
        if self.permanent is None:
            return flag.startswith("\\")  # RFC 3501, 6.3.1; that it means keywords as well is not to be relied on
        return flag.upper() in self.permanent or ("\\*" in self.permanent and not flag.startswith("\\"))


@dataclass(frozen=True, slots=True)
class FolderStatus:
    """A folder that is not open; None where the server did not say."""

    messages: int | None
    uidnext: int | None
    uidvalidity: int | None


@dataclass(frozen=True, slots=True)
class Position:
    """A Cursor. All below `uidnext` was shown, but for `rest` (ascending UIDs), and what lies below `floor`, if any.

    `first`: what is below was there before the first look.
    """

    generation: int  # UIDVALIDITY
    uidnext: int
    first: int = 0
    floor: int | None = None
    rest: tuple[int, ...] = ()
    is_empty: bool = False

    @property
    def behind(self) -> bool:
        return bool(self.rest) or self.floor is not None

    def without_older(self) -> "Position":
        return replace(self, floor=None, rest=tuple(uid for uid in self.rest if uid >= self.first))

    def without_rest(self) -> "Position":
        return replace(self, floor=None, rest=())

    def past(self, rows: Iterable[FetchedRow]) -> "Position":
        """After these have been shown."""
        return replace(self, uidnext=max([self.uidnext, *(row.uid + 1 for row in rows)]))

    def owing(self, uids: Iterable[int]) -> "Position":
        """These have to be shown as well."""
        rest = tuple(sorted({*self.rest, *uids}))
        return replace(self, rest=rest, uidnext=max([self.uidnext, *(uid + 1 for uid in rest[-1:])]))

    def is_outdated(self, folder: FolderStatus | Selected) -> bool:
        """Whether there may be messages in a folder that were not shown."""
        return (folder.uidvalidity, folder.uidnext) != (self.generation, self.uidnext)


def folder_status(responses: Iterable[Response]) -> FolderStatus:
    """A folder by the answer to STATUS."""
    found = (status_items(response) for response in responses)
    items = next((items for items in found if items is not None), {})
    return FolderStatus(*(number(items.get(name)) for name in (b"MESSAGES", b"UIDNEXT", b"UIDVALIDITY")))


def opened(reply: Reply) -> Selected:
    """A folder by the answers to SELECT or EXAMINE."""
    responses = list(reply.responses)
    counts, codes = selected(responses)
    return Selected(
        counts.get("EXISTS", 0),
        codes.get("UIDNEXT"),
        codes.get("UIDVALIDITY", 0),
        counts.get("RECENT", 0),
        _permanent(responses),
        response_code(reply.text)[0] == "READ-ONLY",
    )


def _permanent(responses: Iterable[Response]) -> frozenset[str] | None:
    for response in responses:
        name, argument, _ = response_code(response[0].partition(b" ")[2])
        if name == "PERMANENTFLAGS":
            return frozenset(argument.strip(b" ()").decode("ascii", "replace").upper().split())
    return None
