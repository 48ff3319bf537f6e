"""One session that many wait on: a task of its own asks for them all, and hands new messages to those they concern.

It never lets a command be given up because somebody who waited for it has left: an answer left behind would end the
connection for all. When the connection is lost each waiter is told so, and this session is over.
"""

from __future__ import annotations

import asyncio
import contextvars
import math
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

from tasks.mail.courtesy import Place
from tasks.mail.errors import ImapFailure
from tasks.mail.facts import ErrorType
from tasks.mail.imap import Mailbox
from tasks.mail.imap_rows import Row
from tasks.mail.imap_selected import Selected
from tasks.mail.imap_session import Session
from tasks.mail.shared_jobs import Job, Jobs
from tasks.mail.shared_view import View

if TYPE_CHECKING:
    from tasks.mail.config import ImapConfig

BEAT = 0.05  # seconds between two looks for all that are in their tight phase: a message is seen after half of it
LINGER = 0.1  # seconds for another question before IDLE begins
IDLE_SECONDS = 300.0  # of one IDLE, where nobody asks for anything: each waiter does every few seconds
ROUNDS = 3  # of fetching what came while new messages were fetched; then others have their turn


class Waiter(Protocol):
    """Who waits for messages."""

    probe_id: str
    unreadable: int

    @property
    def place(self) -> tuple[str, int] | None:
        """The folder that he looks at, and its UIDVALIDITY."""

    def hear(self) -> None:
        """There are new messages that may concern him."""

    def rouse(self) -> None:
        """There is no more to wait for."""


class Wire(Mailbox):
    """The mailbox as it is open on the wire."""

    @property
    def writable(self) -> bool:
        return self.selected is not None and self._writable

    @property
    def names(self) -> dict[str, bytes]:
        """The names of the folders as the server has listed them."""
        return self._wire_names

    async def open_folder(self, stage: str, verb: str, folder: str) -> Selected:
        return await self._select(stage, verb, folder)

    async def fetch(self, verb: str, messages: bytes) -> list[Row]:
        return await self._fetch(verb, messages)


