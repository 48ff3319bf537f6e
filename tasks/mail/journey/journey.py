"""The journey of a message, as its own header and body tell it."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes

from tasks.mail.journey.authentication.believed import authentication, is_stated
from tasks.mail.journey.authentication.trust import Field
from tasks.mail.journey.body import Body, added_line, body_of
from tasks.mail.journey.filters.ratings import filters, greylisting
from tasks.mail.journey.filters.readers import SPAMASSASSIN
from tasks.mail.journey.received.clocks import Step, own_skew, steps
from tasks.mail.journey.received.hops import Parting, hops, parting, queue_ids
from tasks.mail.model.journey_record import FilterRecord, HopRecord, JourneyRecord, SignatureRecord
from tasks.mail.model.redaction.redactor import NOTHING, Redactor
from tasks.mail.model.safe_text import one_line
from tasks.mail.probe.match import POLICY
from tasks.mail.probe.octets import bounded, has_end
from tasks.mail.probe.wrapped import Original, original

_OWN_FIELDS = ("X-Mail-Loop-Id", "X-Mail-Loop-Name")
_GRAIN = timedelta(seconds=1)
_LATEST = datetime.max.replace(tzinfo=UTC) - _GRAIN  # a stranger may date a message so that nothing can be added
_MAX_HOPS = 60  # a message may claim to have had any number

log = logging.getLogger(__name__)


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
        body = body_of(message, sent) if has_end(raw) else Body.UNKNOWN
        added = added_line(message, sent) if sent is not None and body is Body.CHANGED else ""
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
    parted = parting(way, other) if way and other else None
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
