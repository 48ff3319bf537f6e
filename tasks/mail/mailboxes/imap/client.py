"""IMAP, command by command: list folders, open one, wait for news; see reading and writes for the rest."""

import asyncio
import math
import re
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Self

from tasks.mail.config.mailbox import ProbeMailbox
from tasks.mail.config.secrets import password_of
from tasks.mail.mailboxes.imap import responses
from tasks.mail.mailboxes.imap.asking import Asking
from tasks.mail.mailboxes.imap.encoding import criteria, folder_name, quoted_string
from tasks.mail.mailboxes.imap.folder import FolderStatus, Selected, folder_status, opened
from tasks.mail.mailboxes.imap.framing import Reply
from tasks.mail.mailboxes.imap.session import Session
from tasks.mail.mailboxes.imap.writes import Changes
from tasks.mail.mailboxes.mailbox import Folder
from tasks.mail.model.errors import MailboxFailure
from tasks.mail.model.facts import Quota
from tasks.mail.model.journey_record import TlsRecord

_UNKNOWN = re.compile(r"un(?:known|supported|recogni[sz]ed)|not (?:supported|implemented|recogni[sz]ed)", re.IGNORECASE)
_ID = b'("name" "mail-loop-check")'
UNTOLD_SECONDS = 5.0  # after so long nobody relies on a server to tell of new messages, nor on its view of a folder
NEARLY = 0.5  # seconds by which that may be sooner, where there is a look in any case
IDLE_SLICE_SECONDS = 5.0  # IDLE is an alarm clock, not a clock: servers push late, or never
_RENEW_TIMES = 20  # a view is opened anew only after so many times as long as that took


