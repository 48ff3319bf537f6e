"""A verdict in its passes: what became of the probe, how bad that is, why and who must act, and in which words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from tasks.mail.config.loop import LoopConfig
from tasks.mail.config.mailbox import ProbeMailbox, Severity
from tasks.mail.journey.journey import Journey
from tasks.mail.model.cause import Cause
from tasks.mail.model.errors import MailboxFailure, SendFailure
from tasks.mail.model.facts import Arrival, Receipt
from tasks.mail.model.outcome import Outcome, Status
from tasks.mail.model.result import AttemptRecord
from tasks.mail.verdict.explain import find_cause_and_remedy
from tasks.mail.verdict.observe import Checked, Failure, Observation, observe
from tasks.mail.verdict.phrases import as_sentence
from tasks.mail.verdict.remedies import Remedy
from tasks.mail.verdict.warnings import Concern, find_concerns
from tasks.mail.verdict.words import gateway_changes, phrase

# How bad an outcome is: a status, or the field of the mailbox that says so.
_GRADES: Mapping[Outcome, Status | str] = {
    Outcome.DELIVERED: Status.OK,
    Outcome.LATE: Status.WARNING,
    Outcome.DUPLICATED: Status.WARNING,
    Outcome.JUNKED: "junked_severity",
    Outcome.MISPLACED: "misplaced_severity",
    Outcome.LOST: "no_recent_message_severity",
    **dict.fromkeys((Outcome.BOUNCED, Outcome.REJECTED, Outcome.DEFERRED), Status.ERROR),
    **dict.fromkeys((Outcome.UNSENT, Outcome.UNVERIFIED), Status.ERROR),
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a check ended, one sentence a person can act on, and which person: None where nobody need act."""

    status: Status
    outcome: Outcome
    sentence: str
    failure: Failure | None = None
    notes: tuple[str, ...] = ()
    who_acts: str | None = None
    cause: Cause | None = None


def judge(
    loop: LoopConfig,
    sent: Receipt | SendFailure,
    found: Arrival | MailboxFailure | None,
    errors: Sequence[AttemptRecord] = (),
    journey: Journey | None = None,
    refresh_ends: Mapping[str, datetime] = MappingProxyType({}),
) -> Verdict:
    """Judge one check from what its steps returned. `found` is None where nothing was looked for."""
    checked = Checked(loop, sent, found, errors, journey, refresh_ends)
    seen = observe(checked)
    concerned = find_concerns(checked, seen)
    cause, remedy = why = find_cause_and_remedy(checked, seen)
    status = grade(seen.outcome, loop.mailbox)
    if any(concern.critical for concern in concerned):
        status = Status.ERROR
    elif concerned and status is Status.OK:
        status = Status.WARNING
    return Verdict(
        status=status,
        outcome=seen.outcome,
        sentence=phrase(checked, seen, why, concerned),
        failure=seen.failure,
        notes=tuple(as_sentence(other.words) for other in concerned[1:]),
        who_acts=_who_acts(checked, seen, remedy, concerned),
        cause=concerned[0].cause if concerned else cause,
    )


def grade(outcome: Outcome, mailbox: ProbeMailbox | None) -> Status:
    """How bad an outcome is, as the configuration has it where it may say so."""
    found = _GRADES[outcome]
    if isinstance(found, Status):
        return found
    severity: Severity = getattr(mailbox, found, "critical")
    return Status.WARNING if severity == "warning" else Status.ERROR


def _who_acts(checked: Checked, seen: Observation, remedy: Remedy | None, concerned: Sequence[Concern]) -> str | None:
    """What mail that gets through is warned of comes before what made it slow, and that before what was changed."""
    people = [concern.who for concern in concerned]
    if remedy and not (people and seen.outcome is Outcome.DELIVERED):
        people.insert(0, remedy.who)
    if people:
        return "; ".join(dict.fromkeys(people))
    return changed.who if (changed := gateway_changes(checked, seen)) else None
