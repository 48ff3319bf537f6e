"""The journey of a message, as its own header and body have it, and whether its body came as it was sent."""

import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import Message
from enum import StrEnum

from tasks.mail.journey.authentication.believed import authentication, is_stated
from tasks.mail.journey.authentication.trust import Field
from tasks.mail.journey.filters.ratings import SPAMASSASSIN, filters, greylisting
from tasks.mail.journey.received.clocks import Step, own_skew, steps
from tasks.mail.journey.received.hops import hops, queue_ids
from tasks.mail.model.journey_record import FilterRecord, HopRecord, JourneyRecord, SignatureRecord
from tasks.mail.model.redaction.redactor import NOTHING, Redactor
from tasks.mail.model.safe_text import one_line
from tasks.mail.probe.compose import checksum
from tasks.mail.probe.match import POLICY, own_parts, text_of
from tasks.mail.probe.octets import bounded, has_end
from tasks.mail.probe.wrapped import Original, original

_OWN_FIELDS = ("X-Mail-Loop-Id", "X-Mail-Loop-Name")
_GRAIN = timedelta(seconds=1)
_LATEST = datetime.max.replace(tzinfo=UTC) - _GRAIN  # a stranger may date a message so that nothing can be added
_MAX_HOPS = 60  # a message may claim to have had any number

_TAG = re.compile(r"<[^<>]*>")
_WORD = re.compile(r"[^\W\d_]{3}")
_MAX_OCTETS = 2**16  # of a part that are looked through for what was added
_MAX_SHOWN_CHARS = 80  # characters of it that are shown

log = logging.getLogger(__name__)


class Body(StrEnum):
    """What became of the body."""

    INTACT = "intact"
    CHANGED = "changed"
    UNKNOWN = "unknown"  # it carries no checksum, or could not be read


@dataclass(frozen=True, slots=True)
class Parting:
    """`last` is the last server that both copies went by, and `first` and `second` the servers behind it, in order.

    Without `last` they went apart from the beginning: the message was handed in twice.
    """

    last: HopRecord | None
    first: tuple[str, ...]
    second: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Known:
    """What we know of a message ourselves, by our own clock but for `internaldate`. See clocks.steps().

    `body` is as it was sent, should that be known, and `number` the id of the probe.
    """

    sent: datetime
    detected: datetime
    accepted: datetime | None = None
    internaldate: datetime | None = None
    body: bytes | None = None
    number: str = ""


@dataclass(frozen=True, slots=True)
class Journey:
    """What a message tells of its way: the record of it, and what the verdict alone makes use of.

    `own_skew`: by how many seconds our own clock is off at least (see clocks.own_skew). `parting`: where another copy
    went another way. `greylisting`: the servers that say they greylisted it. `wrapped`: it came within a message that a
    filter or a gateway has made of it.
    """

    record: JourneyRecord
    own_skew: float = 0.0
    parting: Parting | None = None
    greylisting: frozenset[str] = frozenset()
    wrapped: bool = False


def journey(
    raw: bytes,
    known: Known | None = None,
    authserv_id: str | None = None,
    copy: bytes = b"",
    signatures: tuple[SignatureRecord, ...] = (),
    redact: Redactor = NOTHING,
) -> Journey | None:
    """Read a message, and how a `copy` of it came; None where it cannot be parsed.

    Without `known` its own dates are all there is to go by: from the earliest to the latest of them. `signatures` are
    those of DKIM that we have verified ourselves, where that is wanted. `redact` hides the passwords in what was read.
    """
    try:
        message = message_from_bytes(bounded(raw), policy=POLICY)
        fields = [(name, str(value)) for name, value in message.items()]
        inner = original(message, known.number) if known and known.number else None
        if inner is not None:  # what it says of its way begins where the wrapper's ends
            message = inner.message
            fields += [field for name, value in message.items() if (field := (name, str(value))) not in fields]
        sent = known.body if known else None
        body = _body_of(message, sent) if has_end(raw) else Body.UNKNOWN
        added = _added_line(message, sent) if sent is not None and body is Body.CHANGED else ""
        other = _hops(list(message_from_bytes(bounded(copy), policy=POLICY).items())) if copy else ()
    except Exception as error:  # the standard library's parser raises many things, RecursionError among them
        log.info("A message could not be parsed: %s", type(error).__name__)
        return None
    way = _hops(fields)
    timed = _steps(way, known)
    skew = own_skew(timed)  # by so much all servers are off that agree that it is our clock that is
    record = JourneyRecord(
        hops=tuple(replace(step, skew_seconds=step.skew_seconds + skew) for step in timed),
        authentication=authentication(fields, authserv_id) if is_stated(fields) else None,
        filters=_ratings(fields, inner),
        body=body.value,
        foreign=added,
        stripped=tuple(name for name in _OWN_FIELDS if message.get(name) is None) if known else (),
        queue_ids=queue_ids(way),
        signatures=signatures,
    )
    parted = _parting(way, other) if way and other else None
    found = redact.whole(Journey(record, skew, parted, greylisting(fields), inner is not None))
    # Cut only now: a part of a password could not be recognised.
    shortened = tuple(replace(hop, raw=hop.raw and one_line(hop.raw)) for hop in found.record.hops)
    return replace(found, record=found.record.model_copy(update={"hops": shortened}))


