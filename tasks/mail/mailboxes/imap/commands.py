"""IMAP, command by command: list folders, open one, wait for news; see reading and client for the rest."""

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
from tasks.mail.mailboxes.imap import responses
from tasks.mail.mailboxes.imap.asking import Asking
from tasks.mail.mailboxes.imap.encoding import criteria, folder_name, quoted_string
from tasks.mail.mailboxes.imap.folder import FolderStatus, Selected, folder_status, opened
from tasks.mail.mailboxes.imap.framing import Reply
from tasks.mail.mailboxes.imap.session import Session
from tasks.mail.mailboxes.mailbox import Folder
from tasks.mail.model.errors import MailboxFailure
from tasks.mail.model.facts import Quota

_UNKNOWN = re.compile(r"un(?:known|supported|recogni[sz]ed)|not (?:supported|implemented|recogni[sz]ed)", re.IGNORECASE)
_ID = b'("name" "mail-loop-check")'
MAX_SILENCE_SECONDS = 5.0  # after so long a server is not relied on to announce new messages, nor its view of a folder
SILENCE_SLACK = 0.5  # seconds by which that may be sooner, where there is a look in any case
IDLE_SLICE_SECONDS = 5.0  # IDLE is an alarm clock, not a clock: servers push late, or never
_RENEW_TIMES = 20  # a view is opened anew only after so many times as long as that took


