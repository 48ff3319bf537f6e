"""The journey of a message, as its own header and body tell it: pure."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import Message

from tasks.mail.journey.authentication.believed import Authentication, authentication
from tasks.mail.journey.authentication.trust import Field
from tasks.mail.journey.body import Body, body_of, foreign
from tasks.mail.journey.filters.greylisting import greylisting
from tasks.mail.journey.filters.ratings import Rating, filters
from tasks.mail.journey.filters.readers import SPAMASSASSIN
from tasks.mail.journey.received.clocks import Step, slowest, steps
from tasks.mail.journey.received.copies import Parting, parting
from tasks.mail.journey.received.hops import Hop, hops
from tasks.mail.model.observed import Signature
from tasks.mail.probe.match import POLICY
from tasks.mail.probe.octets import bounded, has_end
from tasks.mail.probe.wrapped import Original, original

OURS = ("X-Mail-Loop-Id", "X-Mail-Loop-Name")
GRAIN = timedelta(seconds=1)
LATEST = datetime.max.replace(tzinfo=UTC) - GRAIN  # a stranger may date a message so that nothing can be added
MOST_HOPS = 60  # a message may claim to have had any number

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
    """What a message tells of its way. `stripped` are those of our own header fields that did not arrive.

    `parting`: where another copy went another way. `greylisting`: the servers that say they greylisted it.
    `foreign`: a line of a changed body that was not sent. `signatures`: those of DKIM that we have verified ourselves,
    where that is wanted. `wrapped`: it came within a message that a filter or a gateway has made of it.
    """

    steps: tuple[Step, ...]
    authentication: Authentication
    filters: tuple[Rating, ...]
    body: Body
    stripped: tuple[str, ...]
    parting: Parting | None = None
    greylisting: frozenset[str] = frozenset()
    signatures: tuple[Signature, ...] = ()
    foreign: str = ""
    wrapped: bool = False

    @property
    def slowest(self) -> Step | None:
        """The step that took most of the time, if a single one did."""
        return slowest(self.steps)

    def before(self, step: Step) -> Step | None:
        """The step before this one."""
        place = self.steps.index(step)
        return self.steps[place - 1] if place else None


def journey(
    raw: bytes, known: Known | None = None, authserv_id: str | None = None, copy: bytes = b""
) -> Journey | None:
    """Read a message, and how a `copy` of it came; None where it cannot be parsed.

    Without `known` its own dates are all there is to go by: from the earliest to the latest of them.
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
        added = foreign(message, sent) if sent is not None and body is Body.CHANGED else ""
        other = _hops(list(message_from_bytes(bounded(copy), policy=POLICY).items())) if copy else ()
    except Exception as error:  # the standard library's parser raises many things, RecursionError among them
        log.info("A message could not be parsed: %s", type(error).__name__)
        return None
    way = _hops(fields)
    return Journey(
        steps=_steps(way, known),
        authentication=authentication(fields, authserv_id),
        filters=_ratings(fields, inner),
        body=body,
        stripped=_stripped(message) if known else (),
        parting=parting(way, other) if way and other else None,
        greylisting=greylisting(fields),
        foreign=added,
        wrapped=inner is not None,
    )


def _ratings(fields: Sequence[Field], inner: Original | None) -> tuple[Rating, ...]:
    """What the filters thought. SpamAssassin marks what it has wrapped, where its fields were taken away, too."""
    found = filters(fields)
    says_so = inner is not None and inner.as_spam and not any(rating.spam for rating in found)
    return (*found, Rating(SPAMASSASSIN, spam=True)) if says_so else found


def _hops(fields: Sequence[Field]) -> tuple[Hop, ...]:
    return hops([str(value) for name, value in fields if name.lower() == "received"][:MOST_HOPS])


def _steps(way: Sequence[Hop], known: Known | None) -> tuple[Step, ...]:
    if known is None:
        dates = [hop.at for hop in way if hop.at is not None]
        if not dates:
            return tuple(map(Step, way))
        known = Known(min(dates), min(max(dates), LATEST) + GRAIN)
    return steps(
        way, sent=known.sent, detected=known.detected, accepted=known.accepted, internaldate=known.internaldate
    )


def _stripped(message: Message) -> tuple[str, ...]:
    return tuple(name for name in OURS if message.get(name) is None)
