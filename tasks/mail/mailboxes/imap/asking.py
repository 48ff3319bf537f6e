"""What a mailbox asks through, and FETCH in halves where a range is refused: one bad message hides no neighbour."""

from collections.abc import Sequence
from typing import Protocol

from tasks.mail.config.mailbox import ProbeMailbox
from tasks.mail.mailboxes.imap.connection import ImapConnection
from tasks.mail.mailboxes.imap.encoding import uid_set
from tasks.mail.mailboxes.imap.framing import Reply
from tasks.mail.mailboxes.imap.message_data import FetchedMessage, fetched_messages
from tasks.mail.model.errors import MailboxFailure
from tasks.mail.model.journey_record import TlsRecord
from tasks.mail.model.outcome import ErrorType

_MAX_REFUSED = 40  # parts of one range; then the rest counts as refused
_GONE = "EXPUNGEISSUED"  # RFC 5530: there is no such message any more
_BUSY = frozenset({"THROTTLED", "LIMIT"})  # who says so wants to be asked less, not more


class Asking(Protocol):
    """What a Mailbox needs of a session, its own or a share of one."""

    config: ProbeMailbox
    connection: ImapConnection
    tls: TlsRecord | None
    capabilities: frozenset[str]  # once it is logged in
    stages: dict[str, float]  # seconds so far; waiting in IDLE is in none of them

    async def ask(self, stage: str, verb: str, *args: bytes, about: str = "", permanent: bool = False) -> Reply: ...

    async def idle(self, seconds: float) -> bool: ...

    async def close(self) -> None: ...


class Parts:
    """What is asked on one connection. `_refused`: the numbers of the last question that were refused even alone."""

    def __init__(self, session: Asking) -> None:
        self._session = session
        self._refused: set[int] = set()
        self._refusals = 0

    async def ask(self, verb: str, numbers: bytes | Sequence[int], items: bytes) -> list[FetchedMessage]:
        """One FETCH, as it is answered."""
        if isinstance(numbers, range):
            numbers = b"%d:%d" % (numbers[0], numbers[-1])
        wanted = numbers if isinstance(numbers, bytes) else uid_set(numbers)
        reply = await self._session.ask("search", verb, wanted, items)
        return fetched_messages(reply.responses)

    async def _in_parts(
        self, verb: str, numbers: Sequence[int], items: bytes, *, as_well: bool = True
    ) -> list[FetchedMessage]:
        """One FETCH, in halves where it is refused and `as_well` is set; raises MailboxFailure where all is."""
        self._refused, self._refusals = set(), 0
        return await self._halved(verb, numbers, items, as_well)

    async def _halved(self, verb: str, numbers: Sequence[int], items: bytes, as_well: bool) -> list[FetchedMessage]:
        try:
            return await self.ask(verb, numbers, items)
        except MailboxFailure as failure:
            self._pass_on(failure)
            self._refusals += 1
            alone = len(numbers) == 1
            if alone or not as_well or self._refusals > _MAX_REFUSED:
                self._refused.update(() if alone and failure.code == _GONE else numbers)
                raise
            refusal = failure
        found: list[FetchedMessage] = []
        refused, middle = 0, len(numbers) // 2
        for half in (numbers[middle:], numbers[:middle]):
            try:
                found += await self._halved(verb, half, items, as_well)
            except MailboxFailure as failure:
                self._pass_on(failure)
                refused += 1
        if refused == 2:
            raise refusal
        return found

    def _pass_on(self, failure: MailboxFailure) -> None:
        """Raise what is more than the refusal of this one question."""
        lasts = failure.permanent or failure.code in _BUSY or not self._session.connection.alive
        if failure.error_type is not ErrorType.MAILBOX or lasts:
            raise failure