class Commands:
    """A session that is logged in. Its methods raise nothing but MailboxFailure; each command is bounded by `timeout`.

    After a lost connection, a timeout or a cancellation it is over: every method then fails at once.
    """

    def __init__(self, session: Asking) -> None:
        """Use `Client.open`."""
        self.session = session
        self.selected: str | None = None  # the folder that is open
        self.writable = False
        self._view: Selected | None = None
        self._opened_at = self._took = 0.0  # when it was opened, in monotonic seconds, and how long that took
        self._fetched = time.monotonic()  # when new messages were asked for last
        self._wire_names: dict[str, bytes] = {}
        self._trash: str | None = None  # the folder that SPECIAL-USE marks so
        self._idle_refused = False
        self._examines = True  # the server knows EXAMINE
        self._introduced = False

    @classmethod
    async def open(cls, config: ProbeMailbox, until: float = math.inf) -> Self:
        """Connect and log in. The MailboxFailure of an attempt that ends early has its stage times.

        `until`: in monotonic seconds, when every method but `close` fails with a timeout.
        """
        session = Session(config, until)
        await session.open()
        return cls(session)

    @property
    def alive(self) -> bool:
        """Whether another command can be asked: after a mere refusal it can."""
        return self.session.connection.alive

    @property
    def exists(self) -> int:
        """How many messages the open folder has, as far as the server has said."""
        return self.session.connection.exists

    @property
    def news(self) -> bool:
        """Whether the server has said how many messages there are since they were last fetched."""
        return self.session.connection.news

    @property
    def unfetched(self) -> float:
        """Seconds since new messages were last fetched."""
        return time.monotonic() - self._fetched

    @property
    def can_idle(self) -> bool:
        """Whether the server offers IDLE, and has not refused it."""
        return "IDLE" in self.session.capabilities and not self._idle_refused

    async def folders(self) -> list[Folder]:
        """All folders, with their special use where the server knows it."""
        arguments = [b'""', b'"*"']
        if self._rev2 or {"SPECIAL-USE", "LIST-EXTENDED"} <= self.session.capabilities:
            arguments += [b"RETURN", b"(SPECIAL-USE)"]  # a server that is not asked may keep it to itself
        reply = await self._ask("select", "LIST", *arguments)
        listed = (responses.listed_folder(response, self._utf8) for response in reply.responses)
        found = list({folder.name: folder for folder in listed if folder is not None}.values())
        self.remember(found)
        return found

    def remember(self, folders: Sequence[Folder]) -> None:
        """Take what is needed of the folders."""
        self._wire_names = {folder.name: folder.wire for folder in folders}
        self._trash = next((folder.name for folder in folders if "\\TRASH" in folder.attributes), None)

    async def examine(self, folder: str) -> Selected:
        """Open a folder read-only."""
        return await self.open_folder("select", "EXAMINE", folder)

    @property
    def may_renew(self) -> bool:
        """Whether the folder was opened long enough ago to be opened anew."""
        return time.monotonic() - self._opened_at >= max(MAX_SILENCE_SECONDS - SILENCE_SLACK, _RENEW_TIMES * self._took)

    async def renewed(self, folder: str) -> Selected | None:
        """The open folder opened anew, as it is now; None where it is too soon for that."""
        return await self.examine(folder) if self.may_renew else None

    async def opened(self, folder: str) -> Selected:
        """The folder open for reading: as it is, where it is the open one."""
        if self._view is None or self.selected != folder:
            return await self.examine(folder)
        return replace(self._view, exists=self.exists)

    async def search(self, since: datetime | None, field: str, value: str, without: str | None = None) -> list[int]:
        """UIDs of messages by day, header field and keyword; servers differ in what they find: see criteria()."""
        arguments = criteria(since, field, value, without)
        reply = await self.session.ask("search", "UID SEARCH", *arguments)
        return responses.found_uids(reply.responses)

    async def noop(self) -> None:
        """Bring the view of the open folder up to date."""
        await self.session.ask("search", "NOOP")

    async def status(self, folder: str) -> FolderStatus:
        """How a folder is, which must not be the open one: of that it may never change."""
        arguments = self._name(folder), b"(MESSAGES UIDNEXT UIDVALIDITY)"
        reply = await self._ask("search", "STATUS", *arguments, about=f"STATUS of {folder!r}")
        return folder_status(reply.responses)

    async def quotas(self, folder: str) -> tuple[Quota, ...]:
        """The limits that hold for a folder, as far as the server gives any."""
        if "QUOTA" not in self.session.capabilities:
            return ()
        reply = await self.session.ask("search", "GETQUOTAROOT", self._name(folder))
        return responses.quotas(reply.responses)

    async def idle(self, seconds: float) -> bool:
        """Wait at most `seconds`; True as soon as the server has announced messages since the last fetch.

        A server that offers IDLE but refuses it is not asked again: `can_idle` is then False.
        """
        connection = self.session.connection
        if not (connection.alive and connection.news):
            self._idle_refused = not await self.session.idle(seconds)
        return connection.news

    async def rest(self, seconds: float, at_most: float) -> None:
        """Wait until the next look is worth it: so many `seconds`, or, where news would end it, `at_most`."""
        await asyncio.sleep(seconds)

    async def close(self) -> None:
        """Log out if that takes less than a second, and drop the connection in any case. May be called twice."""
        await self.session.close()

    @property
    def _rev2(self) -> bool:
        return "IMAP4REV2" in self.session.capabilities

    @property
    def _utf8(self) -> bool:
        """Whether folder names are UTF-8: a server of both versions speaks the older one by default."""
        return self._rev2 and "IMAP4REV1" not in self.session.capabilities

    def _name(self, folder: str) -> bytes:
        wire = self._wire_names.get(folder)
        return quoted_string(folder_name(folder, self._utf8) if wire is None else wire)

    async def open_folder(self, stage: str, verb: str, folder: str) -> Selected:
        """SELECT or EXAMINE. A folder that was open before is not any more, also after a refusal (RFC 9051, 6.3.2)."""
        self.selected, self._view, self.writable = None, None, False
        self.session.connection.exists = 0
        begun = time.monotonic()
        reply = await self._open(stage, verb, folder)
        self._opened_at = time.monotonic()
        self._took = self._opened_at - begun
        self.selected = folder
        if not self.exists:
            self._fetching()  # there is nothing to fetch, so all that is there is known
        self._view, self.writable = opened(reply), verb == "SELECT"
        return self._view

    def _fetching(self) -> None:
        self.session.connection.news = False
        self._fetched = time.monotonic()

    async def _ask(self, stage: str, verb: str, *arguments: bytes, about: str = "", permanent: bool = False) -> Reply:
        """A command that a server may refuse to a client without a name (RFC 2971): then it is given, and asked again.

        Not on all connections: it is one command more, and most servers do not care.
        """
        ask = partial(self.session.ask, stage, verb, *arguments, about=about, permanent=permanent)
        try:
            return await ask()
        except MailboxFailure as failure:
            wanted = "ID" in self.session.capabilities or "unsafe login" in failure.text.lower()
            if self._introduced or failure.permanent or not (wanted and self.alive):
                raise
        self._introduced = True
        with suppress(MailboxFailure):  # whatever it says to that, the next answer decides
            await self.session.ask(stage, "ID", _ID)
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
