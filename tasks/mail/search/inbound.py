"""The receiving half alone: is there a fresh message whose subject carries a text?"""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from email.message import Message

from tasks.mail.config.loop import InboundConfig
from tasks.mail.config.mailbox import ProbeMailbox
from tasks.mail.config.secrets import redactor
from tasks.mail.mailboxes.mailbox import Mailbox
from tasks.mail.mailboxes.registry import open_mailbox
from tasks.mail.model.errors import MailboxFailure, as_mailbox_failure
from tasks.mail.model.header import Header, Ref
from tasks.mail.model.moment import Moment, Tried
from tasks.mail.model.outcome import ErrorType
from tasks.mail.probe.match import HEADERS, comes_as_bounce, decoded, is_answer
from tasks.mail.search.findings import CLOCK_MARGIN, describe_unreadable
from tasks.mail.search.pace import Tries

# What mail programs put in front of the subject that they answer or forward, in the commonest languages.
_ANSWERED = re.compile(r"(?:^|[\s\]:])(?:re|aw|antw|sv|fwd?|wg|tr|rv)\s*(?:\[\d+\])?\s*:", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Recent:
    """The fresh messages that were found, newest first; never none."""

    headers: tuple[Header, ...]
    begun: Moment
    detected: Moment
    stages: Mapping[str, float]
    tried: Tried
    notes: tuple[str, ...] = ()


async def find_recent(inbound: InboundConfig, tries: Tries) -> Recent:
    """Look once more. Raises MailboxFailure and nothing else, with error type no_recent_message where there is none."""
    tries.begin()
    try:
        with as_mailbox_failure(redactor(inbound.mailbox)):
            return await _look(inbound, tries)
    except MailboxFailure as failure:
        # A retry is for what has yet to come: an endpoint that is out of order would only be asked more by it.
        failure.permanent = failure.permanent or failure.stage == "token"
        tries.failed(failure)
        raise


async def _look(inbound: InboundConfig, tries: Tries) -> Recent:
    mailbox, begun = inbound.mailbox, Moment.now()
    oldest, latest = begun.utc - timedelta(minutes=mailbox.max_age_minutes), begun.utc + CLOCK_MARGIN
    box = await _opened(mailbox, begun.monotonic + 2 * mailbox.timeout)
    try:
        matching: dict[Ref, Header] = {}
        async for headers in box.walk_back(mailbox.folder):
            fresh = [header for header in headers if header.arrived_at >= oldest]
            matching |= {header.ref: header for header in fresh if carries(header, mailbox.search_subject or "")}
            if not fresh:
                break
        found = [header for header in matching.values() if header.arrived_at <= latest]
        if not found and box.unreadable:
            raise MailboxFailure(ErrorType.MAILBOX, "search", describe_unreadable(box.unreadable))
        if not found:
            age = f"{mailbox.max_age_minutes:g} minutes"
            text = (
                f"no message with {mailbox.search_subject!r} in its subject, not older than {age}, in {mailbox.folder}"
            )
            if matching:
                text += f" ({len(matching)} with a date in the future)"
            raise MailboxFailure(ErrorType.NO_MESSAGE, "search", text)
        detected, tried = Moment.now(), tries.so_far()
        notes = await _delete_own(box, inbound, found)
    except MailboxFailure as failure:
        failure.stages = dict(box.stages)
        raise
    finally:
        await box.close()
    newest = sorted(found, key=lambda header: (header.arrived_at, header.ref), reverse=True)
    return Recent(tuple(newest), begun, detected, dict(box.stages), tried, notes)


async def _opened(mailbox: ProbeMailbox, until: float) -> Mailbox:
    """The mailbox; a login that the server put off is tried once more, and then it is final."""
    try:
        return await open_mailbox(mailbox, until)
    except MailboxFailure as failure:
        if not failure.put_off:
            raise
    await asyncio.sleep(mailbox.retry_delay)
    try:
        return await open_mailbox(mailbox, until + mailbox.retry_delay)
    except MailboxFailure as failure:
        failure.permanent = failure.permanent or failure.put_off
        raise


def carries(header: Header, text: str) -> bool:
    """Whether a message counts: the text in its subject, not deleted, and neither an answer, a forward nor a bounce."""
    message = HEADERS.parsebytes(header.raw)
    if header.is_deleted or comes_as_bounce(message) or is_answer(message) or _is_automatic(message):
        return False
    subject, wanted = decoded(message.get("Subject")).casefold(), text.casefold()
    return wanted in subject and _ANSWERED.search(subject[: subject.index(wanted)]) is None


def _is_automatic(message: Message) -> bool:
    """Whether a program answered by itself (RFC 3834); what monitors send may well be marked as auto-generated."""
    marks = (str(value).partition(";")[0].strip().lower() for value in message.get_all("Auto-Submitted", []))
    return not {"no", "auto-generated"}.issuperset(marks)


def _is_own(header: Header, name: str) -> bool:
    """Whether one of our loops of this name sent it: nothing else is ours to delete."""
    message = HEADERS.parsebytes(header.raw)
    return bool(decoded(message.get("X-Mail-Loop-Id"))) and decoded(message.get("X-Mail-Loop-Name")) == name


async def _delete_own(box: Mailbox, inbound: InboundConfig, found: list[Header]) -> tuple[str, ...]:
    own = [header.ref for header in found if _is_own(header, inbound.name)]
    if not inbound.mailbox.delete_after_check or not own:
        return ()
    try:
        await box.delete(own, lambda header: _is_own(header, inbound.name))
    except MailboxFailure as failure:
        return (f"The message was found, but could not be deleted: {failure}.",)
    return ()
