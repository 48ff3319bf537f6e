"""What a mailbox can still tell once a search is over: how the copies came, or whether there is room for any."""

import asyncio
from collections.abc import Callable, Iterable
from functools import partial

from tasks.mail.journey.authentication.signatures import signatures
from tasks.mail.mailboxes.mailbox import Mailbox
from tasks.mail.model.errors import MailboxFailure
from tasks.mail.model.facts import Hit, Quota, ranked
from tasks.mail.model.journey_record import SignatureRecord
from tasks.mail.model.outcome import Leg
from tasks.mail.net.stages import report_stage
from tasks.mail.net.threads import in_own_thread

_SIGNATURES_SECONDS = 10.0  # the verdict waits for them, but not for long


async def read_copies(
    box: Mailbox, hits: Iterable[Hit], read: dict[Hit, bytes], note: Callable[[str], None]
) -> tuple[bytes, bytes]:
    """The whole of the copy that decides, and of another; empty where there is none, or it cannot be read.

    `read` holds what was read before, and takes what is read now.
    """
    two = list(ranked(hits)[:2])
    for hit in two:
        try:
            if hit not in read:
                read[hit] = await box.body(hit.ref)
        except MailboxFailure as failure:
            if not box.alive:
                raise
            note(f"How the message came is not known, for it could not be read: {failure}.")
    message, copy = [*(read.get(hit, b"") for hit in two), b"", b""][:2]
    return message, copy


async def verified(message: bytes) -> tuple[SignatureRecord, ...]:
    """The DKIM signatures of the message; none where that takes too long."""
    try:
        async with asyncio.timeout(_SIGNATURES_SECONDS):
            return await in_own_thread(partial(signatures, message))
    except TimeoutError:
        report_stage(Leg.RECEIVING, "search", "the DKIM signatures could not be verified in time")
        return ()


async def room(box: Mailbox, folder: str) -> tuple[Quota, ...]:
    """The limits of the mailbox. A server that fails at this takes nothing from what was seen before."""
    try:
        return await box.quotas(folder)
    except MailboxFailure as failure:
        report_stage(Leg.RECEIVING, failure.stage, f"{failure}; so it is not known whether the mailbox is full")
        return ()
