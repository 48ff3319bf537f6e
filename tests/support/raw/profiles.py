"""Mail servers of the world, by what is particular about each: a scripted IMAP server, and a few lines for a profile.

They are played, not copied: each has what users report, public bug reports and the servers' own documentation tell.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from tests.support.raw.imap import RawImap, Session
from tests.support.raw.mailbox import Asked, Message, asked, chosen
from tests.support.raw.server import Action, Line

COMMON = "IMAP4rev1 SASL-IR IDLE UIDPLUS SPECIAL-USE AUTH=PLAIN"


class Refused(Exception):
    """This message is not shown, nor is any other of the same answer; the words say so."""


Tell = Callable[[Asked], Iterable[bytes]]
"""What is told of one message: lines, none where it is left out. Raises Refused."""


def as_it_is(one: Asked) -> Iterable[bytes]:
    return [one.line()]


@dataclass(frozen=True)
class Profile:
    """What is particular about a server.

    `folders`: with their special uses. `shows`: the commands that bring the view of the open folder up to date, and
    `silent`: without a word about it. `unknown`: verbs that it does not know. `before_id`: what it says to commands
    that open a folder as long as it has not been told who asks. `wrong`: a pattern of what it does not understand in
    the arguments of FETCH. `empty_refused`: no FETCH where there is nothing. `permanent`: PERMANENTFLAGS. `read_only`:
    what SELECT says. `keeps`: STORE and EXPUNGE are answered, and not done.
    """

    capabilities: str = COMMON
    folders: Mapping[str, str] = field(default_factory=lambda: {"Junk": "\\Junk"})
    shows: frozenset[str] = frozenset({"noop", "idle", "fetch", "examine", "select", "expunge"})
    silent: bool = False
    tell: Tell = as_it_is
    unknown: frozenset[str] = frozenset()
    wrong: str = "a^"
    before_id: bytes = b""
    empty_refused: bool = False
    permanent: str | None = None
    read_only: bool = False
    keeps: bool = False
    script: Mapping[str, Action | Sequence[Action]] = field(default_factory=dict)


class World(RawImap):
    """A server with a profile."""

    def __init__(self, profile: Profile, messages: Iterable[Message] = ()) -> None:
        super().__init__(profile.script, messages=messages, capabilities=profile.capabilities)
        self.profile = profile
        self.folders = {"INBOX": self.messages, **{name: [] for name in profile.folders}}
        self.special = {name: use for name, use in profile.folders.items() if use}
        self._introduced: set[Line] = set()

    def put(self, raw: bytes, folder: str = "INBOX", internaldate: datetime | None = None) -> Message:
        """Where there is a folder for it all mail is in that one, too, as long as it is not in the trash."""
        everything = self._everything()
        if everything is not None and folder not in (everything, self._trash()):
            super().put(raw, everything, internaldate)
        return super().put(raw, folder, internaldate)

    def announce(self, folder: str = "INBOX") -> None:
        if "idle" in self.profile.shows and not self.profile.silent:
            super().announce(folder)

    async def _perform(self, session: Session, tag: bytes, verb: str, argument: str, uid: bool) -> None:
        profile = self.profile
        if verb == "id":
            self._introduced.add(session)
        if verb in profile.unknown:
            await session.write(tag + b" BAD unknown command\r\n")
        elif verb in ("examine", "select", "status") and profile.before_id and session not in self._introduced:
            await session.write(profile.before_id.replace(b"{tag}", tag))
        elif verb == "fetch" and not profile.script.get("fetch"):
            await session.write(self._fetch(session, argument, uid, tag))
        elif profile.keeps and verb in ("store", "expunge"):
            await session.write(tag + b" OK done\r\n")
        else:
            await super()._perform(session, tag, verb, argument, uid)

    def _fetch(self, session: Session, argument: str, uid: bool, tag: bytes) -> bytes:
        told = b""
        if "fetch" in self.profile.shows and self.profile.silent:
            session.view = list(self.folders[session.folder])
        if re.search(self.profile.wrong, argument) or (self.profile.empty_refused and not session.view):
            return tag + b" BAD The specified message set is invalid.\r\n"
        try:
            for one in asked(session.view, argument, uid):
                told += b"".join(self.profile.tell(one))
        except Refused as refusal:
            return told + tag + b" NO " + str(refusal).encode() + b"\r\n"
        return told + tag + b" OK done\r\n"

    async def reply(self, line: Line, phase: str, default: bytes, tag: bytes = b"") -> bytes:
        if phase in ("examine", "select") and b" OK [READ-" in default:
            flags = self.profile.permanent
            if flags is not None:
                default = b"* OK [PERMANENTFLAGS (%s)] these\r\n" % flags.encode() + default
            if self.profile.read_only:
                default = default.replace(b"READ-WRITE", b"READ-ONLY")
        return await super().reply(line, phase, default, tag)

    def _refresh(self, session: Session) -> bytes:
        """What is not shown is seen when the folder is opened again; what has gone is told in any case."""
        last = self.log[-1].split(" ")
        verb = (last[1] if last[0].upper() == "UID" else last[0]).lower()
        if verb in self.profile.shows - {"expunge"} and not self.profile.silent:
            return super()._refresh(session)
        there = self.folders.get(session.folder, [])
        gone = [i for i, message in reversed(list(enumerate(session.view, 1))) if message not in there]
        session.view = [message for message in session.view if message in there]
        return b"".join(b"* %d EXPUNGE\r\n" % number for number in gone)

    def _copy(self, session: Session, argument: str, move: bool) -> None:
        chosen_ones = {message.raw for _, message in chosen(session.view, argument.partition(" ")[0], uid=True)}
        super()._copy(session, argument, move)
        everything = self._everything()
        if everything is not None and f'"{self._trash()}"' in argument:
            self.folders[everything] = [one for one in self.folders[everything] if one.raw not in chosen_ones]

    def _everything(self) -> str | None:
        return next((name for name, use in self.profile.folders.items() if use == "\\All"), None)

    def _trash(self) -> str | None:
        return next((name for name, use in self.profile.folders.items() if use == "\\Trash"), None)


# -- what is told of a message ----------------------------------------------------------------------------------------


def _empty(one: Asked, nothing: bytes) -> Iterable[bytes]:
    """With nothing in the place of its octets."""
    parts = [part.partition(b"]")[0] + b"]<0> " + nothing if part.startswith(b"BODY[") else part for part in one.parts]
    return [one.line(*parts)]


def empty_but_first(one: Asked) -> Iterable[bytes]:
    """A part of a part is right for the first message only."""
    return _empty(one, b"{0}\r\n") if one.place and "<0." in one.items else as_it_is(one)


def nil_but_alone(one: Asked) -> Iterable[bytes]:
    return as_it_is(one) if one.alone else _empty(one, b"NIL")


def nil_but_whole(one: Asked) -> Iterable[bytes]:
    """As if its header could not be taken apart."""
    return as_it_is(one) if "BODY.PEEK[]" in one.items else _empty(one, b"NIL")


def blank_line(one: Asked) -> Iterable[bytes]:
    """The end of a header without any field, for this and for every message."""
    return _empty(one, b"{2}\r\n\r\n") if "BODY" in one.items else as_it_is(one)


def left_out_but_alone(one: Asked) -> Iterable[bytes]:
    """Each third is missing, the newest one as well."""
    return as_it_is(one) if one.alone or one.number % 3 != 1 else []


def without_octets(one: Asked) -> Iterable[bytes]:
    """It is counted, has a UID and a size, and is never shown."""
    return as_it_is(one) if "BODY" not in one.items else []


def refuses(mark: bytes, words: str, what: str = "BODY") -> Tell:
    """Refuses each answer that a message with this mark would be in."""

    def tell(one: Asked) -> Iterable[bytes]:
        if mark in one.message.raw and what in one.items:
            raise Refused(words)
        return as_it_is(one)

    return tell


def no_partial(one: Asked) -> Iterable[bytes]:
    if "<0." in one.items:
        raise Refused("[BADARG] partial FETCH is not supported")
    return as_it_is(one)


def in_pieces(one: Asked) -> Iterable[bytes]:
    """Each item in a response of its own; the UID stands in the first one only."""
    return [one.line(part) for part in one.parts]


def without_date(one: Asked) -> Iterable[bytes]:
    return [one.line(*(part for part in one.parts if not part.startswith(b"INTERNALDATE")))]


def dated(text: bytes) -> Tell:
    """With this in the place of each INTERNALDATE."""

    def tell(one: Asked) -> Iterable[bytes]:
        return [one.line(*(b"INTERNALDATE " + text if part[:12] == b"INTERNALDATE" else part for part in one.parts))]

    return tell


# -- the servers ------------------------------------------------------------------------------------------------------

DEAF = frozenset({"examine", "select", "expunge"})
GMAIL = "IMAP4rev1 UNSELECT IDLE NAMESPACE QUOTA ID XLIST CHILDREN X-GM-EXT-1 UIDPLUS COMPRESS=DEFLATE ENABLE MOVE"
UNSAFE = b"{tag} NO EXAMINE Unsafe Login. Please contact kefu@188.com for help\r\n"
SPOILT = b"X-Spoilt: yes"

PROFILES: dict[str, Profile] = {
    "Gmail": Profile(
        f"{GMAIL} SPECIAL-USE SASL-IR AUTH=PLAIN",
        {"[Gmail]/All Mail": "\\All", "[Gmail]/Spam": "\\Junk", "[Gmail]/Trash": "\\Trash"},
    ),
    "Gmail in German, without MOVE": Profile(
        f"{GMAIL.replace(' MOVE', '')} SPECIAL-USE SASL-IR AUTH=PLAIN",
        {"[Gmail]/Alle Nachrichten": "\\All", "[Gmail]/Spam": "\\Junk", "[Gmail]/Papierkorb": "\\Trash"},
    ),
    "Gmail, throttling": Profile(
        f"{GMAIL} SASL-IR AUTH=PLAIN", script={"examine": [b"{tag} NO [THROTTLED] Account exceeded limits\r\n"]}
    ),
    "Gmail, too many connections": Profile(
        f"{GMAIL} SASL-IR AUTH=PLAIN", script={"greeting": [b"* BYE Too many simultaneous connections\r\n"]}
    ),
    "Exchange, empty headers": Profile(
        "IMAP4rev1 IDLE NAMESPACE LITERAL+ UIDPLUS AUTH=PLAIN", {"Junk-E-Mail": ""}, tell=nil_but_alone
    ),
    "Exchange, headers in whole messages only": Profile(
        "IMAP4rev1 IDLE NAMESPACE LITERAL+ UIDPLUS AUTH=PLAIN", {"Courrier ind&AOk-sirable": ""}, tell=nil_but_whole
    ),
    "Exchange, stale views": Profile(
        "IMAP4rev1 IDLE NAMESPACE LITERAL+ UIDPLUS AUTH=PLAIN", shows=DEAF, empty_refused=True
    ),
    "Microsoft 365, not connected": Profile(
        script={phase: [b"{tag} BAD User is authenticated but not connected.\r\n"] * 2 for phase in ("list", "examine")}
        | {"select": [b"{tag} BAD User is authenticated but not connected.\r\n"]}
    ),
    "Microsoft 365, BYE 13": Profile(script={"examine": [b"* BYE Connection is closed. 13\r\n"]}),
    "Microsoft 365, BYE 14": Profile(script={"noop": [b"* BYE Connection is closed. 14\r\n"]}),
    "Yahoo, dropped rows": Profile(folders={"Bulk Mail": "\\Junk"}, tell=left_out_but_alone),
    "Yahoo, dropped rows in stale views": Profile(shows=DEAF, tell=left_out_but_alone),
    "Yahoo, unreadable neighbours": Profile(
        folders={"Bulk": ""}, tell=refuses(SPOILT, "[UNAVAILABLE] FETCH Server error - Please try again later", "")
    ),
    "163.com": Profile("IMAP4rev1 XLIST SPECIAL-USE ID LITERAL+ STARTTLS XAPPLEPUSHSERVICE UIDPLUS", before_id=UNSAFE),
    "QQ": Profile(
        "IMAP4 IMAP4rev1 ID AUTH=PLAIN AUTH=LOGIN NAMESPACE",
        before_id=b"{tag} BAD Unsafe Login, command not allowed\r\n",
        script={"id": b"{tag} NO what is that\r\n"},
    ),
    "Yandex": Profile(
        "IMAP4rev1 CHILDREN UNSELECT LITERAL+ NAMESPACE XLIST UIDPLUS ENABLE ID AUTH=PLAIN IDLE MOVE",
        {"&BCEEPwQwBDw-": "\\Junk", "&BB4EQgQ,BEAEMAQyBDsENQQ9BD0ESwQ1-": "\\Sent"},
        tell=without_date,
    ),
    "GMX": Profile("IMAP4rev1 CHILDREN ENABLE ID IDLE LIST-EXTENDED NAMESPACE UIDPLUS", {"Spamverdacht": ""}),
    "iCloud": Profile(f"{COMMON} XAPPLEPUSHSERVICE", tell=in_pieces),
    "Domino": Profile("IMAP4rev1 AUTH=PLAIN LITERAL+ NAMESPACE QUOTA UIDPLUS", tell=no_partial),
    "hoodiecrow": Profile(tell=empty_but_first),
    "UW": Profile(shows=DEAF),
    "go-imap": Profile(silent=True),
    "silent, and n:* is wrong where there is nothing": Profile(silent=True, shows=DEAF | {"noop"}, empty_refused=True),
    "without IDLE": Profile(COMMON.replace(" IDLE", "")),
    "without UIDPLUS": Profile(COMMON.replace(" UIDPLUS", "")),
    "without keywords": Profile(permanent="\\Answered \\Flagged \\Deleted \\Seen \\Draft"),
    "without INTERNALDATE": Profile(tell=without_date),
    "with nonsense for INTERNALDATE": Profile(tell=dated(b'"30-Nov-2026 at noon"')),
    "without EXAMINE": Profile(unknown=frozenset({"examine"})),
    "read-only": Profile(read_only=True, permanent="", keeps=True),
    "keeps all": Profile(keeps=True),
    "keeps all, without UIDPLUS": Profile(COMMON.replace(" UIDPLUS", ""), keeps=True),
}
