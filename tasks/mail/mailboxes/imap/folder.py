"""A folder as SELECT, EXAMINE and STATUS describe it: pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tasks.mail.mailboxes.imap.framing import Reply
from tasks.mail.mailboxes.imap.responses import Response, code, number, selected, status


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


def folder_status(responses: Iterable[Response]) -> FolderStatus:
    """What the answer to STATUS tells."""
    found = (status(response) for response in responses)
    items = next((items for items in found if items is not None), {})
    return FolderStatus(*(number(items.get(name)) for name in (b"MESSAGES", b"UIDNEXT", b"UIDVALIDITY")))


def opened(reply: Reply) -> Selected:
    """What the answers to SELECT and EXAMINE tell."""
    responses = list(reply.responses)
    counts, codes = selected(responses)
    return Selected(
        counts.get("EXISTS", 0),
        codes.get("UIDNEXT"),
        codes.get("UIDVALIDITY", 0),
        counts.get("RECENT", 0),
        _permanent(responses),
        code(reply.text)[0] == "READ-ONLY",
    )


def _permanent(responses: Iterable[Response]) -> frozenset[str] | None:
    for response in responses:
        name, argument, _ = code(response[0].partition(b" ")[2])
        if name == "PERMANENTFLAGS":
            return frozenset(argument.strip(b" ()").decode("ascii", "replace").upper().split())
    return None
