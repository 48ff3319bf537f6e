"""What is not as it should be with mail that gets through: it makes an ok a warning, before mail stops. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from tasks.mail.config.addresses import endpoint
from tasks.mail.config.loop import ImapConfig, LoopConfig
from tasks.mail.journey.authentication.believed import NONE_FOUND, Drift, drift
from tasks.mail.journey.body import Body
from tasks.mail.journey.filters.ratings import is_near, junks_at
from tasks.mail.journey.filters.readers import ANY
from tasks.mail.journey.journey import Journey
from tasks.mail.model.cause import Cause
from tasks.mail.model.facts import Arrival, Receipt
from tasks.mail.model.journey_record import AuthenticationRecord, FilterRecord, TlsRecord
from tasks.mail.model.outcome import Status
from tasks.mail.model.safe_text import one_line
from tasks.mail.verdict.journey import changers, named_by, one_of
from tasks.mail.verdict.phrases import Verdict
from tasks.mail.verdict.remedies import Remedy, whoever_runs

DNS = "whoever keeps the DNS of {domain}"
UNSIGNED = Remedy(
    "it seems to come without a signature, so see whether the relay signs mail of that sender",
    "whoever runs the signer of {domain}",
)
REMEDIES = {
    "spf": Remedy("see whether the sender's SPF record names the servers that send its mail", DNS),
    "dkim": Remedy(
        "see the signer and its key in the DNS, and what changes messages on the way", f"{UNSIGNED.who}, or {DNS}"
    ),
    "dmarc": Remedy("see the sender's DMARC record, and whether SPF or DKIM passes for the domain in From", DNS),
    "arc": Remedy("see which server on the way breaks the chain", "whoever runs that server"),
}


@dataclass(frozen=True, slots=True)
class Concern:
    """`words`: half a sentence, with what to do; `who` must. `critical`: configured to be an error."""

    words: str
    who: str
    critical: bool = False
    cause: Cause | None = None


def concerns(loop: LoopConfig, sent: Receipt, found: Arrival | None, journey: Journey | None) -> tuple[Concern, ...]:
    """The worst first."""
    mark = marked(loop.imap, journey) if loop.imap is not None else None
    listed = [*([mark] if mark else []), *_certificates(loop, sent, found)]
    if loop.imap is not None and journey is not None:
        listed += [*_drifts(loop.imap, journey, loop.smtp.from_addr.rpartition("@")[2]), *_ratings(journey)]
    return tuple(sorted(listed, key=lambda concern: not concern.critical))


def tempered(verdict: Verdict, listed: Sequence[Concern]) -> Verdict:
    """A verdict that all is well, with what is not."""
    if not listed:
        return verdict
    first, *others = listed
    more = f" (and {len(others)} more, in the notes)" if others else ""
    return replace(
        verdict,
        status=Status.ERROR if first.critical else Status.WARNING,
        sentence=f"{verdict.sentence.removesuffix('.')}, but {first.words}{more}.",
        notes=tuple(f"{other.words[0].upper()}{other.words[1:]}." for other in others),
        who_acts="; ".join(dict.fromkeys(concern.who for concern in listed)),
        cause=first.cause,
    )


def _certificates(loop: LoopConfig, sent: Receipt, found: Arrival | None) -> Iterator[Concern]:
    now, days = sent.started.utc, loop.limits.cert_warn_days
    legs: list[tuple[str, int, TlsRecord | None]] = [(loop.smtp.host, loop.smtp.port, sent.tls)]
    if loop.imap is not None and found is not None:
        legs.append((loop.imap.host, loop.imap.port, found.tls))
    for host, port, tls in legs:
        if tls is not None and tls.not_after is not None and tls.not_after - now < timedelta(days=days):
            ends = f"the certificate of {endpoint(host, port)} expires {_in(tls.not_after, now)}"
            yield Concern(f"{ends}: renew it", whoever_runs(host), cause=Cause.CERTIFICATE_EXPIRY)


def _in(end: datetime, now: datetime) -> str:
    left = (end - now) // timedelta(days=1)
    when = "within a day" if left < 1 else "in a day" if left == 1 else f"in {left} days"
    return f"{when}, on {end.astimezone(UTC):%Y-%m-%d}"


def _drifts(imap: ImapConfig, journey: Journey, domain: str) -> Iterator[Concern]:
    expected = imap.expect.model_dump(exclude_none=True)
    stated = journey.record.authentication or AuthenticationRecord(one_line(imap.authserv_id or ""), assumed=False)
    whose = f" (as stated by {stated.authserv_id})" if stated.authserv_id else ""
    # What DMARC says decides, and its reasons come behind it.
    drifts = sorted(drift(stated, expected), key=lambda one: one.method != "dmarc")
    for one in drifts:
        explained = one.method == "dkim" and journey.record.body == Body.CHANGED
        suspects = changers(journey)
        named = named_by(journey.record.foreign, suspects) or one_of(suspects)
        remedy = Remedy(", for the body was changed", whoever_runs(named))
        if not explained:
            told = _remedy(one)
            remedy = Remedy(f": {told.words}", told.who.format(domain=domain))
        yield Concern(f"{one.words}{whose}{remedy.words}", remedy.who, imap.drift_severity == "critical")


def _remedy(one: Drift) -> Remedy:
    return UNSIGNED if one.method == "dkim" and one.found in ("none", NONE_FOUND) else REMEDIES[one.method]


def _ratings(journey: Journey) -> Iterator[Concern]:
    for rating in journey.record.filters:
        if is_near(rating):
            words = f"{rated(rating)}, which is near to junk: see what it holds against the message"
            yield Concern(words, filter_of(rating))


def marked(imap: ImapConfig, journey: Journey | None) -> Concern | None:
    """The spam filter that calls the message spam, the one that says most of it. We send nothing of the kind."""
    found = [rating for rating in journey.record.filters if rating.spam] if journey else []
    if not found:
        return None
    one = max(found, key=lambda rating: (rating.score is not None, len(rating.reasons)))
    words = f"{rated(one)}{'' if one.score is None else ', and so marked it as spam'}"
    return Concern(
        f"{words}: take that up with whoever runs the filter",
        filter_of(one),
        imap.junked_severity == "critical",
        Cause.MARKED_AS_SPAM,
    )


def rated(rating: FilterRecord) -> str:
    """What a spam filter thought, and where as far as that is certain, in half a sentence."""
    at = f" at {rating.server}" if rating.server else ""
    limit = junks_at(rating)
    if rating.score is None:
        did = " marked it as spam" if rating.spam else " rated it"
    elif limit is None or (rating.spam and rating.score < limit):  # then it is not the limit that it goes by
        did = f" scored it {rating.score:g}"
    else:
        did = f" scored it {rating.score:g} of {limit:g}"
    action = f" ({rating.action})" if rating.action else ""
    named = [name + ("" if score is None else f" {score:g}") for name, score in rating.reasons.items()]
    return f"{rating.filter}{at}{did}{action}" + (f", for {', '.join(named[:3])}" if named else "")


def filter_of(rating: FilterRecord) -> str:
    """Who must act on a rating."""
    name = "the spam filter" if rating.filter == ANY else rating.filter
    return f"whoever runs {name}" + (f" at {rating.server}" if rating.server else "")
