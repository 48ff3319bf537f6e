"""From what the receiving half alone found to its result. What it looks for: see search.inbound."""

from tasks.mail.config.loop import InboundConfig
from tasks.mail.config.secrets import redactor_of
from tasks.mail.model.errors import MailboxFailure
from tasks.mail.model.outcome import ErrorType, Leg, Outcome, Placement, Status
from tasks.mail.model.result import LoopResult, of_copies, of_leg
from tasks.mail.probe.match import HEADERS, decoded
from tasks.mail.search.inbound import Recent
from tasks.mail.verdict.cause import cause_of_unread
from tasks.mail.verdict.judge import grade
from tasks.mail.verdict.notes import configuration_notes
from tasks.mail.verdict.remedies import unread
from tasks.mail.verdict.result import looked
from tasks.mail.verdict.words import unread_words


def conclude_inbound(
    inbound: InboundConfig, found: Recent | MailboxFailure, flow_run_id: str | None = None
) -> LoopResult:
    """Judge one inbound check and write down what it found, passwords hidden."""
    return redactor_of(inbound).whole(_concluded(inbound, found, flow_run_id))


def _concluded(inbound: InboundConfig, found: Recent | MailboxFailure, flow_run_id: str | None) -> LoopResult:
    mailbox, notes = inbound.mailbox, tuple(configuration_notes(inbound))
    if isinstance(found, MailboxFailure):
        return _failed(inbound, found, notes, flow_run_id)
    newest, subject = found.headers[0], mailbox.search_subject
    message = HEADERS.parsebytes(newest.raw)
    age = max(0.0, (found.begun.utc - newest.arrived_at).total_seconds())
    return LoopResult(
        loop=inbound.name,
        status=Status.OK,
        outcome=Outcome.DELIVERED,
        sentence=f"Mail arrives: the newest message with {subject!r} in {mailbox.folder} is {age:.0f} s old.",
        probe_id=decoded(message.get("X-Mail-Loop-Id")) or None,
        subject=decoded(message.get("Subject")),
        message_id=decoded(message.get("Message-ID")) or None,
        arrived_at=newest.arrived_at,
        detected_at=found.detected.utc,
        folder=mailbox.folder,
        placement=Placement.EXPECTED,
        latest_internaldate=newest.arrived_at,
        notes=notes + found.notes,
        flow_run_id=flow_run_id,
        **of_copies([header.ref for header in found.headers]),
        **of_leg(Leg.RECEIVING, stages=dict(found.stages)),
        **looked(found.tried, found.tried.first, found.detected),
    )


def _failed(
    inbound: InboundConfig, failure: MailboxFailure, notes: tuple[str, ...], flow_run_id: str | None
) -> LoopResult:
    mailbox, cause = inbound.mailbox, cause_of_unread(inbound.mailbox, failure)
    if failure.error_type is ErrorType.NO_MESSAGE:
        status, outcome = grade(Outcome.LOST, mailbox), Outcome.LOST
        sentence = f"Mail does not arrive at {mailbox.host}: {failure}; see whether it was sent, and its sender's log."
        who = "whoever sends what is looked for"
    else:
        status, outcome = Status.ERROR, Outcome.UNVERIFIED
        half, who = unread_words(mailbox, failure), unread(mailbox, failure).who
        sentence = f"{half[0].upper()}{half[1:]}."
    return LoopResult(
        loop=inbound.name,
        status=status,
        outcome=outcome,
        sentence=sentence,
        who_acts=who,
        leg=Leg.RECEIVING.value,
        stage=failure.stage,
        error_type=failure.error_type,
        error_msg=failure.text,
        cause=cause,
        notes=notes,
        flow_run_id=flow_run_id,
        **of_leg(Leg.RECEIVING, stages=failure.stages),
        **(looked(failure.tried, failure.tried.first) if failure.tried else {}),
    )
