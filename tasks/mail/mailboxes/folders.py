"""Which folders a probe is looked for in."""

from collections.abc import Sequence
from dataclasses import dataclass

from tasks.mail.config.mailbox import ProbeMailbox
from tasks.mail.mailboxes.folder_names import is_foreign, is_sent, junk_rank
from tasks.mail.mailboxes.mailbox import Folder
from tasks.mail.model.outcome import Placement

# Copies of what was sent lie in these: finding the probe there says nothing about its arrival. In other folders a copy
# is known by its header (see search/senders_copy), whatever language they are named in; but not every copy is.
_SENDERS_COPIES = frozenset({r"\SENT", r"\DRAFTS", r"\ALL", r"\FLAGGED", r"\IMPORTANT"})
_JUNK, _ALL = r"\JUNK", r"\ALL"


@dataclass(frozen=True, slots=True)
class Place:
    """A folder to look at. An `optional` one may turn out to be unreadable; a `view` shows what lies in others, too."""

    folder: str
    placement: Placement
    optional: bool = True
    view: bool = False


Places = tuple[Place, Place | None, list[Place]]


def places(folders: Sequence[Folder], mailbox: ProbeMailbox) -> Places:
    """The expected folder, the junk folder if there is one, and the others a filter rule may have chosen."""
    expected = Place(mailbox.folder, Placement.EXPECTED, optional=False)
    readable = [folder for folder in folders if folder.selectable and not _same(folder.name, mailbox.folder)]
    junk = _junk(readable, mailbox)
    others = [
        Place(folder.name, Placement.JUNK if mailbox.junk_folder is None and _is_junk(folder) else Placement.OTHER)
        for folder in readable
        if not (junk and _same(folder.name, junk))
        and not folder.attributes & _SENDERS_COPIES
        and not is_sent(folder.name, folder.delimiter)
    ]
    return expected, Place(junk, Placement.JUNK) if junk else None, others


def everything(folders: Sequence[Folder], mailbox: ProbeMailbox) -> Place | None:
    """The folder that shows what lies in no other, such as what a rule of Gmail has archived; if there is one."""
    found = (f.name for f in folders if f.selectable and _ALL in f.attributes and not _same(f.name, mailbox.folder))
    name = next(found, None)
    return None if name is None else Place(name, Placement.OTHER, view=True)


def _junk(folders: Sequence[Folder], mailbox: ProbeMailbox) -> str | None:
    """The configured junk folder, else the one that SPECIAL-USE marks (RFC 6154), else one with a usual name."""
    if mailbox.junk_folder is not None:
        # Listed or not: it may be made when the first junk comes. A wrong name ends up in the notes.
        return None if _same(mailbox.junk_folder, mailbox.folder) else mailbox.junk_folder
    marked = sorted((f for f in folders if _JUNK in f.attributes), key=lambda f: is_foreign(f.name, f.delimiter))
    named = [(rank, f.name) for f in folders if (rank := junk_rank(f.name, f.delimiter)) is not None]
    return marked[0].name if marked else min(named, key=lambda pair: pair[0], default=(0, None))[1]


def _is_junk(folder: Folder) -> bool:
    """A mailbox may have more than one: that of its server, and that of a program which knew it by another name."""
    return _JUNK in folder.attributes or junk_rank(folder.name, folder.delimiter) == 0


def _same(one: str, other: str) -> bool:
    """Whether two names mean the same folder: INBOX is the one whose case does not matter (RFC 9051, 5.1)."""
    return one == other or one.upper() == other.upper() == "INBOX"
