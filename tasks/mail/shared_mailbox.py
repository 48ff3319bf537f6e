"""A mailbox whose session others use as well. To its owner it is like one of his own.

What he has open is his own idea: on the wire it is opened again where another one has left it for another folder.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from tasks.mail import progress
from tasks.mail.errors import ImapFailure
from tasks.mail.facts import ErrorType
from tasks.mail.imap import BODY_OCTETS, Mailbox
from tasks.mail.imap_connection import Connection
from tasks.mail.imap_reader import Reply
from tasks.mail.imap_rows import Folder, Row
from tasks.mail.imap_selected import FolderStatus, Selected
from tasks.mail.network import TlsSession
from tasks.mail.pace import SLICE_SECONDS, SOON
from tasks.mail.shared_jobs import again
from tasks.mail.shared_session import SharedSession
from tasks.mail.shared_view import View

if TYPE_CHECKING:
    from tasks.mail.config import ImapConfig

IN_A_FOLDER = frozenset({"FETCH", "UID FETCH", "UID SEARCH", "UID STORE", "UID EXPUNGE"})
CHANGES = frozenset({"UID STORE", "UID EXPUNGE"})  # each is asked for by itself

Answer = TypeVar("Answer")


class Share:
    """One waiter's share of a session: his time, and what he has open. `until`: see Session."""

    def __init__(self, shared: SharedSession, config: ImapConfig, until: float) -> None:
        self.shared = shared
        self.config = config
        self.until = until
        self.place: tuple[str, int] | None = None  # the folder that is open for him, and its UIDVALIDITY
        self.writable = False
        self.over: ImapFailure | None = None
        self.stages: dict[str, float] = {}  # seconds that he has waited

    @property
    def tls(self) -> TlsSession | None:
        return self.shared.session.tls

    @property
    def capabilities(self) -> frozenset[str]:
        return self.shared.session.capabilities

    @property
    def connection(self) -> Connection:
        return self.shared.session.connection

    @property
    def rev2(self) -> bool:
        return self.shared.session.rev2

    @property
    def alive(self) -> bool:
        return self.over is None and self.shared.alive

    async def join(self) -> None:
        """Wait until the session is open. The time until there is a place for it at the server is nobody's fault."""
        asked = time.monotonic()
        await self.shared.admitted.wait()
        begun = time.monotonic()
        self.until += begun - asked
        if not self.shared.ready.is_set():
            progress.tell("imap", "connect")
            try:
                async with self._in_time(None, "login"):
                    await self.shared.ready.wait()
            except ImapFailure as failure:
                failure.stages = self.shared.session.stages
                spent = time.monotonic() - begun - sum(failure.stages.values())
                failure.stages[failure.stage] = failure.stages.get(failure.stage, 0.0) + max(0.0, spent)
                raise
            self.stages = self.shared.session.stages
        if self.shared.jobs.over is not None:
            raise again(self.shared.jobs.over)

    async def ask(
        self,
        stage: str,
        verb: str,
        *arguments: bytes,
        answers: Sequence[bytes] = (),
        about: str = "",
        permanent: bool = False,
    ) -> Reply:
        """One command, as Session.ask(), in the folder that is open for him."""
        place, writable = self.place, self.writable

        async def run() -> Reply:
            if verb in IN_A_FOLDER and place is not None:
                await self.shared.ensure(*place, writable)
            return await self.shared.session.ask(
                stage, verb, *arguments, answers=answers, about=about, permanent=permanent
            )

        return await self.do(stage, verb, None if verb in CHANGES else (verb, arguments, place, writable), run)

    async def do(self, stage: str, what: str, key: Hashable | None, run: Callable[[], Awaitable[Answer]]) -> Answer:
        """Have something done on the session; for `key` see Jobs."""
        if self.over is not None:
            raise again(self.over)
        progress.tell("imap", stage)
        begun = time.monotonic()
        try:
            async with self._in_time(stage, f"answer to {what}"):
                return await self.shared.jobs.ask(self, key, run)
        finally:
            self.stages[stage] = self.stages.get(stage, 0.0) + time.monotonic() - begun

    @asynccontextmanager
    async def _in_time(self, stage: str | None, awaited: str) -> AsyncIterator[None]:
        """Bounds what is waited for. Without a `stage` it is the one that the session is in."""
        left = None if math.isinf(self.until) else max(0.0, self.until - time.monotonic())
        try:
            async with asyncio.timeout(left):
                yield
        except TimeoutError:
            stage = stage or self.shared.session.connection.stage
            self.over = ImapFailure(ErrorType.TIMEOUT, stage, f"no {awaited} in the time that was left")
            raise again(self.over) from None

    async def idle(self, seconds: float) -> bool:
        raise NotImplementedError("the session idles for all: see SharedMailbox.idle()")

    async def close(self) -> None:
        self.over = ImapFailure(ErrorType.CONNECTION, "search", "the connection is closed")