def _ratings(fields: Sequence[Field], inner: Original | None) -> tuple[FilterRecord, ...]:
    """What the filters thought. SpamAssassin marks what it has wrapped, where its fields were taken away, too."""
    found = filters(fields)
    says_so = inner is not None and inner.as_spam and not any(rating.spam for rating in found)
    return (*found, FilterRecord(SPAMASSASSIN, spam=True)) if says_so else found


def _hops(fields: Sequence[Field]) -> tuple[HopRecord, ...]:
    return hops([str(value) for name, value in fields if name.lower() == "received"][:_MAX_HOPS])


def _steps(way: Sequence[HopRecord], known: Known | None) -> tuple[Step, ...]:
    if known is None:
        dates = [hop.at for hop in way if hop.at is not None]
        if not dates:
            return tuple(way)
        known = Known(min(dates), min(max(dates), _LATEST) + _GRAIN)
    return steps(
        way, sent=known.sent, detected=known.detected, accepted=known.accepted, internaldate=known.internaldate
    )


def _parting(first: Sequence[HopRecord], second: Sequence[HopRecord]) -> Parting:
    """Compare the hops of two copies, oldest first: a server gives each message that it takes a name and a date."""
    common = 0
    for one, other in zip(first, second, strict=False):
        if (one.by.lower(), one.id, one.at) != (other.by.lower(), other.id, other.at):
            break
        common += 1
    return Parting(first[common - 1] if common else None, _servers(first[common:]), _servers(second[common:]))


def _servers(hops: Sequence[HopRecord]) -> tuple[str, ...]:
    return tuple(hop.by for hop in hops if hop.by)


def _body_of(message: Message, sent: bytes | None = None) -> Body:
    """Compare the body with what was sent, or else with the checksum that the message carries itself."""
    wanted = " ".join(str(message.get("X-Mail-Loop-Body", "")).split()) if sent is None else checksum(sent)
    if not wanted:
        return Body.UNKNOWN
    parts = list(own_parts(message))
    # A gateway that cannot add to a text adds a part.
    intact = len(parts) == 1 and checksum(text_of(parts[0])) == wanted
    return Body.INTACT if intact else Body.CHANGED


def _added_line(message: Message, sent: bytes) -> str:
    """The first line with a word in it that was not sent: a footer often says whose it is. Else empty."""
    own = {" ".join(line.split()) for line in sent.decode("utf-8", "replace").splitlines()}
    return next(
        (one_line(line, _MAX_SHOWN_CHARS) for line in _lines(message) if line not in own and _WORD.search(line)), ""
    )


def _lines(message: Message) -> Iterator[str]:
    """Those of the texts; of HTML without its tags."""
    for part in own_parts(message):
        if part.get_content_maintype() == "text":
            text = text_of(part)[:_MAX_OCTETS].decode("utf-8", "replace")
            text = _TAG.sub(" ", text) if part.get_content_subtype() == "html" else text
            yield from (" ".join(line.split()) for line in text.splitlines())
