"""From a journey, and from what both legs agreed on with their servers, to the records of a result: pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime

from tasks.mail.journey.filters.ratings import Rating, raised
from tasks.mail.journey.journey import Journey
from tasks.mail.journey.received.clocks import Step, own_skew
from tasks.mail.journey.received.hops import queue_ids
from tasks.mail.model.journey_record import (
    AuthenticationRecord,
    FilterRecord,
    HopRecord,
    JourneyRecord,
    MethodRecord,
    SignatureRecord,
    TlsRecord,
)
from tasks.mail.model.observed import TlsSession
from tasks.mail.model.safe_text import one_line


def journey_record(journey: Journey) -> JourneyRecord:
    found = journey.authentication
    against = -own_skew(journey.steps)  # by so much all servers are off that agree that it is our clock that is
    methods = tuple(
        MethodRecord(method=m.method, result=m.result, reason=m.reason, properties=dict(m.properties))
        for m in found.methods
    )
    return JourneyRecord(
        hops=tuple(_hop(step, step.skew - against) for step in journey.steps),
        authentication=AuthenticationRecord(
            authserv_id=found.authserv_id, assumed=found.assumed, methods=methods, ignored=found.ignored
        )
        if found.believed or found.ignored
        else None,
        filters=tuple(map(_filter, journey.filters)),
        body=journey.body.value,
        foreign=journey.foreign,
        stripped=journey.stripped,
        queue_ids=queue_ids([step.hop for step in journey.steps]),
        signatures=tuple(SignatureRecord(**asdict(signature)) for signature in journey.signatures),
    )


def tls_records(legs: Mapping[str, TlsSession | None], now: datetime) -> dict[str, TlsRecord]:
    """By leg, for those that were encrypted."""
    return {leg: _tls(session, now) for leg, session in legs.items() if session is not None}


def _tls(session: TlsSession, now: datetime) -> TlsRecord:
    left = None if session.not_after is None else (session.not_after - now).days
    return TlsRecord(
        protocol=session.protocol,
        cipher=session.cipher,
        issuer=session.issuer,
        not_after=session.not_after,
        days_left=left,
    )


def _hop(step: Step, skew: float) -> HopRecord:
    hop = step.hop
    return HopRecord(
        from_=hop.from_,
        by=hop.by,
        with_=hop.with_,
        id=hop.id,
        for_=hop.for_,
        peer=hop.peer,
        tls=hop.tls,
        at=None if hop.at is None else hop.at.astimezone(UTC),
        delay_seconds=step.delay,
        margin_seconds=step.margin,
        skew_seconds=skew,
        apart_seconds=step.apart,
        against=step.against,
        slow=step.slow,
        raw=None if hop.parsed else one_line(hop.raw),
    )


def _filter(rating: Rating) -> FilterRecord:
    return FilterRecord(
        filter=rating.filter,
        server=rating.server,
        score=rating.score,
        threshold=rating.threshold,
        spam=rating.spam,
        action=rating.action,
        reasons={reason.name: reason.score for reason in raised(rating)},
        certain=rating.certain,
    )