class SharedSession:
    """The session of one mailbox, for as long as anybody waits on it."""

    def __init__(self, config: ImapConfig, place: Place) -> None:
        self.config = config
        self.session = Session(config)
        self.box = Wire(self.session)
        self.waiters: set[Waiter] = set()
        self.views: dict[str, View] = {}
        self.admitted = asyncio.Event()  # it has the place that it may need at the server
        self.ready = asyncio.Event()  # it is open, or over
        self.jobs = Jobs(self._stir)
        self._place = place
        self._resting: dict[Waiter, float | None] = {}  # by what may be their seconds between two looks; None: IDLE
        self._stirred = asyncio.Event()
        self._was_open = False
        self._looked = self._ended = 0.0
        self._cut_short = False  # the server has ended IDLE by itself: it may not have told all
        self._hurry: float | None = math.inf  # seconds between the looks that go on; inf while nobody rests
        self.session.connection.counted = self._count
        # Nobody's context: what it does is none of his who happened to come first.
        self.task = asyncio.create_task(self._run(), context=contextvars.Context())

    @property
    def alive(self) -> bool:
        return self.jobs.over is None

    def refused(self, since: float) -> bool:
        """Whether it has been refused since that time (monotonic seconds) in a way that another one would be, too."""
        over = self.jobs.over
        return isinstance(over, ImapFailure) and over.permanent and not self._was_open and self._ended >= since

    def leave(self, waiter: Waiter) -> bool:
        """Whether he was the last one, and the session ends with him."""
        self.waiters.discard(waiter)
        self._resting.pop(waiter, None)
        if self.waiters:
            return False
        self._end(self.session.connection.failure())
        self.task.cancel()
        return True

    def rests(self, waiter: Waiter, seconds: float | None) -> None:
        """He waits to hear of news: by looks so many `seconds` apart, or by IDLE."""
        self._resting[waiter] = seconds
        if self._hurry is None and seconds is None:
            return
        if self._hurry is None or max(seconds or math.inf, BEAT) < self._hurry or math.isinf(self._hurry):
            self._stir()

    def rises(self, waiter: Waiter) -> None:
        self._resting.pop(waiter, None)

    # -- what is asked for all ----------------------------------------------------------------------------------------

    async def ensure(self, folder: str, uidvalidity: int | None, writable: bool = False) -> View:
        """The folder is open as wanted: somebody else may have looked at another one meanwhile."""
        if self.box.selected != folder or self.box.writable is not writable or folder not in self.views:
            await self.open("search", "SELECT" if writable else "EXAMINE", folder)
        view = self.views[folder]
        if uidvalidity is not None and view.opened.uidvalidity != uidvalidity:
            raise ImapFailure(ErrorType.IMAP, "search", f"the folder {folder} was made anew")
        return view

    async def open(self, stage: str, verb: str, folder: str) -> Selected:
        """Open a folder by SELECT or EXAMINE."""
        view = self.views.pop(folder, None)  # what is counted while it is opened is told by the answer
        selected = await self.box.open_folder(stage, verb, folder)
        news = False
        if view is not None and selected.uidvalidity and view.opened.uidvalidity == selected.uidvalidity:
            news = view.reopened(selected)
        else:
            view = View(selected)
        self.views[folder] = view
        self.session.connection.news = news
        return selected

    async def look(self, folder: str, uidvalidity: int | None) -> View:
        """Bring what is known of a folder up to date."""
        await self.ensure(folder, uidvalidity)
        self._looked = time.monotonic()
        await self.box.noop()
        return self.views[folder]

    async def fetch_news(self, view: View) -> None:
        """Fetch the new messages of the open folder, and hand them out."""
        if view.next is None:
            self.session.connection.news = False
            self._hand_out(view, None)
            return
        before, changes = self.box.unreadable, view.changes
        try:
            rows = await self.box.fetch_new(view.next)
        except ImapFailure:
            if not self.session.connection.alive:
                raise
            view.give_up()
            self._hand_out(view, None)
            return
        for waiter in self.waiters:
            waiter.unreadable += self.box.unreadable - before
        self._hand_out(view, view.learn(rows, changes))
        view.reached(rows)

    async def fetch_range(self, view: View, first: int, last: int) -> tuple[list[Row], int]:
        """The messages with these numbers in the open folder, and how many answers about them could not be read."""
        first, last = max(first, 1), min(last, view.exists)
        if first > last or (wanted := view.unknown(first, last)) is None:
            return view.range(first, last), 0
        before, changes = self.box.unreadable, view.changes
        rows = view.learn(await self.box.fetch("FETCH", b"%d:%d" % wanted), changes)
        if changes != view.changes:  # the numbers mean others by now
            return rows, self.box.unreadable - before
        known = {row.uid: row for row in (*view.range(first, last), *rows)}
        return [known[uid] for uid in sorted(known)], self.box.unreadable - before

    def _hand_out(self, view: View, rows: Iterable[Row] | None) -> None:
        """Let those hear of new messages whom they may concern; with None, of which nothing is known, all.

        What carries the id of one probe is none of another's: see match().
        """
        place = next((name for name, one in self.views.items() if one is view), ""), view.opened.uidvalidity
        here = [waiter for waiter in self.waiters if waiter.place == place]
        ids = None if rows is None else [row.loop_ids or frozenset() for row in rows]
        if ids is None or frozenset() in ids:
            hear = here
        else:
            told = frozenset().union(*ids)
            hear = [waiter for waiter in here if waiter.probe_id in told]
        for waiter in hear:
            waiter.hear()

    def _count(self, number: int, kind: str) -> None:
        if self.box.selected is not None and (view := self.views.get(self.box.selected)) is not None:
            view.count(number, kind)

    # -- the task -----------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        password = self.config.password.get_secret_value() if self.config.password else ""
        try:
            async with self._place.taken():
                self.admitted.set()
                try:
                    await self.session.open(password)
                    self.ready.set()
                    self._was_open = True
                    while True:
                        await self._turn()
                except Exception as error:  # of ours as well: each waiter tells what became of his search
                    self._end(error)
                finally:
                    self._end(self.session.connection.failure())
                    await self.session.close()
        finally:
            self._end(self.session.connection.failure())

    def _end(self, failure: Exception) -> None:
        """Everybody is told, once."""
        if self.jobs.over is None:
            self.jobs.end(failure)
            self._ended = time.monotonic()
            self.admitted.set()
            self.ready.set()
            for waiter in [*self.waiters]:
                waiter.rouse()

    async def _turn(self) -> None:
        """Answer one question; without any, wait for news or for the next one."""
        self._stirred.clear()
        if (job := self.jobs.next()) is not None:
            await self._answer(job)
        elif self._resting:
            await self._wait_for_news()
        else:
            await self._stirred.wait()

    async def _answer(self, job: Job) -> None:
        try:
            answer = await job.run()
            await self._take_news()
        except Exception as error:  # what is no ImapFailure is a fault of ours, for the asker to tell
            if not self.session.connection.alive:
                self._end(error)
            job.fail(error)
            if not self.session.connection.alive:
                raise
        except BaseException:
            job.fail(self.session.connection.failure())
            raise
        else:
            job.answer(answer)

    async def _take_news(self) -> None:
        for _ in range(ROUNDS):
            view = self.views.get(self.box.selected or "")
            if view is None or not self.session.connection.news:
                return
            await self.fetch_news(view)

    async def _wait_for_news(self) -> None:
        """For those who rest: looks at the pace of the one in the greatest hurry, else IDLE."""
        place = next(iter(self._resting)).place
        hurry = min((max(seconds, BEAT) for seconds in self._resting.values() if seconds is not None), default=None)
        self._hurry = hurry
        try:
            seconds = LINGER if hurry is None else self._looked + hurry - time.monotonic()
            if not await self._pause(seconds) or place is None:
                return
            if hurry is not None:
                await self.look(*place)
            elif self.box.can_idle:
                await (self.look if self._cut_short else self.ensure)(*place)
                if not self._stirred.is_set():
                    await self.box.idle(IDLE_SECONDS)
                    self._cut_short = not self._stirred.is_set()
                if not self.box.can_idle:
                    for one in [*self._resting]:
                        one.rouse()
            else:
                await self._stirred.wait()
            await self._take_news()
        except ImapFailure:
            if not self.session.connection.alive:
                raise
            # A refusal is told to each waiter when he looks himself.
            for one in [*self._resting]:
                one.rouse()
            self._resting.clear()
        finally:
            self._hurry = math.inf

    async def _pause(self, seconds: float) -> bool:
        """Whether nobody has asked for anything in the meantime."""
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await self._stirred.wait()
        except TimeoutError:
            return True
        return False

    def _stir(self) -> None:
        self._stirred.set()
        self.session.connection.stir()
