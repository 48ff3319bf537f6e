"""A message that was moved while it was looked for is no second copy: the folder that it came to has it no more."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import KW_ONLY, dataclass

from tasks.mail.mailboxes.folders import Place
from tasks.mail.mailboxes.imap.mailbox import Mailbox
from tasks.mail.model.facts import Hit
from tasks.mail.search.sweep import Sweeps


@dataclass
class Moves(Sweeps):
    """`moved_from`: the folder that the message came to first, where it lies in another one now."""

    _: KW_ONLY
    moved_from: str = ""

    async def compare_places(self, box: Mailbox, expected: Place, elsewhere: Sequence[Place]) -> None:
        """See whether what was found in two folders is in both of them."""
        if self.all_mail and self.all_mail.folder in {hit.folder for hit in self.hits.values()}:
            await self.look_at_selected(box, expected)
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
        self.moved_from = min(gone, key=lambda hit: hit.internaldate).folder
        self.hits = {key: hit for key, hit in self.hits.items() if hit not in gone}
        return True

    def counted(self, box: Mailbox, place: Place) -> tuple[int, int] | None:
        """How many messages the folder has, if it is the open one, and the UID up to which they were looked at."""
        seen = self.seen.get(place.folder)
        return (box.exists, seen.uidnext) if seen and box.selected == place.folder else None

    def has_shrunk(self, box: Mailbox, place: Place, before: tuple[int, int] | None) -> bool:
        """Whether there may be fewer messages in a folder, but for those that came, than when it was counted."""
        now = self.counted(box, place)
        return before is not None and now is not None and now[0] - before[0] < now[1] - before[1]

    async def _gone(self, box: Mailbox) -> list[Hit]:
        """What was found and is not there any more, as far as the server shows it for certain."""
        gone = list[Hit]()
        for folder, uidvalidity, placement in {(h.folder, h.uidvalidity, h.placement) for h in self.hits.values()}:
            with self.tolerating_unreadable(box, Place(folder, placement)):
                selected = await box.examine(folder)
                here = [hit for hit in self.hits.values() if (hit.folder, hit.uidvalidity) == (folder, uidvalidity)]
                unreadable = copy(box.unreadable)
                rows = await box.fetch_uids([hit.uid for hit in here])
                there = {row.uid for row in rows if r"\DELETED" not in row.flags}  # so do those who know no MOVE
                if (selected.uidvalidity, box.unreadable) == (uidvalidity, unreadable):
                    gone += [hit for hit in here if hit.uid not in there]
        return gone
