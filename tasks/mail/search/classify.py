"""What a message is where match_header() is not enough: by its body, or by what its header lacks.

A server may file the copy that the sender keeps itself, in a folder of any name, with the Received fields of the
submission. What was delivered has more: the fields of the servers behind it, or what the last one adds. Not all of
these add Return-Path.
"""

import re
from collections.abc import Sequence

from tasks.mail.journey.authentication.trust import is_step
from tasks.mail.journey.filters.ratings import filters
from tasks.mail.journey.received.hops import hops
from tasks.mail.model.journey_record import HopRecord
from tasks.mail.probe.compose import Probe
from tasks.mail.probe.match import HEADERS, Match, arrival, body_has_id, is_report
from tasks.mail.probe.octets import MOST_HEADER_LINES, bounded
from tasks.mail.probe.wrapped import wrapped

_ADDED_AT_DELIVERY = ("Return-Path", "Delivered-To")
_DELIVERY = re.compile(r"LMTP|mapi", re.IGNORECASE)
# With a login (RFC 3848), or as servers that keep to no list say so in words.
_LOGGED_IN = re.compile(r"(?:UTF8)?E?SMTPS?A|ASMTP", re.IGNORECASE)
_IN_WORDS = re.compile(r"\(auth: \w|\bauthenticated\b|\bauth=\w", re.IGNORECASE)
_DETAIL = re.compile(r"\+[^@]*(?=@)")
_MAX_HOPS = 60


def is_senders_copy(
    headers: bytes, probe: Probe, username: str, queue_id: str | None, *, among_sent: bool = False
) -> bool:
    """Whether a message outside of the expected folder and Junk was put there by the sender's own side.

    `username` is the login of the mailbox, `queue_id` what the relay called the message. `among_sent`: the folder shows
    sent mail as well, so that nothing less than another server's field proves a delivery.
    """
    message = HEADERS.parsebytes(headers)
    received = [str(value) for value in message.get_all("Received", [])][:_MAX_HOPS]
    if not received:
        return True
    if among_sent:
        return _are_of_submission(received, queue_id)
    if any(str(value).strip() for name in _ADDED_AT_DELIVERY for value in message.get_all(name, [])):
        return False
    return _may_be_the_senders(probe, username) and _are_of_submission(received, queue_id)


def _may_be_the_senders(probe: Probe, username: str) -> bool:
    """Whether the mailbox may be the sender's: not if it is the recipient's by its name, and that is another one."""
    sender, recipient = (_DETAIL.sub("", address).casefold() for address in (probe.from_addr, probe.to_addr))
    login = username.casefold()
    return sender == recipient or login not in (recipient, recipient.rpartition("@")[0])


def _are_of_submission(received: Sequence[str], queue_id: str | None) -> bool:
    """Whether each records the submission, or of what its server does itself with what it has taken."""
    way = [(value, hops([value])[0]) for value in received]
    taken = {hop.by.lower() for value, hop in way if _is_submission(value, hop, queue_id)}
    return all(
        not _DELIVERY.search(hop.with_)
        and hop.by.lower() in taken
        and (_is_submission(value, hop, queue_id) or is_step(value))
        for value, hop in way
    )


def _is_submission(value: str, hop: HopRecord, queue_id: str | None) -> bool:
    with_login = _LOGGED_IN.fullmatch(hop.with_.partition(" ")[0]) or _IN_WORDS.search(value)
    return with_login is not None or (bool(queue_id) and hop.id == queue_id)


def match_body(raw: bytes, probe: Probe) -> Match:
    """OWN, COPY or NO, of a message that is no report of a failure: that is asked before."""
    message = HEADERS.parsebytes(bounded(raw, MOST_HEADER_LINES))
    if is_report(message):
        return Match.NO
    kind = arrival(message, probe)
    if kind is Match.PERHAPS and body_has_id(raw, probe):
        return Match.COPY
    return wrapped(raw, probe, _is_marked(raw)) if kind in (Match.PERHAPS, Match.ENCLOSED) else kind


def is_own(raw: bytes, probe: Probe) -> bool:
    """Whether a message is the probe, by its own header or by that of the message in it, and so ours to delete."""
    message = HEADERS.parsebytes(bounded(raw, MOST_HEADER_LINES))
    if is_report(message):
        return False
    return arrival(message, probe) is Match.OWN or wrapped(raw, probe, _is_marked(raw)) is Match.OWN


def _is_marked(raw: bytes) -> bool:
    """Whether the header says that the message is spam."""
    message = HEADERS.parsebytes(bounded(raw, MOST_HEADER_LINES))
    return any(rating.spam for rating in filters([(name, str(value)) for name, value in message.items()]))


def without_own_lines(raw: bytes, probe: Probe) -> bytes:
    """A message without what the probe itself says: the name of a loop may read like a refusal."""
    own = {line.strip() for line in probe.content.partition(b"\r\n\r\n")[2].splitlines() if line.strip()}
    lines = (line for line in raw.splitlines(keepends=True) if line.strip() not in own)
    return b"".join(lines).replace(probe.subject.encode(), b"")
