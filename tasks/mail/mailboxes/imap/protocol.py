"""What a mailbox asks through."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from tasks.mail.mailboxes.imap.connection import ImapConnection
from tasks.mail.mailboxes.imap.framing import Reply
from tasks.mail.model.journey_record import TlsRecord

if TYPE_CHECKING:
    from tasks.mail.config.mailbox import ProbeMailbox


class Asking(Protocol):
    """What a Mailbox needs of a session, its own or a share of one."""

    @property
    def config(self) -> ProbeMailbox: ...

    @property
    def tls(self) -> TlsRecord | None: ...

    @property
    def capabilities(self) -> frozenset[str]: ...

    @property
    def connection(self) -> ImapConnection: ...

    @property
    def stages(self) -> dict[str, float]: ...

    @property
    def rev2(self) -> bool: ...

    async def ask(
        self,
        stage: str,
        verb: str,
        *arguments: bytes,
        answers: Sequence[bytes] = (),
        about: str = "",
        permanent: bool = False,
    ) -> Reply: ...

    async def idle(self, seconds: float) -> bool: ...

    async def close(self) -> None: ...
