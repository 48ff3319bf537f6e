"""Notices that our probe bounced or is delayed: which of the messages that come as bounces are about it."""

import logging
from email import message_from_bytes
from email.message import Message
from email.utils import getaddresses
from functools import lru_cache

from tasks.mail.model.result import BounceRecord
from tasks.mail.probe.bounces.parts import Notice, read_notice
from tasks.mail.probe.bounces.recognise import is_autoresponse, recognise
from tasks.mail.probe.compose import Probe
from tasks.mail.probe.match import HEADERS, POLICY, comes_as_bounce, has_ids, is_autoreply, may_be_from
from tasks.mail.probe.octets import MOST_HEADER_LINES, bounded, mentions

# The standard library takes time quadratic in a list of addresses; a bounce comes to one, and passes few servers.
_MAX_LINES, _MAX_LINE_CHARS = 4, 1000
_ADDRESSED = ("To", "Delivered-To", "X-Original-To", "Envelope-To")  # whom it came to, the last three by its server

log = logging.getLogger(__name__)


def concerns(raw: bytes, probe: Probe, fresh: bool = True) -> bool:
    """Whether the octets of a message have a word of `probe`: without one it is no notice, and is not parsed.

    `fresh`: it came after the probe was sent; else the address that it came to, six digits of the id, is not enough to
    make it the probe's.
    """
    if mentions(raw, probe.id):
        return True
    if not (fresh and probe.verp and probe.token.encode() in raw.lower()):
        return False
    return _came_to(HEADERS.parsebytes(bounded(raw, MOST_HEADER_LINES)), probe)


def notice_of(raw: bytes, probe: Probe, fresh: bool = True) -> BounceRecord | None:
    """The bounce of `probe`, or else the notice that it is delayed, in a message that concerns it."""
    try:
        message = _parsed(raw)
        if not comes_as_bounce(message):
            return None
        notice = read_notice(message)
        return recognise(notice) if is_about(notice, probe, fresh) else None
    except Exception as error:  # the standard library's parser raises many things, RecursionError among them
        log.info("A delivery report could not be parsed: %s", type(error).__name__)
        return None


@lru_cache(maxsize=4)
def _parsed(raw: bytes) -> Message:
    """A notice is read by all who wait in the mailbox that it comes to."""
    return message_from_bytes(bounded(raw), policy=POLICY)


def is_about(notice: Notice, probe: Probe, fresh: bool = True) -> bool:
    """Whether it is the probe that it reports on: by what it returns, or else by what it names, or where it came to.

    What names or addresses the probe without returning a word of it may be an autoresponder's, unless it says
    otherwise.
    """
    # One that has the probe's own ids on top is about it as well: Domino gives its notices that Message-ID.
    if any(has_ids(message, probe) for message in (notice.message, *notice.originals)):
        return True
    if any(_is_another(original, probe) for original in notice.originals):
        return False
    if notice.named == {probe.message_id.strip("<>")} and (notice.has_status or not is_autoresponse(notice.message)):
        return True
    return fresh and _came_to(notice.message, probe) and (notice.has_status or not is_autoreply(notice.message))


def _came_to(report: Message, probe: Probe) -> bool:
    """Whether it came to the address that this probe alone was sent from."""
    if not probe.verp:
        return False
    values = [str(value)[:_MAX_LINE_CHARS] for name in _ADDRESSED for value in report.get_all(name, [])[:_MAX_LINES]]
    readable = [value.encode("utf-8", "surrogateescape").decode("utf-8", "replace") for value in values]
    addresses = getaddresses([" ".join(value.split()) for value in readable])
    return any(address.casefold() == probe.envelope_from.casefold() for _, address in addresses)


def _is_another(original: Message, probe: Probe) -> bool:
    """Whether what was returned without the ids of the probe has those of another message, or another sender."""
    return any(name in original for name in ("X-Mail-Loop-Id", "Message-ID")) or not may_be_from(original, probe)
