"""A scripted IMAP server."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from tests.support.raw.mailbox import Message, chosen, expunge, fetch, store, words
from tests.support.raw.server import SILENCE, Action, Gone, Line, RawServer

LITERAL = re.compile(rb"\{(\d+)(\+?)\}$")


class Session(Line):
    """One connection: the folder it has open, as it last saw it."""

    def __init__(self, line: Line) -> None:
        super().__init__(line.reader, line.writer)
        self.encrypted = line.encrypted
        self.folder = ""
        self.view: list[Message] = []
        self.idling = False


class RawImap(RawServer):
    """A mailbox that behaves unless the script says otherwise; in scripted replies `{tag}` stands for the tag.

    Phases: greeting, handshake, idling (what is said unasked once IDLE has begun; by default nothing), and the verbs in
    `phases`; fetch, store and expunge cover their UID forms too. Folders are plain lists of messages that a test may
    change at any time. As on real servers, an open folder is shown as it was at the last SELECT, EXAMINE, NOOP or IDLE.
    A scripted OK to STARTTLS without a TLS context is followed by silence.
    """

    phases = frozenset(
        {
            "greeting",
            "capability",
            "starttls",
            "handshake",
            "challenge",
            "authenticate",
            "login",
            "list",
            "examine",
            "select",
        }
        | {"status", "noop", "fetch", "idle", "idling", "done", "store", "expunge", "copy", "move", "id", "logout"}
    )

    def __init__(
        self,
        script: Mapping[str, Action | Sequence[Action]] | None = None,
        *,
        tls: ssl.SSLContext | None = None,
        implicit: bool = False,
        messages: Iterable[Message] = (),
        capabilities: str = "IMAP4rev1 SASL-IR IDLE UIDPLUS SPECIAL-USE AUTH=PLAIN",
    ) -> None:
        super().__init__(script, tls=tls, implicit=implicit)
        self.capabilities = capabilities
        self.longest = 0  # octets of the first line of a command
        self.folders: dict[str, list[Message]] = {"INBOX": list(messages), "Junk": []}
        self.special = {"Junk": "\\Junk"}
        self._highest: dict[str, int] = {}
        self._sessions: set[Session] = set()

    @property
    def messages(self) -> list[Message]:
        """The messages of INBOX."""
        return self.folders["INBOX"]

    def append(self, raw: bytes, folder: str = "INBOX", internaldate: datetime | None = None) -> Message:
        """Deliver a message, and tell the clients that wait in IDLE."""
        message = self.put(raw, folder, internaldate)
        self.announce(folder)
        return message

    def put(self, raw: bytes, folder: str = "INBOX", internaldate: datetime | None = None) -> Message:
        """Deliver a message, and tell nobody."""
        message = Message(self._next_uid(folder), raw, internaldate or datetime.now(UTC))
        self.folders[folder].append(message)
        return message

    def announce(self, folder: str = "INBOX") -> None:
        """Tell the clients that wait in IDLE how many messages there are."""
        messages = self.folders[folder]
        for session in self._sessions:
            if session.idling and not session.over and session.folder == folder:
                session.view = list(messages)
                session.writer.write(b"* %d EXISTS\r\n" % len(messages))

    def _next_uid(self, folder: str) -> int:
        uids = [message.uid for message in self.folders.get(folder, [])]
        self._highest[folder] = max([self._highest.get(folder, 0), *uids])
        return self._highest[folder] + 1

    async def converse(self, line: Line) -> None:
        session = Session(line)
        self._sessions.add(session)
        try:
            await self.reply(session, "greeting", b"* OK [CAPABILITY %s] ready\r\n" % self._offer(session))
            while True:
                tag, _, command = (await self._read_command(session)).partition(" ")
                verb, _, argument = command.partition(" ")
                verb = verb.upper()
                uid = verb == "UID"
                if uid:
                    verb, _, argument = argument.partition(" ")
                    verb = verb.upper()
                if not session.encrypted:
                    self.in_clear.add(verb)
                secret = verb in ("LOGIN", "AUTHENTICATE")
                self.log.append(f"{verb} ***" if secret else command)
                await self._perform(session, tag.encode(), verb.lower(), argument, uid)
        finally:
            self._sessions.discard(session)

    async def _read_command(self, session: Session) -> str:
        command = await session.read()
        self.longest = max(self.longest, len(command))
        while literal := LITERAL.search(command):
            if not literal[2]:
                await session.write(b"+ go on\r\n")
            text = await session.reader.readexactly(int(literal[1]))
            escaped = text.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
            command = command[: literal.start()] + b'"' + escaped + b'"' + await session.read()
        return command.decode("utf-8", "replace")

    async def _perform(self, session: Session, tag: bytes, verb: str, argument: str, uid: bool) -> None:
        done = tag + b" OK done\r\n"
        match verb:
            case "capability":
                await self.reply(session, verb, b"* CAPABILITY " + self._offer(session) + b"\r\n" + done, tag)
            case "starttls":
                sent = await self.reply(session, verb, done if self.tls else tag + b" BAD not offered\r\n", tag)
                if sent.startswith(tag + b" OK"):
                    if self.tls is None:
                        await session.suffer(SILENCE)
                    else:
                        await self.secure(session, self.tls)
            case "authenticate":
                await self._authenticate(session, tag, argument)
            case "login":
                user, password = words(argument)
                good = self.logins.shown(user, password)
                refused = tag + b" NO [AUTHENTICATIONFAILED] failed\r\n"
                await self.reply(session, verb, done if good else refused, tag)
            case "list":
                await self.reply(session, verb, self._list() + done, tag)
            case "select" | "examine":
                await self._select(session, tag, verb, argument)
            case "status":
                folder = words(argument)[0]
                if folder not in self.folders:
                    await self.reply(session, verb, tag + b" NO [NONEXISTENT] no such folder\r\n", tag)
                    return
                known = len(self.folders.get(folder, []))
                text = f"(MESSAGES {known} UIDNEXT {self._next_uid(folder)} UIDVALIDITY 1)"
                await self.reply(session, verb, f"* STATUS {argument.split(' (')[0]} {text}\r\n".encode() + done, tag)
            case "noop":
                await self.reply(session, verb, self._refresh(session) + done, tag)
            case "fetch":
                await self.reply(session, verb, fetch(session.view, argument, uid) + done, tag)
            case "store":
                await self.reply(session, verb, store(session.view, argument, uid) + done, tag)
            case "expunge":
                self._next_uid(session.folder)  # a UID is never used twice
                expunge(self.folders.get(session.folder, []), argument)
                await self.reply(session, verb, self._refresh(session) + done, tag)
            case "copy" | "move":
                self._copy(session, argument, move=verb == "move")
                await self.reply(session, verb, (self._refresh(session) if verb == "move" else b"") + done, tag)
            case "id":
                await self.reply(session, verb, b"* ID NIL\r\n" + done, tag)
            case "idle":
                await self._idle(session, tag)
            case "logout":
                await self.reply(session, verb, b"* BYE logging out\r\n" + done, tag)
                raise Gone
            case _:
                await session.write(tag + b" BAD unknown command\r\n")

    def _offer(self, session: Session) -> bytes:
        return (self.capabilities + (" STARTTLS" if self.tls and not session.encrypted else "")).encode()

    async def _authenticate(self, session: Session, tag: bytes, argument: str) -> None:
        mechanism, _, initial = argument.partition(" ")

        async def ask(challenge: bytes) -> bytes:
            await self.reply(session, "challenge", b"+ " + challenge + b"\r\n", tag)
            return await session.read()

        good = await self.logins.take(mechanism.upper(), initial or None, ask)
        default = b" BAD cancelled\r\n" if good is None else b" NO [AUTHENTICATIONFAILED] failed\r\n"
        await self.reply(session, "authenticate", tag + (b" OK done\r\n" if good else default), tag)

    def _list(self) -> bytes:
        lines = [
            f'* LIST (\\HasNoChildren{" " + self.special[name] if name in self.special else ""}) "/" "{name}"\r\n'
            for name in self.folders
        ]
        return "".join(lines).encode()

    async def _select(self, session: Session, tag: bytes, verb: str, argument: str) -> None:
        (name,) = words(argument)
        messages = self.folders.get(name)
        if messages is None:
            await self.reply(session, verb, tag + b" NO [NONEXISTENT] no such folder\r\n", tag)
            return
        session.folder, session.view = name, list(messages)
        text = (
            f"* FLAGS (\\Seen \\Deleted)\r\n* {len(messages)} EXISTS\r\n* 0 RECENT\r\n"
            f"* OK [UIDVALIDITY 1] valid\r\n* OK [UIDNEXT {self._next_uid(name)}] next\r\n"
            f"{tag.decode()} OK [{'READ-WRITE' if verb == 'select' else 'READ-ONLY'}] done\r\n"
        )
        await self.reply(session, verb, text.encode(), tag)

    def _copy(self, session: Session, argument: str, move: bool) -> None:
        uids, _, name = argument.partition(" ")
        for _, message in chosen(session.view, uids, uid=True):
            self.put(message.raw, words(name)[0], message.internaldate)
            if move:
                self._next_uid(session.folder)
                self.folders[session.folder].remove(message)

    def _refresh(self, session: Session) -> bytes:
        """Show the open folder as it is now."""
        messages = self.folders.get(session.folder, [])
        gone = [i for i, message in reversed(list(enumerate(session.view, 1))) if message not in messages]
        text = b"".join(b"* %d EXPUNGE\r\n" % number for number in gone)
        if messages[len(session.view) - len(gone) :]:
            text += b"* %d EXISTS\r\n" % len(messages)
        session.view = list(messages)
        return text

    async def _idle(self, session: Session, tag: bytes) -> None:
        session.idling = True
        try:
            said = await self.reply(session, "idle", b"+ idling\r\n" + self._refresh(session), tag)
            if not said.startswith(b"+"):
                return
            if self.script.get("idling"):
                said += await self.reply(session, "idling", b"* OK still here\r\n", tag)
            if b"\n" + tag + b" " in said:
                return  # the server has ended it
            self.log.append((await session.read()).decode("utf-8", "replace"))
            session.idling = False
            await self.reply(session, "done", tag + b" OK done\r\n", tag)
        finally:
            session.idling = False
