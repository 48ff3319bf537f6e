"""Which folders a probe is looked for in, by what the server marks, else by the names in folder_names.toml."""

import tomllib
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pydantic import TypeAdapter

from tasks.mail.config.mailbox import ProbeMailbox
from tasks.mail.mailboxes.mailbox import Folder
from tasks.mail.model.outcome import Placement

# Copies of what was sent lie in these: finding the probe there says nothing about its arrival. In other folders a copy
# is known by its header (see is_senders_copy in search/classify.py), whatever language they are named in; but not every
# copy is.
_SENDERS_COPIES = frozenset({r"\SENT", r"\DRAFTS", r"\ALL", r"\FLAGGED", r"\IMPORTANT"})
_JUNK, _ALL = r"\JUNK", r"\ALL"


class Names(NamedTuple):
    """In one language."""

    junk: tuple[str, ...] = ()
    sent: tuple[str, ...] = ()


BY_LANGUAGE = TypeAdapter(dict[str, Names]).validate_python(
    tomllib.loads(Path(__file__).with_name("folder_names.toml").read_text(encoding="utf-8"))
)


def key(name: str) -> str:
    """A name as it is compared: whatever its case, its blanks and hyphens, and how its accents are encoded."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return "".join(character for character in folded if character.isalnum()).replace("\u0131", "i")  # upper case: I


def _keys(*names: Iterable[str]) -> frozenset[str]:
    return frozenset(key(name) for some in names for name in some)


# What lies in the last two was not received, and may never have been sent.
_SENT_NAMES = _keys(*(names.sent for names in BY_LANGUAGE.values()), ["Drafts", "Outbox"])
_JUNK_NAMES = _keys(*(names.junk for names in BY_LANGUAGE.values()))
# Yahoo's. It says something else elsewhere: of junk only at the top of a mailbox, and where nothing else there is.
_WEAK_JUNK_NAMES, _LAST_RANK = _keys(["Bulk"]), 100
# Folders above those of the mailbox itself, and such above other people's, which are none of ours.
_OWN_ROOTS = _keys(["INBOX", "[Gmail]", "[Google Mail]", "Mail", "Folders", "mailbox"])
_FOREIGN_ROOTS = _keys(
    ["Other Users", "User", "Users", "Shared", "Shared Folders", "Public", "Public Folders", "#news", "#user"]
)


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


def is_sent(name: str, delimiter: str | None) -> bool:
    """Whether a folder by its name holds what its owner has sent: that of a mailbox, not one that a project has."""
    *above, own = (key(part) for part in _parts(name, delimiter))
    return own in _SENT_NAMES and not _below_own(above)


def is_foreign(name: str, delimiter: str | None) -> bool:
    """Whether a folder lies in another user's mailbox, or in one for all."""
    first, *below = _parts(name, delimiter)
    return bool(below) and key(first) in _FOREIGN_ROOTS


def junk_rank(name: str, delimiter: str | None) -> int | None:
    """How surely a folder by its name holds junk, the surest lowest; None where its name says nothing of it."""
    *above, own = (key(part) for part in _parts(name, delimiter))
    depth = len(_below_own(above))
    if is_foreign(name, delimiter) or not (own in _JUNK_NAMES or (own in _WEAK_JUNK_NAMES and not depth)):
        return None
    return _LAST_RANK if own in _WEAK_JUNK_NAMES else depth


def _below_own(above: list[str]) -> list[str]:
    """A folder's parents, but for what stands above all folders of a mailbox."""
    return above[1:] if above and above[0] in _OWN_ROOTS else above


def _parts(name: str, delimiter: str | None) -> list[str]:
    """The names of a folder's parents, and its own behind them. `delimiter`: as the server lists it; None if unknown.

    A server without a hierarchy lists none (NIL), which is "" here: then the whole name is its own.
    """
    if delimiter is None:
        return name.replace("\\", "/").replace(".", "/").split("/")
    return name.split(delimiter) if delimiter else [name]
