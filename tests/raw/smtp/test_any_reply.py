"""Whatever octets a server says at whatever point of a dialogue, a leg ends in one of its own two ways, and tells the
truth of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import TypeVar

from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.mail.config.loop import ImapConfig, SmtpConfig
from tasks.mail.model.errors import MailboxFailure, SendFailure
from tasks.mail.model.facts import Receipt
from tasks.mail.model.moment import Moment
from tasks.mail.probe.compose import compose
from tasks.mail.search.watch import SearchRequest, watch
from tasks.mail.senders.registry import Attempts, attempt
from tests.support.raw.imap import RawImap
from tests.support.raw.smtp import RawSmtp

TIMEOUT = 0.2  # seconds; much of what is said leaves the client waiting for more
LONG = 60.0  # seconds after which a leg is taken to hang

few = settings(derandomize=True, database=None, deadline=None, max_examples=30)

Got = TypeVar("Got")
Failed = TypeVar("Failed", SendFailure, MailboxFailure)


def said(*known: bytes) -> st.SearchStrategy[bytes]:
    """Octets in which what the protocol knows is frequent."""
    return st.lists(st.sampled_from(known) | st.binary(max_size=4), min_size=1, max_size=6).map(b"".join)


SMTP = said(
    b"220 a\r\n",
    b"250 a\r\n",
    b"250-a\r\n",
    b"354 a\r\n",
    b"450 a\r\n",
    b"550 5.1.1 a\r\n",
    b"421 a\r\n",
    b"2",
    b"\r\n",
    b"\n",
)
IMAP = said(
    b"{tag} OK a\r\n",
    b"{tag} NO a\r\n",
    b"{tag} BAD a\r\n",
    b"* OK a\r\n",
    b"* BYE a\r\n",
    b"+ \r\n",
    b"* 9 EXISTS\r\n",
    b"* 1 FETCH (UID 1 ",
    b"BODY[] {9}\r\n",
    b'* LIST () "/" a\r\n',
    b"* SEARCH 1 2\r\n",
    b"* ",
    b"{tag}",
    b"\r\n",
    b"\n",
    b"(",
    b'"',
)


def run(leg: Callable[[], Coroutine[None, None, None]]) -> None:
    asyncio.run(asyncio.wait_for(leg(), LONG))


async def ending(leg: Awaitable[Got], failure: type[Failed]) -> Got | Failed:
    """How the leg ended. Any other exception is for the test to see."""
    try:
        return await leg
    except failure as error:
        return error


@few
@given(st.sampled_from(sorted(RawSmtp.phases - {"starttls", "handshake", "auth", "rset", "body"})), SMTP)
def test_an_attempt_ends_in_a_receipt_or_a_failure_of_its_own(phase: str, reply: bytes) -> None:
    """Accepted only where the reply to the message began with a 2, and never when no message was given."""

    async def leg() -> None:
        async with RawSmtp({phase: reply}) as server:
            config = SmtpConfig(
                host=server.host,
                port=server.port,
                tls="none",
                from_addr="bob@localhost.test",
                to_addr="bob@localhost.test",
                subject_prefix="[loop]",
                timeout=TIMEOUT,
            )
            ended = await ending(attempt(compose("raw", config), config, Attempts()), SendFailure)
            if isinstance(ended, SendFailure):
                assert ended.text.isprintable()
            else:
                assert len(server.messages) == 1
                assert not ended.certain or phase != "eod" or reply.startswith(b"2")

    run(leg)


@few
@given(st.sampled_from(sorted(RawImap.phases - {"starttls", "done"})), IMAP)
def test_a_search_ends_in_an_arrival_or_a_failure_of_its_own(phase: str, reply: bytes) -> None:
    """And finds nothing in an empty mailbox."""

    async def leg() -> None:
        async with RawImap({phase: reply}) as server:
            imap = ImapConfig(
                host=server.host,
                port=server.port,
                tls="none",
                username="bob",
                password_secret="x",
                retry_delay=0.1,
                timeout=TIMEOUT,
            )
            smtp = SmtpConfig(
                host="relay.test", from_addr="bob@localhost.test", to_addr="bob@localhost.test", subject_prefix="[loop]"
            )
            probe = compose("raw", smtp)
            now = Moment.now()
            sent = Receipt(probe_id=probe.id, token=probe.token, started=now, accepted=now, code=250, response="")
            ended = await ending(watch(SearchRequest(probe, sent, imap, None, TIMEOUT, TIMEOUT)), MailboxFailure)
            if isinstance(ended, MailboxFailure):
                assert str(ended).isprintable()
            else:
                assert (ended.hits, ended.bounce) == ((), None)

    run(leg)
