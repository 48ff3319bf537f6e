"""FETCH, as servers do it: what is not shown at first is asked for again, in ways that more of them understand.

1. A range that is refused is asked for in halves: one message that cannot be read takes none of its neighbours along.
2. A message that is left out, refused, or comes without any of the fields asked for, as some servers answer for all but
   one of a range, is asked for again without the limit in octets (`<0.n>`), then alone, then whole.
3. What is not shown even then is named: it may be anything.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from tasks.mail.mailboxes.imap.asking import Asking, Parts
from tasks.mail.mailboxes.imap.message_data import (
    OWN_HEADERS,
    PROBE_HEADERS,
    WHOLE,
    FetchedMessage,
    FetchedRow,
    MessagePart,
    completed,
)
from tasks.mail.model.errors import MailboxFailure
from tasks.mail.probe.octets import HEADER_END

_ROW = b"(UID FLAGS INTERNALDATE %b)"
_SIZE = b"RFC822.SIZE"
_MAX_ALONE = 20  # messages of one range that are asked for one by one, the newest
_MAX_WHOLE = 2**20 - 2**12  # octets of a message without a limit, by its size: no probe is as large
_MAX_SAID = 20_000  # messages that a server is believed to have, where it does not give the next UID
_MAX_AT_ONCE = 16 * 2**20  # octets of several


@dataclass(slots=True)
class Found:
    """The rows of a FETCH by UID, and what could not be read: UIDs, or sequence numbers as negative ones."""

    rows: dict[int, FetchedRow] = field(default_factory=dict)
    unread: set[int] = field(default_factory=set)


class Fetcher(Parts):
    """FETCH on one connection."""

    def __init__(self, session: Asking) -> None:
        super().__init__(session)
        self._partial: bool | None = None  # whether the server knows `<0.n>`
        self._uidnext: int | None = None
        self._came = 0

    def opened(self, uidnext: int | None) -> None:
        """A folder was opened, and this is the next UID in it."""
        self._uidnext, self._came = uidnext, self._session.connection.came

    async def rows(self, verb: str, numbers: Sequence[int]) -> Found:
        """The messages with these numbers, as far as they exist. Raises MailboxFailure where all are refused."""
        answers: list[FetchedMessage] = []
        if self._partial is not False:
            try:
                answers = await self._in_parts(
                    verb, numbers, _ROW % PROBE_HEADERS.item(), as_well=self._partial is True
                )
                self._partial = True
            except MailboxFailure as failure:
                self._pass_on(failure)
        else:
            self._refused = {*numbers}
        return await self._completed(verb, numbers, answers)

    async def since(self, uid: int) -> Found:
        """The messages with this UID or a higher one. Raises MailboxFailure where that is refused."""
        items = _ROW % (_SIZE if self._partial is False else PROBE_HEADERS.item())
        # n:* always includes the last message, whatever its UID.
        new = [one for one in await self.ask("UID FETCH", b"%d:*" % uid, items) if one.uid and one.uid >= uid]
        self._refused, self._partial = set(), self._partial is not False
        return await self._completed("UID FETCH", sorted(one.uid or 0 for one in new), new)

    async def octets(self, uid: int, section: MessagePart) -> bytes:
        """The first octets of a part of a message; none where it is gone. Raises MailboxFailure where it is refused."""
        refusal = None
        if self._partial is not False:
            try:
                if (found := _of(uid, await self.ask("UID FETCH", [uid], b"(UID %b)" % section.item()))).strip():
                    return found[: section.octets]
            except MailboxFailure as failure:
                self._pass_on(failure)
                refusal = failure
        known, unknown = await self._known("UID FETCH", [uid])
        found = b""
        if unknown is not None or any((one.size or 0) <= _MAX_WHOLE for one in known if one.uid == uid):
            found = _of(uid, await self.ask("UID FETCH", [uid], b"(UID %b)" % section.item(partial=False)))
        if not found and refusal is not None:
            raise refusal
        return found[: section.octets]

    async def _completed(self, verb: str, numbers: Sequence[int], answers: Iterable[FetchedMessage]) -> Found:
        readable = [one for one in answers if one.is_readable]
        found = Found({one.uid: one.row(one.octets) for one in readable if one.uid})
        if verb == "FETCH":
            there = {one.seq for one in answers if one.uid} | self._refused
            left = {*numbers} - {one.seq for one in readable}
            left = {seq for seq in left if seq in there or self._may_be(seq)}
        else:
            left = ({one.uid for one in answers if one.uid} | self._refused) & {*numbers} - found.rows.keys()
        await self._complete_cut(found)
        if left:
            await self._again(verb, sorted(left), found, several=len(numbers) > 1)
        return found

    def _may_be(self, seq: int) -> bool:
        """Whether there may be a message with this number, though it is not shown: they are no more than the UIDs."""
        return seq < (self._uidnext or _MAX_SAID) + self._session.connection.came - self._came

    async def _complete_cut(self, found: Found) -> None:
        """Ask by name for what a long field has kept out of the answer."""
        if cut := [uid for uid, row in found.rows.items() if len(row.headers) >= PROBE_HEADERS.octets]:
            answers: list[FetchedMessage] = []
            try:
                answers = await self._in_parts("UID FETCH", cut, b"(UID %b)" % OWN_HEADERS.item())
            except MailboxFailure as failure:
                self._pass_on(failure)
            own = {one.uid: one.octets for one in answers}
            for uid in cut:
                found.rows[uid] = replace(
                    found.rows[uid], headers=completed(found.rows[uid].headers, own.get(uid, b""))
                )

    async def _again(self, verb: str, numbers: Sequence[int], found: Found, several: bool) -> None:
        """Read what was not readable, as far as it can be read."""
        sign = -1 if verb == "FETCH" else 1
        answers, refusal = await self._known(verb, numbers)
        if refusal is not None and several and not (answers or found.rows):
            raise refusal
        known = {one.seq if verb == "FETCH" else one.uid: one for one in answers if one.uid is not None}
        found.unread |= {sign * number for number in self._refused}
        unshown = [number for number in numbers if number not in known and number not in self._refused]
        if verb == "FETCH" and unshown and (gone := await self._one_by_one(unshown, known)):
            found.unread |= {-number for number in gone} if await self._expunged() < len(gone) else set()
        await self._read([one for number in numbers if (one := known.get(number)) is not None], found)

    async def _known(self, verb: str, numbers: Sequence[int]) -> tuple[list[FetchedMessage], MailboxFailure | None]:
        """What is said of these messages without looking into them; the last of the refusals, where that is refused."""
        answers, refusal = list[FetchedMessage](), None
        for items in (_ROW % _SIZE, b"(UID)"):
            try:
                answers += await self._in_parts(verb, numbers, items)
            except MailboxFailure as failure:
                self._pass_on(failure)
                refusal = failure
            if not (numbers := sorted(self._refused)):
                break
        return answers, refusal

    async def _one_by_one(self, numbers: Sequence[int], known: dict[int, FetchedMessage]) -> list[int]:
        """Ask for what is left out of an answer, the newest first; returns what is not shown even then."""
        for number in sorted(numbers, reverse=True)[:_MAX_ALONE]:
            answers, _ = await self._known("FETCH", [number])
            known.update((one.seq, one) for one in answers if one.uid and one.seq == number)
        return [number for number in numbers if number not in known]

    async def _expunged(self) -> int:
        """How many messages have gone that the server had not announced as gone."""
        connection = self._session.connection
        before = connection.came - connection.exists
        await self._session.ask("search", "NOOP")
        return connection.came - connection.exists - before

    async def _read(self, known: Sequence[FetchedMessage], found: Found) -> None:
        """Without the limit in octets, all together; then one by one."""
        left = {one.uid: one for one in known if one.uid}
        small = [one for one in known if one.uid and (one.size or 0) <= _MAX_WHOLE]
        item = _ROW % PROBE_HEADERS.item(partial=False)
        for some in _at_once(small):
            try:
                answers = await self._in_parts("UID FETCH", [one.uid or 0 for one in some], item)
            except MailboxFailure as failure:
                self._pass_on(failure)
                continue
            for one in answers:
                if one.is_readable and one.uid and (there := left.pop(one.uid, None)) is not None:
                    found.rows[one.uid] = there.row(one.octets)
                    self._partial = False  # or refused for another reason: it is then asked for by two commands
        for uid, one in sorted(left.items(), reverse=True)[:_MAX_ALONE]:
            if (headers := await self._alone(one, several=len(small) > 1)) is not None:
                found.rows[uid] = one.row(headers)
                del left[uid]
        found.unread |= left.keys()

    async def _alone(self, one: FetchedMessage, several: bool) -> bytes | None:
        """The header of one message, read by itself; None where it cannot be."""
        large = (one.size or 0) > _MAX_WHOLE
        for section in (PROBE_HEADERS, WHOLE) if several or large else (WHOLE,):
            if large and self._partial is False:
                break  # how much would come is not known
            partial = large or (section is WHOLE and (one.size or 0) > WHOLE.octets and self._partial is not False)
            try:
                answers = await self.ask("UID FETCH", [one.uid or 0], b"(UID %b)" % section.item(partial))
            except MailboxFailure as failure:
                self._pass_on(failure)
                continue
            octets = _of(one.uid, answers)
            if section is WHOLE and (octets.strip() or len(octets) == one.size):  # there are empty messages
                end = HEADER_END.search(octets)
                return octets[: end.end()] if end else octets
            if any(answer.is_readable for answer in answers):
                return octets
        return b"" if large else None  # it is no probe


def _of(uid: int | None, answers: Iterable[FetchedMessage]) -> bytes:
    return next((one.octets for one in answers if one.uid == uid), b"")


def _at_once(known: Sequence[FetchedMessage]) -> Iterator[Sequence[FetchedMessage]]:
    """As many at a time as may come in one answer."""
    some: list[FetchedMessage] = []
    octets = 0
    for one in known:
        if some and octets + (one.size or 0) > _MAX_AT_ONCE:
            yield some
            some, octets = [], 0
        some.append(one)
        octets += one.size or 0
    if some:
        yield some
