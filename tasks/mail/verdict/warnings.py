"""What is not as it should be with mail that was sent or arrived: it makes an ok a warning, before mail stops."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tasks.mail.config.addresses import endpoint
from tasks.mail.config.loop import CheckConfig, LoopConfig
from tasks.mail.config.mailbox import ProbeMailbox
from tasks.mail.config.secrets import login_sections
from tasks.mail.journey.authentication.believed import NONE_FOUND, drift
from tasks.mail.journey.filters.ratings import is_near
from tasks.mail.journey.journey import Body, Journey
from tasks.mail.model.cause import Cause
from tasks.mail.model.facts import Arrival, Receipt
from tasks.mail.model.journey_record import AuthenticationRecord, FilterRecord, TlsRecord
from tasks.mail.model.outcome import Outcome
from tasks.mail.model.safe_text import one_line
from tasks.mail.verdict.observe import Accepted, Arrived, Checked, Observation
from tasks.mail.verdict.phrases import changers, named_by, one_of, rated, still_trying, who_tries
from tasks.mail.verdict.remedies import YOU, Remedy, filter_of, whoever_runs

_DNS = "whoever keeps the DNS of {domain}"
_UNSIGNED = Remedy(
    "it seems to come without a signature, so see whether the relay signs mail of that sender",
    "whoever runs the signer of {domain}",
)
_REMEDIES = {
    "spf": Remedy("see whether the sender's SPF record names the servers that send its mail", _DNS),
    "dkim": Remedy(
        "see the signer and its key in the DNS, and what changes messages on the way", f"{_UNSIGNED.who}, or {_DNS}"
    ),
    "dmarc": Remedy("see the sender's DMARC record, and whether SPF or DKIM passes for the domain in From", _DNS),
    "arc": Remedy("see which server on the way breaks the chain", "whoever runs that server"),
}


@dataclass(frozen=True, slots=True)
class Concern:
    """`words`: half a sentence, with what to do; `who` must. `critical`: configured to be an error."""

    words: str
    who: str
    critical: bool = False
    cause: Cause | None = None


def find_concerns(checked: Checked, seen: Observation) -> tuple[Concern, ...]:
    """The worst first. A message that did not come as it should is warned of already, except that it is called spam."""
    loop = checked.loop
    match seen:
        case Accepted():
            ending = _ending(checked, seen.sent, None)
            if seen.delay is None:
                return tuple(ending)
            delayed = Concern(still_trying(seen.delay), whoever_runs(who_tries(seen.delay)))
            return (delayed, *ending)
        case Arrived() if loop.mailbox is not None and seen.outcome is not Outcome.JUNKED:
            marked = [_marked(loop.mailbox, seen.spam_filter)] if seen.spam_filter else []
            if seen.outcome is not Outcome.DELIVERED:
                return tuple(marked)
            listed = [*marked, *_ending(checked, seen.sent, seen.found)]
            if (journey := checked.journey) is not None:
                listed += _drifts(loop.mailbox, journey, loop.sender.from_addr.rpartition("@")[2])
                near = "which is near to junk: see what it holds against the message"
                filters = [one for one in journey.record.filters if is_near(one)]
                listed += [Concern(f"{rated(one)}, {near}", filter_of(one)) for one in filters]
            return tuple(sorted(listed, key=lambda concern: not concern.critical))
        case _:
            return ()


def _marked(mailbox: ProbeMailbox, spam_filter: FilterRecord) -> Concern:
    """The spam filter that calls the message spam. We send nothing of the kind."""
    so = "" if spam_filter.score is None else ", and so marked it as spam"
    words = f"{rated(spam_filter)}{so}: take that up with whoever runs the filter"
    return Concern(words, filter_of(spam_filter), mailbox.junked_severity == "critical", Cause.MARKED_AS_SPAM)


def _ending(checked: Checked, sent: Receipt, found: Arrival | None) -> Iterator[Concern]:
    """What is valid for a few more days only."""
    yield from _certificates(checked.loop, sent, found)
    yield from refresh_tokens(checked.loop, checked.refresh_ends, sent.started.utc)


def refresh_tokens(check: CheckConfig, ends: Mapping[str, datetime], now: datetime) -> Iterator[Concern]:
    """Those that end soon, each once: two sections may share one."""
    sections = login_sections(check)
    found: dict[str, Concern] = {}
    for name, end in ends.items():
        oauth = sections[name].oauth
        if oauth is not None and end - now < timedelta(days=oauth.token_warn_days):
            which = oauth.refresh_token_secret or f"of {name}.oauth"
            words = f"the refresh token {which} ends {_in(end, now)}: get a new one (mail-loop login)"
            found.setdefault(which, Concern(words, YOU, cause=Cause.TOKEN_EXPIRY))
    yield from found.values()


def _certificates(loop: LoopConfig, sent: Receipt, found: Arrival | None) -> Iterator[Concern]:
    now, days = sent.started.utc, loop.limits.cert_warn_days
    legs: list[tuple[str, int, TlsRecord | None]] = [(loop.sender.host, loop.sender.port, sent.tls)]
    if loop.mailbox is not None and found is not None:
        legs.append((loop.mailbox.host, loop.mailbox.port, found.tls))
    for host, port, tls in legs:
        if tls is not None and tls.not_after is not None and tls.not_after - now < timedelta(days=days):
            ends = f"the certificate of {endpoint(host, port)} expires {_in(tls.not_after, now)}"
            yield Concern(f"{ends}: renew it", whoever_runs(host), cause=Cause.CERTIFICATE_EXPIRY)


def _in(end: datetime, now: datetime) -> str:
    left = (end - now) // timedelta(days=1)
    when = "within a day" if left < 1 else "in a day" if left == 1 else f"in {left} days"
    return f"{when}, on {end.astimezone(UTC):%Y-%m-%d}"


def _drifts(mailbox: ProbeMailbox, journey: Journey, domain: str) -> Iterator[Concern]:
    expected = mailbox.expect.model_dump(exclude_none=True)
    stated = journey.record.authentication or AuthenticationRecord(one_line(mailbox.authserv_id or ""), assumed=False)
    whose = f" (as stated by {stated.authserv_id})" if stated.authserv_id else ""
    # What DMARC says decides, and its reasons come behind it.
    drifts = sorted(drift(stated, expected), key=lambda one: one.method != "dmarc")
    for one in drifts:
        if one.method == "dkim" and journey.record.body == Body.CHANGED:
            suspects = changers(journey)
            named = named_by(journey.record.foreign, suspects) or one_of(suspects)
            why, who = ", for the body was changed", whoever_runs(named)
        else:
            unsigned = one.method == "dkim" and one.found in ("none", NONE_FOUND)
            usual = _UNSIGNED if unsigned else _REMEDIES[one.method]
            why, who = f": {usual.words}", usual.who.format(domain=domain)
        yield Concern(f"{one.words}{whose}{why}", who, mailbox.drift_severity == "critical")