class Client(Changes):
    """A session that is logged in. Its methods raise nothing but MailboxFailure; each command is bounded by `timeout`.

    After a lost connection, a timeout or a cancellation it is over: every method then fails at once.
    """

    def __init__(self, session: Asking) -> None:
        """Use `Client.open`."""
        super().__init__(session)
        self._idle_refused = False
        self.selected: str | None = None
        self._view: Selected | None = None  # of the folder that is open
        self._opened_at = self._took = 0.0  # when it was opened, in monotonic seconds, and how long that took
        self._writable = False
        self._examines = True  # the server knows EXAMINE
        self._introduced = False

    @classmethod
    async def open(cls, config: ProbeMailbox, until: float = math.inf) -> Self:
        """Connect and log in. The MailboxFailure of an attempt that ends early has its stage times.

        `until`: in monotonic seconds, when every method but `close` fails with a timeout.
        """
        session = Session(config, until)
        await session.open(password_of(config))
        return cls(session)

    @property
    def stages(self) -> dict[str, float]:
        """Seconds by stage so far; the waiting in IDLE is in none of them."""
        return self._session.stages

    @property
    def tls(self) -> TlsRecord | None:
        return self._session.tls

    @property
    def alive(self) -> bool:
        """Whether another command can be asked: after a mere refusal it can."""
        return self._session.connection.alive

    @property
    def exists(self) -> int:
        """How many messages the open folder has, as far as the server has said."""
        return self._session.connection.exists

    @property
    def news(self) -> bool:
        """Whether the server has said how many messages there are since they were last fetched."""
        return self._session.connection.news

    @property
    def unfetched(self) -> float:
        """Seconds since new messages were last fetched."""
        return time.monotonic() - self._fetched

    @property
    def can_idle(self) -> bool:
        """Whether the server offers IDLE, and has not refused it."""
        return "IDLE" in self._session.capabilities and not self._idle_refused

    async def folders(self) -> list[Folder]:
        """All folders, with their special use where the server knows it."""
        arguments = [b'""', b'"*"']
        if self._session.rev2 or {"SPECIAL-USE", "LIST-EXTENDED"} <= self._session.capabilities:
            arguments += [b"RETURN", b"(SPECIAL-USE)"]  # a server that is not asked may keep it to itself
        reply = await self._ask("select", "LIST", *arguments)
        listed = (responses.listed_folder(response, self._utf8) for response in reply.responses)
        found = list({folder.name: folder for folder in listed if folder is not None}.values())
        self._list(found)
        return found

    async def examine(self, folder: str) -> Selected:
        """Open a folder read-only."""
        return await self._select("select", "EXAMINE", folder)

    @property
    def may_renew(self) -> bool:
        """Whether the folder was opened long enough ago to be opened anew."""
        return time.monotonic() - self._opened_at >= max(UNTOLD_SECONDS - NEARLY, _RENEW_TIMES * self._took)

    async def renewed(self, folder: str) -> Selected | None:
        """The open folder opened anew, as it is now; None where it is too soon for that."""
        return await self.examine(folder) if self.may_renew else None

    async def opened(self, folder: str) -> Selected:
        """The folder open for reading: as it is, where it is the open one."""
        if self._view is None or self.selected != folder:
            return await self.examine(folder)
        return replace(self._view, exists=self.exists)

    def _open_to_change(self, folder: str) -> Selected | None:
        """The folder, if it is the open one and may be changed."""
        if self._view is None or self.selected != folder or not self._writable:
            return None
        return replace(self._view, exists=self.exists)

    async def search(self, since: datetime | None, field: str, value: str, without: str | None = None) -> list[int]:
        """UIDs of messages by day, header field and keyword; servers differ in what they find: see criteria()."""
        arguments = criteria(since, field, value, without)
        reply = await self._session.ask("search", "UID SEARCH", *arguments)
        return responses.found_uids(reply.responses)

    async def noop(self) -> None:
        """Bring the view of the open folder up to date."""
        await self._session.ask("search", "NOOP")

    async def status(self, folder: str) -> FolderStatus:
        """How a folder is, which must not be the open one: of that it may never change."""
        arguments = self._name(folder), b"(MESSAGES UIDNEXT UIDVALIDITY)"
        reply = await self._ask("search", "STATUS", *arguments, about=f"STATUS of {folder!r}")
        return folder_status(reply.responses)

    async def quotas(self, folder: str) -> tuple[Quota, ...]:
        """The limits that hold for a folder, as far as the server tells of any."""
        if "QUOTA" not in self._session.capabilities:
            return ()
        reply = await self._session.ask("search", "GETQUOTAROOT", self._name(folder))
        return responses.quotas(reply.responses)

    async def idle(self, seconds: float) -> bool:
        """Wait at most `seconds`; True as soon as the server has announced messages since the last fetch.

        A server that offers IDLE but refuses it is not asked again: `can_idle` is then False.
        """
        connection = self._session.connection
        if not (connection.alive and connection.news):
            self._idle_refused = not await self._session.idle(seconds)
        return connection.news

    async def rest(self, seconds: float, at_most: float) -> None:
        """Wait until the next look is worth it: so many `seconds`. Who is told of news meanwhile may wait `at_most`."""
        await asyncio.sleep(seconds)

    async def close(self) -> None:
        """Log out if that takes less than a second, and drop the connection in any case. May be called twice."""
        await self._session.close()

    @property
    def _utf8(self) -> bool:
        """Whether folder names are UTF-8: a server of both versions speaks the older one unless told otherwise."""
        return self._session.rev2 and "IMAP4REV1" not in self._session.capabilities

    def _name(self, folder: str) -> bytes:
        wire = self._wire_names.get(folder)
        return quoted_string(folder_name(folder, self._utf8) if wire is None else wire)

    def _list(self, folders: Sequence[Folder]) -> None:
        """Remember what is needed of the folders."""
        self._wire_names = {folder.name: folder.wire for folder in folders}
        self._trash = next((folder.name for folder in folders if "\\TRASH" in folder.attributes), None)

    async def _select(self, stage: str, verb: str, folder: str) -> Selected:
        self.selected = self._view = None  # also after a refusal (RFC 9051, 6.3.2)
        self._session.connection.exists = 0
        begun = time.monotonic()
        reply = await self._open(stage, verb, folder)
        self._opened_at = time.monotonic()
        self._took = self._opened_at - begun
        self.selected = folder
        if not self.exists:
            self._fetching()  # there is nothing to fetch, so all that is there is known
        self._view, self._writable = opened(reply), verb == "SELECT"
        self._opened(folder, self._view)
        return self._view

    async def _ask(self, stage: str, verb: str, *arguments: bytes, about: str = "", permanent: bool = False) -> Reply:
        """A command that a server may refuse to who has not said who he is (RFC 2971): then he does, and asks again.

        Not on all connections: it is one command more, and most servers do not care.
        """
        ask = partial(self._session.ask, stage, verb, *arguments, about=about, permanent=permanent)
        try:
            return await ask()
        except MailboxFailure as failure:
            wanted = "ID" in self._session.capabilities or "unsafe login" in failure.text.lower()
            if self._introduced or failure.permanent or not (wanted and self.alive):
                raise
        self._introduced = True
        with suppress(MailboxFailure):  # whatever it says to that, the next answer tells
            await self._session.ask(stage, "ID", _ID)
        return await ask()

    async def _open(self, stage: str, verb: str, folder: str) -> Reply:
        """SELECT or EXAMINE; SELECT, too, where the server does not know EXAMINE: no flag is set by what we fetch."""
        # A folder that the server does not list will not be there the next time either.
        unlisted = bool(self._wire_names) and folder not in self._wire_names and folder.upper() != "INBOX"
        ask = partial(self._ask, stage, permanent=unlisted)
        if verb == "EXAMINE" and self._examines:
            try:
                return await ask(verb, self._name(folder), about=f"{verb} of {folder!r}")
            except MailboxFailure as failure:
                if not ((failure.bad or _UNKNOWN.search(failure.text)) and self.alive):
                    raise
                unknown = failure
            try:
                reply = await ask("SELECT", self._name(folder))
            except MailboxFailure as failure:
                raise unknown if self.alive else failure from None
            self._examines = False
            return reply
        verb = "SELECT"
        return await ask(verb, self._name(folder), about=f"{verb} of {folder!r}")
