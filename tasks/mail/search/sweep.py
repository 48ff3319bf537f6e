"""The folders that a rule may have chosen, or moved the message to: all are looked at, however many, but in slices.

What is looked at all the time, the expected folder and Junk, never waits for more than one slice. A message that was
moved while it was looked for is no second copy: the folder that it came to has it no more.
"""

import time
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field

from tasks.mail.mailboxes.folders import Place
from tasks.mail.mailboxes.mailbox import Mailbox
from tasks.mail.model.facts import Hit
from tasks.mail.search.scan import Looks

_SLICE_SECONDS = 1.0
_LAST_SECONDS = 10.0  # for the last sweep, or half of `timeout` where that is less: the verdict waits for it
_MAX_NAMED = 3  # in a note, of the folders that there was no time for


@dataclass
class Sweeps(Looks):
    """`due`: the folders that this sweep has still to look at. `swept`: those that one has looked at."""

    _: KW_ONLY
    due: list[Place] = field(default_factory=list)
    swept: set[str] = field(default_factory=set)
    all_mail: Place | None = None  # the folder that shows all that lies in the others
    not_looked_at: tuple[str, ...] = ()  # when the time was over

    def begin_sweep(self, others: Sequence[Place]) -> None:
        """Look at all of them, at those first that were never looked at."""
        self.due = sorted(others, key=lambda place: place.folder in self.swept)

    async def sweep(self, box: Mailbox, last: bool) -> None:
        """Go on with the sweep for so long; what the last one has no time for is told."""
        until = time.monotonic() + (min(_LAST_SECONDS, self.mailbox.timeout / 2) if last else _SLICE_SECONDS)
        while self.due and time.monotonic() < until:
            place = self.due.pop(0)
            await self.look_aside(box, place)
            self.swept.add(place.folder)
        if last and not self.detected and self.all_mail and time.monotonic() < until:
            await self.look_aside(box, self.all_mail)
        if last and not self.detected:
            self.not_looked_at = tuple(place.folder for place in self.due)
            if self.due:
                self.note(_note_of_folders(self.not_looked_at))

    def without_views(self) -> None:
        """What is found in a folder that it lies in is not there a second time because another shows it."""
        view = self.all_mail.folder if self.all_mail else None
        self.hits = {key: hit for key, hit in self.hits.items() if hit.folder != view} or self.hits


@dataclass
class Moves(Sweeps):
    """`moved_from`: the folder that the message came to first, where it lies in another one now."""

    _: KW_ONLY
    moved_from: str = ""

    async def compare_places(self, box: Mailbox, expected: Place, elsewhere: Sequence[Place]) -> None:
        """See whether what was found in two folders is in both of them."""
        if self.all_mail and self.all_mail.folder in {hit.folder for hit in self.hits.values()}:
            await self.look(box, expected)
            self.without_views()
        if len({hit.folder for hit in self.hits.values()}) > 1:
            await self.follow_moves(box, elsewhere)

    async def follow_moves(self, box: Mailbox, elsewhere: Sequence[Place]) -> bool:
        """Take away what is no longer where it was found, if it is found elsewhere; returns whether that is so."""
        gone = await self._gone(box)
        if not gone:
            return False
        if len(gone) == len(self.hits):
            self.begin_sweep([place for place in elsewhere if place.folder not in {hit.folder for hit in gone}])
            await self.sweep(box, last=True)
        if len(gone) == len(self.hits):  # deleted, or moved to where nobody looks: it arrived all the same
            return False
        self.moved_from = min(gone, key=lambda hit: hit.arrived_at).folder
        self.hits = {key: hit for key, hit in self.hits.items() if hit not in gone}
        return True

    async def _gone(self, box: Mailbox) -> list[Hit]:
        """What was found and is not there any more, as far as the server shows it for certain."""
        gone = list[Hit]()
        for folder, generation, placement in {(h.folder, h.ref.generation, h.placement) for h in self.hits.values()}:
            with self.tolerating_unreadable(box, Place(folder, placement)):
                here = [hit for ref, hit in self.hits.items() if (ref.folder, ref.generation) == (folder, generation)]
                there = await box.still_there([hit.ref for hit in here])
                gone += [hit for hit in here if there is not None and hit.ref not in there]
        return gone


def _note_of_folders(folders: Sequence[str]) -> str:
    """The note about folders that there was no time for."""
    named = ", ".join(folders[:_MAX_NAMED]) + (" and others" if len(folders) > _MAX_NAMED else "")
    what = "One folder was" if len(folders) == 1 else f"{len(folders)} folders were"
    return f"{what} not looked at ({named}): there was no time for so many."
