"""Judging a message that the relay did not take: rejected, deferred or unsent, and why. Pure."""

from __future__ import annotations

from tasks.mail.config.addresses import endpoint
from tasks.mail.config.loop import SmtpConfig
from tasks.mail.model.cause import Cause
from tasks.mail.model.errors import SmtpFailure
from tasks.mail.model.outcome import ErrorType, Outcome, Status
from tasks.mail.verdict.phrases import UNREACHED, USUAL, Verdict, exempted, reachable, renewed, said
from tasks.mail.verdict.remedies import YOU, Remedy, whoever_runs
from tasks.mail.verdict.why import relay_remedy, why_unsent

# What a login was refused for, whatever the first digit of the reply says.
REFUSED_LOGIN = frozenset(
    {Cause.WRONG_PASSWORD, Cause.LOGIN_METHOD, Cause.ACCOUNT_DISABLED, Cause.PASSWORD_EXPIRED, Cause.TOKEN_REJECTED}
)


def not_sent(smtp: SmtpConfig, failure: SmtpFailure, attempts: int) -> Verdict:
    """The verdict on a message that the relay refused, or was never given."""
    cause = why_unsent(smtp, failure)
    outcome = _outcome(failure, cause)
    what = _what(smtp, failure, outcome, cause, attempts)
    remedy = _remedy(smtp, failure, cause)
    return Verdict(
        Status.ERROR,
        outcome,
        f"{what} ({said(failure)}): {remedy.words}.",
        "smtp",
        failure.stage,
        failure.error_type,
        failure.text,
        who_acts=remedy.who,
        cause=cause,
    )


def _outcome(failure: SmtpFailure, cause: Cause | None) -> Outcome:
    """A login that was refused for what it is was rejected, whatever the first digit says."""
    code = failure.smtp_code or 0
    if failure.error_type is ErrorType.AUTH:
        return Outcome.DEFERRED if 400 <= code < 500 and cause not in REFUSED_LOGIN else Outcome.REJECTED
    if failure.error_type is ErrorType.TEMPORARY:
        return Outcome.DEFERRED
    return Outcome.REJECTED if code >= 500 else Outcome.UNSENT


def _what(smtp: SmtpConfig, failure: SmtpFailure, outcome: Outcome, cause: Cause | None, attempts: int) -> str:
    """What the relay did, as the beginning of a sentence."""
    relay = f"The relay {endpoint(smtp.host, smtp.port)}"
    tries = {1: "on its only attempt", 2: "on both attempts"}.get(attempts, f"on all {attempts} attempts")
    match failure.error_type:
        case ErrorType.TEMPORARY if cause is Cause.GREYLISTED:
            return f"{relay} greylists the message and refused it {tries}"
        case ErrorType.TEMPORARY:
            return f"{relay} refused the message for now {tries}"
        case ErrorType.AUTH if failure.smtp_code is None:  # it was not asked to
            return f"{relay} offers no login for {smtp.username}"
        case ErrorType.AUTH if outcome is Outcome.DEFERRED:
            return f"{relay} put off the login of {smtp.username}"
        case ErrorType.AUTH:
            return f"{relay} refused the login of {smtp.username}"
        case ErrorType.TLS:
            return f"No secure connection to the relay {endpoint(smtp.host, smtp.port)}"
        case ErrorType.TIMEOUT:
            return f"{relay} did not answer"
        case ErrorType.CONNECTION:
            return f"{relay} could not be used"
        case ErrorType.UNEXPECTED:
            return f"The check itself failed while sending through {endpoint(smtp.host, smtp.port)}"
        case _ if outcome is Outcome.REJECTED:
            whom = f" for {smtp.to_addr}" if failure.error_type is ErrorType.RECIPIENT else ""
            return f"{relay} refused the message{whom}"
        case _:
            return f"{relay} did not do as SMTP asks"


def _remedy(smtp: SmtpConfig, failure: SmtpFailure, cause: Cause | None) -> Remedy:
    """What to do: by the cause, else by the kind of failure."""
    runs = whoever_runs(smtp.host)
    if cause is Cause.GREYLISTED:
        return Remedy(f"raise smtp.retries and smtp.retry_delay, or have {exempted(smtp)}", f"{YOU}, or {runs}")
    known = None if cause in UNREACHED and failure.smtp_code is None else cause
    over = renewed(failure.text, smtp.host) if failure.error_type is ErrorType.TLS else None
    usual = USUAL.get(failure.error_type)
    found = _login_offered(smtp, failure) or over or relay_remedy(known, smtp) or relay_remedy(usual, smtp)
    if found is not None:
        return found
    match failure.error_type:
        case ErrorType.TEMPORARY:
            return Remedy("see its log for the reason, or raise smtp.retries and smtp.retry_delay", runs)
        case ErrorType.TIMEOUT:
            return Remedy("see whether it is overloaded or its port filtered", f"{runs}, or the network before it")
        case ErrorType.CONNECTION:
            return reachable("smtp", smtp.host, failure)
        case ErrorType.UNEXPECTED:
            return Remedy("see the log of this run", YOU)
        case _ if failure.smtp_code is not None and failure.smtp_code >= 500:
            return Remedy("ask its postmaster", runs)
        case _:
            return Remedy("check smtp.host, port and tls", f"{YOU}, or else {runs}")


def _login_offered(smtp: SmtpConfig, failure: SmtpFailure) -> Remedy | None:
    """What to do where no login is offered that a check can make use of."""
    if failure.error_type is not ErrorType.AUTH or failure.smtp_code is not None:
        return None
    in_clear = "set smtp.tls to starttls or implicit: most relays let nobody log in in clear"
    ports = "check smtp.host and port: a login is for port 587 or 465"
    return Remedy(in_clear if smtp.tls == "none" else ports, f"{YOU}, or else {whoever_runs(smtp.host)}")
