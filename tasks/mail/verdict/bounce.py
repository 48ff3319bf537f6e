"""What was returned to the sender: a bounce or the notice of a delay, in words."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tasks.mail.config.loop import LoopConfig
from tasks.mail.model.facts import Arrival
from tasks.mail.model.result import BounceRecord
from tasks.mail.model.safe_text import one_line
from tasks.mail.verdict.phrases import unreadable

CODES = re.compile(r"\d(?:\.\d{1,3}){2}")


def reason(bounce: BounceRecord) -> str:
    """Why, in the words of the server; empty where it said nothing."""
    told = bounce.status in CODES.findall(bounce.diagnostic)
    parts = (bounce.diagnostic,) if told else (bounce.status, bounce.diagnostic)
    return one_line(" ".join(part for part in parts if part))


def still_trying(delay: BounceRecord) -> str:
    """Half a sentence about a delay: who still tries, to reach whom, and why it does not work."""
    told = ": ".join(part for part in (one_line(delay.remote_mta), reason(delay)) if part)
    return f"{who_tries(delay)} says that it is still trying" + (f": {told}" if told else "")


def who_tries(delay: BounceRecord) -> str:
    """The server that told of a delay."""
    return one_line(delay.reporting_mta) or "the relay"


def notes(found: Arrival) -> Iterator[str]:
    """What the verdict does not say of it."""
    if found.hits and found.bounce is not None:
        why = reason(found.bounce) or "no reason given"
        yield f"A bounce came as well ({why}): the address may have more than one recipient."
    elif found.delay is not None:
        yield f"Delayed: {still_trying(found.delay).rstrip('.')}."


def unread_notes(loop: LoopConfig, found: Arrival) -> Iterator[str]:
    """Of two mailboxes the one that could not be read, though the other one decided."""
    if found.unread is not None and loop.imap is not None:
        yield f"Whether the message arrived all the same is not known: {unreadable(loop.imap, found.unread).words}"
    if found.bounces_unread is not None and loop.bounce_mailbox is not None:
        half = unreadable(loop.bounce_mailbox, found.bounces_unread).words
        yield f"{half[0].upper()}{half[1:]}"
