"""Results without a probe to judge: of checks configured wrongly, skipped, broken, and of the receiving half alone."""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType

from tasks.mail.config.loop import CheckConfig, InboundConfig
from tasks.mail.config.secrets import redactor_of
from tasks.mail.model.cause import Cause
from tasks.mail.model.errors import MailboxFailure
from tasks.mail.model.outcome import ErrorType, Leg, Outcome, Placement, Status
from tasks.mail.model.redaction.redactor import NOTHING, Redactor
from tasks.mail.model.result import LoopResult, of_copies, of_leg
from tasks.mail.probe.match import HEADERS, decoded
from tasks.mail.search.inbound import Recent
from tasks.mail.verdict.judge import grade
from tasks.mail.verdict.notes import configuration_notes
from tasks.mail.verdict.phrases import as_sentence
from tasks.mail.verdict.remedies import YOU, cause_of_unread, unread
from tasks.mail.verdict.result import looked
from tasks.mail.verdict.warnings import refresh_tokens
from tasks.mail.verdict.words import unread_words

log = logging.getLogger(__name__)


def misconfigured(name: str, reason: str, flow_run_id: str | None = None, cause: Cause | None = None) -> LoopResult:
    """The result of a check whose configuration is wrong: nothing was sent."""
    sentence = f"The configuration is wrong, so nothing was sent: {reason}" + ("" if reason.endswith("?") else ".")
    known = {"who_acts": YOU, "error_type": ErrorType.CONFIGURATION, "cause": cause}
    return _without_verdict(name, Outcome.MISCONFIGURED, sentence, reason, flow_run_id, **known)


def skipped(name: str, reason: str, flow_run_id: str | None = None, cause: Cause | None = None) -> LoopResult:
    """The result of a check that did not begin. A warning: it is no failure of mail, and no proof of the contrary."""
    return _without_verdict(name, Outcome.SKIPPED, f"Nothing was sent: {reason}.", reason, flow_run_id, cause=cause)


def broken(name: str, error: BaseException, redact: Redactor = NOTHING, flow_run_id: str | None = None) -> LoopResult:
    """The result of a check that broke: the tool has failed, and nothing is known of the mail."""
    reason = redact.line(f"{type(error).__name__}: {error}")
    sentence = f"The check itself failed ({reason}), so whether the mail arrived is not known: see its log."
    known = {"who_acts": YOU, "error_type": ErrorType.UNEXPECTED}
    return _without_verdict(name, Outcome.UNVERIFIED, sentence, reason, flow_run_id, **known)


def _without_verdict(
    name: str, outcome: Outcome, sentence: str, reason: str, flow_run_id: str | None, **known: object
) -> LoopResult:
    return LoopResult(
        loop=name,
        status=Status.WARNING if outcome is Outcome.SKIPPED else Status.ERROR,
        outcome=outcome,
        sentence=sentence,
        error_msg=reason,
        flow_run_id=flow_run_id,
        **known,
    )


def unforeseen(check: CheckConfig, error: Exception, flow_run_id: str | None = None) -> LoopResult:
    """The same, and the traceback in the log, without the passwords that are in place in `check`."""
    redact = redactor_of(check)
    log.error("The check of %s failed.\n%s", check.name, redact.traceback_of(error))
    return broken(check.name, error, redact, flow_run_id)


def conclude_inbound(
    inbound: InboundConfig,
    found: Recent | MailboxFailure,
    flow_run_id: str | None = None,
    notes: tuple[str, ...] = (),
    refresh_ends: Mapping[str, datetime] = MappingProxyType({}),
) -> LoopResult:
    """Judge one inbound check and write down what it found, passwords hidden. What it looks for: see search.inbound.

    `refresh_ends`: when refresh tokens end, by section.
    """
    ending = refresh_tokens(inbound, refresh_ends, datetime.now(UTC))
    notes = (*configuration_notes(inbound), *notes, *(as_sentence(one.words) for one in ending))
    return redactor_of(inbound).whole(_concluded(inbound, found, notes, flow_run_id))


def _concluded(
    inbound: InboundConfig, found: Recent | MailboxFailure, notes: tuple[str, ...], flow_run_id: str | None
) -> LoopResult:
    mailbox = inbound.mailbox
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
        sentence, who = as_sentence(unread_words(mailbox, failure)), unread(mailbox, failure).who
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