class SharedMailbox(Mailbox):
    """The mailbox for one waiter, who looks for the probe of this id."""

    def __init__(self, share: Share, probe_id: str) -> None:
        """Use `join`."""
        super().__init__(share)
        self.probe_id = probe_id
        self._share = share
        self._shared = share.shared
        self._told = False  # of new messages that nobody could fetch for him
        self._known = 0  # the UID up to which he has taken what there is
        self._wake = asyncio.Event()
        self._examined: set[str] = set()

    @classmethod
    async def join(cls, shared: SharedSession, config: ImapConfig, until: float, probe_id: str) -> SharedMailbox:
        """Take part in a session; fails as Mailbox.open() does."""
        box = cls(Share(shared, config, until), probe_id)
        shared.waiters.add(box)
        try:
            await box._share.join()
        except BaseException:
            await box.close()
            raise
        return box

    # -- what the session tells ---------------------------------------------------------------------------------------

    @property
    def place(self) -> tuple[str, int] | None:
        return self._share.place

    def hear(self) -> None:
        self._told = True
        self._wake.set()

    def rouse(self) -> None:
        self._wake.set()

    # -- as of a Mailbox ----------------------------------------------------------------------------------------------

    @property
    def alive(self) -> bool:
        return self._share.alive

    @property
    def exists(self) -> int:
        view = self._seen_by_all()
        return view.exists if view else 0

    @property
    def news(self) -> bool:
        view = self._seen_by_all()
        return self._told or (view is not None and view.next is not None and view.next > self._known)

    @property
    def can_idle(self) -> bool:
        return self._shared.box.can_idle

    @property
    def may_select(self) -> bool:
        """For the deletion alone: the others want the folder open read-only, and a look is one look for all."""
        return False

    async def folders(self) -> list[Folder]:
        found = await self._share.do("select", "LIST", "LIST", self._shared.box.folders)
        self._wire_names = self._shared.box.names
        return found

    async def fetch_range(self, first: int, last: int) -> list[Row]:
        self._fetching()
        if (place := self.place) is None:
            return []

        async def run() -> tuple[list[Row], int]:
            return await self._shared.fetch_range(await self._shared.ensure(*place), first, last)

        rows, unreadable = await self._share.do("search", "FETCH", ("range", place, first, last), run)
        self.unreadable += unreadable
        return rows

    async def fetch_new(self, uidnext: int) -> list[Row]:
        was_told = self.news
        self._fetching()
        view = self._seen_by_all()
        if (place := self.place) is None:
            return []
        if not was_told or view is None:

            async def run() -> View:
                view = await self._shared.ensure(*place)
                if view.next is not None:
                    await self._shared.fetch_news(view)
                return view

            view = await self._share.do("search", "FETCH", ("news", place), run)
        self._known = view.next or 0
        if (rows := view.since(uidnext)) is not None:
            return rows
        return await super().fetch_new(uidnext)

    async def fetch_body(self, uid: int, limit: int = BODY_OCTETS) -> bytes:
        view = self._seen_by_all()
        if view is not None and (kept := view.bodies.get((uid, limit))):
            return kept
        body = await super().fetch_body(uid, limit)
        if view is not None and body:
            view.keep_body(uid, limit, body)
        return body

    async def noop(self) -> None:
        if (place := self.place) is None:
            return
        await self._share.do("search", "NOOP", ("NOOP", place), lambda: self._shared.look(*place))

    async def status(self, folder: str) -> FolderStatus:
        place = self.place

        async def run() -> FolderStatus:
            if self._shared.box.selected == folder and place is not None:
                await self._shared.ensure(*place)  # of an open folder it would never change
            return await self._shared.box.status(folder)

        return await self._share.do("search", "STATUS", ("STATUS", folder), run)

    async def rest(self, seconds: float, at_most: float) -> None:
        await self._listen(at_most, seconds)

    async def idle(self, seconds: float) -> bool:
        """All end their slices at the same time, so that one look is enough for them."""
        now = time.monotonic()
        end = SLICE_SECONDS - (now + SOON) % SLICE_SECONDS + SOON
        await self._listen(min(seconds, end), None)
        return self.news

    async def close(self) -> None:
        await self._share.close()
        if self in self._shared.waiters and self._shared.leave(self):
            await asyncio.wait({self._shared.task})

    async def _listen(self, at_most: float, seconds: float | None) -> None:
        if not self.alive:
            return
        self._shared.rests(self, seconds)
        try:
            async with asyncio.timeout(at_most):
                await self._wake.wait()
        except TimeoutError:
            pass
        finally:
            self._shared.rises(self)
            self._wake.clear()

    def _seen_by_all(self) -> View | None:
        """What all know of the folder that is open for him."""
        place = self.place
        view = self._shared.views.get(place[0]) if place else None
        return view if view and place and view.opened.uidvalidity == place[1] else None

    def _fetching(self) -> None:
        self._told = False
        self._fetched = time.monotonic()

    async def _select(self, stage: str, verb: str, folder: str) -> Selected:
        share, shared = self._share, self._shared
        self.selected = self._view = share.place = None
        is_first = verb == "EXAMINE" and folder not in self._examined and not shared.jobs.is_alone(share)

        async def run() -> Selected:
            # Who comes to a folder that is open already sees it as it is now; later he wants it opened anew.
            if is_first and shared.box.selected == folder and not shared.box.writable and folder in shared.views:
                view = await shared.look(folder, None)
                return replace(view.opened, exists=view.exists)
            return await shared.open(stage, verb, folder)

        selected = await share.do(stage, verb, (verb, folder, is_first), run)
        self._examined.add(folder)
        self.selected, share.place, share.writable = folder, (folder, selected.uidvalidity), verb == "SELECT"
        self._known = selected.uidnext or 0
        self._told = True
        if not selected.exists:
            self._fetching()
        self._view, self._writable = selected, verb == "SELECT"
        return selected

    @asynccontextmanager
    async def _changing(self, *of: object, **more: object) -> AsyncIterator[tuple[list[int], Selected]]:
        async with self._shared.jobs.alone(self._share), super()._changing(*of, **more) as changing:  # type: ignore[arg-type]
            yield changing
