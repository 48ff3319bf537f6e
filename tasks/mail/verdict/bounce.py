"""What was returned to the sender: a bounce or the notice of a delay, in words and as a record. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tasks.mail.config.loop import LoopConfig
from tasks.mail.config.secrets import secrets_of_all
from tasks.mail.model.facts import Arrival, Bounce
from tasks.mail.model.redaction import line_without
from tasks.mail.model.result import BounceRecord
from tasks.mail.verdict.phrases import unreadable


def reason(bounce: Bounce, secrets: Sequence[str]) -> str:
    """Why, in the words of the server; empty where it said nothing. A relay knows the password, and may repeat it."""
    told = bounce.status and bounce.status in bounce.diagnostic.split()[:2]  # as the reply's own enhanced code
    parts = (bounce.diagnostic,) if told else (bounce.status, bounce.diagnostic)
    return line_without(secrets, " ".join(part for part in parts if part))


def still_trying(delay: Bounce, secrets: Sequence[str]) -> str:
    """Half a sentence about a delay: who still tries, to reach whom, and why it does not work."""
    told = ": ".join(part for part in (line_without(secrets, delay.remote_mta), reason(delay, secrets)) if part)
    return f"{who_tries(delay, secrets)} says that it is still trying" + (f": {told}" if told else "")


def who_tries(delay: Bounce, secrets: Sequence[str]) -> str:
    """The server that told of a delay."""
    return line_without(secrets, delay.reporting_mta) or "the relay"


def secrets(loop: LoopConfig) -> tuple[str, ...]:
    """What no server on the way may make us say."""
    return secrets_of_all(loop.smtp, loop.imap, loop.bounce_mailbox)


def record(loop: LoopConfig, found: Arrival) -> BounceRecord | None:
    """The bounce for the result; without one, the last notice of a delay."""
    if (bounce := found.bounce or found.delay) is None:
        return None
    hidden = secrets(loop)
    return BounceRecord(
        action=bounce.action,
        status=line_without(hidden, bounce.status),
        diagnostic=line_without(hidden, bounce.diagnostic),
        recipient=line_without(hidden, bounce.recipient),
        reporting_mta=line_without(hidden, bounce.reporting_mta),
        remote_mta=line_without(hidden, bounce.remote_mta),
        mailbox=bounce.mailbox,
        folder=bounce.folder,
        arrived_at=bounce.arrived,
    )


def notes(loop: LoopConfig, found: Arrival) -> Iterator[str]:
    """What the verdict does not say of it."""
    hidden = secrets(loop)
    if found.hits and found.bounce is not None:
        why = reason(found.bounce, hidden) or "no reason given"
        yield f"A bounce came as well ({why}): the address may have more than one recipient."
    elif found.delay is not None:
        yield f"Delayed: {still_trying(found.delay, hidden).rstrip('.')}."


def unread_notes(loop: LoopConfig, found: Arrival) -> Iterator[str]:
    """Of two mailboxes the one that could not be read, though the other one decided."""
    if found.unread is not None and loop.imap is not None:
        yield f"Whether the message arrived all the same is not known: {unreadable(loop.imap, found.unread).words}"
    if found.bounces_unread is not None and loop.bounce_mailbox is not None:
        half = unreadable(loop.bounce_mailbox, found.bounces_unread).words
        yield f"{half[0].upper()}{half[1:]}"
