"""The results of checks that did not come to a verdict: configured wrongly, skipped, or broken."""

import logging

from tasks.mail.config.loop import CheckConfig
from tasks.mail.config.secrets import redactor_of
from tasks.mail.model.cause import Cause
from tasks.mail.model.outcome import ErrorType, Outcome, Status
from tasks.mail.model.redaction.redactor import NOTHING, Redactor
from tasks.mail.model.result import LoopResult
from tasks.mail.verdict.remedies import YOU

log = logging.getLogger(__name__)


def misconfigured(name: str, reason: str, flow_run_id: str | None = None, cause: Cause | None = None) -> LoopResult:
    """The result of a check whose configuration is wrong: nothing was sent."""
    return LoopResult(
        loop=name,
        status=Status.ERROR,
        outcome=Outcome.MISCONFIGURED,
        sentence=f"The configuration is wrong, so nothing was sent: {reason}" + ("" if reason.endswith("?") else "."),
        who_acts=YOU,
        error_type=ErrorType.CONFIGURATION,
        error_msg=reason,
        cause=cause,
        flow_run_id=flow_run_id,
    )


def skipped(name: str, reason: str, flow_run_id: str | None = None, cause: Cause | None = None) -> LoopResult:
    """The result of a check that did not begin. A warning: it is no failure of mail, and no proof of the contrary."""
    return LoopResult(
        loop=name,
        status=Status.WARNING,
        outcome=Outcome.SKIPPED,
        sentence=f"Nothing was sent: {reason}.",
        error_msg=reason,
        cause=cause,
        flow_run_id=flow_run_id,
    )


def broken(name: str, error: BaseException, redact: Redactor = NOTHING, flow_run_id: str | None = None) -> LoopResult:
    """The result of a check that broke: the tool has failed, and nothing is known of the mail."""
    reason = redact.line(f"{type(error).__name__}: {error}")
    return LoopResult(
        loop=name,
        status=Status.ERROR,
        outcome=Outcome.UNVERIFIED,
        sentence=f"The check itself failed ({reason}), so whether the mail arrived is not known: see its log.",
        who_acts=YOU,
        error_type=ErrorType.UNEXPECTED,
        error_msg=reason,
        flow_run_id=flow_run_id,
    )


def unforeseen(check: CheckConfig, error: Exception, flow_run_id: str | None = None) -> LoopResult:
    """The same, and the traceback in the log, without the passwords that are in place in `check`."""
    redact = redactor_of(check)
    log.error("The check of %s failed.\n%s", check.name, redact.traceback_of(error))
    return broken(check.name, error, redact, flow_run_id)
