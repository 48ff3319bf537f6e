"""Which folders a probe is looked for in: pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tasks.mail.config.loop import ImapConfig
from tasks.mail.mailboxes.imap.responses import Folder
from tasks.mail.model.outcome import Placement

JUNK_NAMES = ("junk", "spam", "junk e-mail", "junk email", "junk mail", "junk-e-mail", "bulk mail", "spamverdacht")
# Copies of what was sent lie in these: finding the probe there says nothing about its arrival. In other folders a copy
# is known by its lack of Received fields, whatever language they are named in; but not all copies lack them.
SENDERS_COPIES = frozenset({r"\SENT", r"\DRAFTS", r"\ALL", r"\FLAGGED", r"\IMPORTANT"})
SENT_NAMES = ("sent", "sent items", "sent mail", "sent messages", "gesendet", "gesendete elemente", "drafts", "outbox")
MOST_FOLDERS = 50  # other folders looked at; a mailbox with more is not searched in full


@dataclass(frozen=True, slots=True)
class Place:
    """A folder to look at. An `optional` one may turn out to be unreadable."""

    folder: str
    placement: Placement
    optional: bool = True


Places = tuple[Place, Place | None, list[Place]]


def places(folders: Sequence[Folder], imap: ImapConfig) -> Places:
    """The expected folder, the junk folder if there is one, and the others a filter rule may have chosen."""
    expected = Place(imap.folder, Placement.EXPECTED, optional=False)
    readable = [folder for folder in folders if folder.selectable and not _same(folder.name, imap.folder)]
    junk = _junk(readable, imap)
    others = [
        Place(folder.name, Placement.OTHER)
        for folder in readable
        if not (junk and _same(folder.name, junk))
        and not folder.attributes & SENDERS_COPIES
        and _last_part(folder.name) not in SENT_NAMES
    ]
    return expected, Place(junk, Placement.JUNK) if junk else None, others[:MOST_FOLDERS]


def _junk(folders: Sequence[Folder], imap: ImapConfig) -> str | None:
    """The configured junk folder, else the one that SPECIAL-USE marks (RFC 6154), else one with a usual name."""
    if imap.junk_folder is not None:
        # Listed or not: it may be made when the first junk comes. A wrong name ends up in the notes.
        return None if _same(imap.junk_folder, imap.folder) else imap.junk_folder
    marked = (folder.name for folder in folders if r"\JUNK" in folder.attributes)
    named = (folder.name for name in JUNK_NAMES for folder in folders if _last_part(folder.name) == name)
    return next(marked, None) or next(named, None)


def _same(one: str, other: str) -> bool:
    """Whether two names mean the same folder: INBOX is the one whose case does not matter (RFC 9051, 5.1)."""
    return one == other or one.upper() == other.upper() == "INBOX"


def _last_part(name: str) -> str:
    """A folder's own name without its parents', whatever the delimiter."""
    return name.replace("\\", "/").replace(".", "/").rpartition("/")[2].casefold()
