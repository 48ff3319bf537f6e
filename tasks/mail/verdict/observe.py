"""The first pass of a verdict: what became of the probe. How bad that is, why, and who must act, come behind it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from tasks.mail.config.loop import LoopConfig
from tasks.mail.config.mailbox import MailboxConfig
from tasks.mail.journey.journey import Journey
from tasks.mail.model.cause import Cause
from tasks.mail.model.errors import MailboxFailure, SendFailure
from tasks.mail.model.facts import Arrival, Receipt
from tasks.mail.model.journey_record import FilterRecord
from tasks.mail.model.outcome import ErrorType, Leg, Outcome, Placement
from tasks.mail.model.result import AttemptRecord, BounceRecord
from tasks.mail.search.clocks import delivery_seconds
from tasks.mail.verdict.remedies import cause_of_refusal

# What a login was refused for, whatever the first digit of the reply says.
_REFUSED_LOGIN = frozenset(
    {Cause.WRONG_PASSWORD, Cause.LOGIN_METHOD, Cause.ACCOUNT_DISABLED, Cause.PASSWORD_EXPIRED, Cause.TOKEN_REJECTED}
)


@dataclass(frozen=True, slots=True)
class Checked:
    """What was to be checked, and what the steps returned. `found` is None where nothing was looked for.

    `errors` are the attempts that had failed before, `refresh_ends` when refresh tokens end, by section.
    """

    loop: LoopConfig
    sent: Receipt | SendFailure
    found: Arrival | MailboxFailure | None = None
    errors: Sequence[AttemptRecord] = ()
    journey: Journey | None = None
    refresh_ends: Mapping[str, datetime] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Failure:
    """Where and how a leg failed."""

    leg: Leg
    stage: str
    error_type: ErrorType
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What became of a probe. Those below say what is known of it beside the outcome."""

    outcome: Outcome
    failure: Failure | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NotSent(Observation):
    """The relay refused it, or was never given it."""

    error: SendFailure


@dataclass(frozen=True, slots=True, kw_only=True)
class InDoubt(Observation):
    """The relay took it but never confirmed it, and it was not found: see `looked_for`."""

    doubt: SendFailure
    looked_for: bool
    no_bounce: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted(Observation):
    """The relay took it; whether it arrives is not looked at. `no_bounce`: none came in time."""

    sent: Receipt
    no_bounce: bool
    delay: BounceRecord | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadMailbox(Observation):
    """Taken, but the mailbox could not be read."""

    sent: Receipt
    mailbox: MailboxConfig
    error: MailboxFailure


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived(Observation):
    """At least one copy was found. `spam_filter`: the one that calls it spam."""

    sent: Receipt
    found: Arrival
    seconds: float
    spam_filter: FilterRecord | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounced(Observation):
    """A server gave it up."""

    bounce: BounceRecord

    @property
    def by(self) -> str:
        """The server that refused it."""
        return self.bounce.remote_mta or self.bounce.reporting_mta or "a mail server"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost(Observation):
    """Taken, and not found in time."""

    sent: Receipt
    found: Arrival


def observe(checked: Checked) -> Observation:
    """What became of the probe."""
    loop, sent, found = checked.loop, checked.sent, checked.found
    if isinstance(sent, SendFailure):
        failure = Failure(Leg.SENDING, sent.stage, sent.error_type, sent.text)
        return NotSent(outcome=_refusal(loop, sent), failure=failure, error=sent)
    mailbox = loop.mailbox or loop.bounce_mailbox
    if found is None or mailbox is None:
        return _not_looked_for(sent, None)
    if isinstance(found, MailboxFailure):
        failure = Failure(Leg.RECEIVING, found.stage, found.error_type, found.text)
        return UnreadMailbox(outcome=Outcome.UNVERIFIED, failure=failure, sent=sent, mailbox=mailbox, error=found)
    if found.hits and loop.mailbox is not None:
        return _arrived(checked, sent, found)
    if found.bounce is not None:
        why = found.bounce.reason or "no reason given"
        failure = Failure(Leg.RECEIVING, "search", ErrorType.BOUNCED, why)
        return Bounced(outcome=Outcome.BOUNCED, failure=failure, bounce=found.bounce)
    if loop.mailbox is None:
        return _not_looked_for(sent, found)
    if sent.doubt is not None:
        return _in_doubt(sent.doubt, looked_for=True)
    where = f"the mailbox of {loop.mailbox.username} at {loop.mailbox.host}"
    text = f"not found in {where} within {loop.limits.max_wait:g} s"
    failure = Failure(Leg.RECEIVING, "search", ErrorType.NO_MESSAGE, text)
    return Lost(outcome=Outcome.LOST, failure=failure, sent=sent, found=found)


def _refusal(loop: LoopConfig, error: SendFailure) -> Outcome:
    """A login that was refused for what it is was rejected, whatever the first digit says."""
    code = error.code or 0
    if error.error_type is ErrorType.AUTH:
        put_off = 400 <= code < 500 and cause_of_refusal(loop.sender, error) not in _REFUSED_LOGIN
        return Outcome.DEFERRED if put_off else Outcome.REJECTED
    if error.error_type is ErrorType.TEMPORARY:
        return Outcome.DEFERRED
    return Outcome.REJECTED if code >= 500 else Outcome.UNSENT


def _in_doubt(doubt: SendFailure, *, looked_for: bool, no_bounce: bool = False) -> InDoubt:
    failure = Failure(Leg.SENDING, doubt.stage, doubt.error_type, doubt.text)
    return InDoubt(outcome=Outcome.UNSENT, failure=failure, doubt=doubt, looked_for=looked_for, no_bounce=no_bounce)


def _not_looked_for(sent: Receipt, found: Arrival | None) -> Observation:
    """Without the recipient's mailbox; `found` is what there was in the mailbox for bounces, if that was looked at."""
    if sent.doubt is not None:
        return _in_doubt(sent.doubt, looked_for=False, no_bounce=found is not None)
    delay = found.delay if found is not None else None
    return Accepted(outcome=Outcome.DELIVERED, sent=sent, no_bounce=found is not None, delay=delay)


def _arrived(checked: Checked, sent: Receipt, found: Arrival) -> Arrived:
    """The place counts for more than the copies, and these for more than the time."""
    seconds, limit = delivery_seconds(sent, found), checked.loop.limits.warn_after
    if found.first.placement is Placement.JUNK:
        outcome = Outcome.JUNKED
    elif found.first.placement is Placement.OTHER:
        outcome = Outcome.MISPLACED
    elif len(found.hits) > 1:
        outcome = Outcome.DUPLICATED
    elif limit is not None and seconds > limit:
        outcome = Outcome.LATE
    else:
        outcome = Outcome.DELIVERED
    filters = checked.journey.record.filters if checked.journey else ()
    # Of several that call it spam the one that says most of it.
    marks = [rating for rating in filters if rating.spam]
    says_most = max(marks, key=lambda rating: (rating.score is not None, len(rating.reasons)), default=None)
    return Arrived(outcome=outcome, sent=sent, found=found, seconds=seconds, spam_filter=says_most)
