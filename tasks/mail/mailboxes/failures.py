"""What a refusal of a mailbox server, or its silence, is taken for."""

from dataclasses import dataclass
from typing import Any

from tasks.mail.auth.exchange import ExchangeError
from tasks.mail.causes.lookup import is_put_off, of_mailbox, of_token
from tasks.mail.model.cause import Cause
from tasks.mail.model.errors import MailboxFailure, TokenFailure, describe_os_error
from tasks.mail.model.outcome import ErrorType
from tasks.mail.model.redaction.redactor import Redactor
from tasks.mail.net.connect import cause_of_silence
from tasks.mail.net.tls import cause_of_tls_error

# Response codes (RFC 5530; THROTTLED is Gmail's) that say whether another connection would be refused as well.
_TEMPORARY_CODES = frozenset({"UNAVAILABLE", "INUSE", "LIMIT", "SERVERBUG", "THROTTLED"})
_PERMANENT_CODES = frozenset({"NONEXISTENT", "NOPERM", "AUTHORIZATIONFAILED", "CANNOT"})

_YOUNG_SECONDS = 60.0  # a token that is over so soon after the connection began was refused, and has not outlived it


@dataclass(frozen=True, slots=True)
class Refusal:
    """NO, BAD or BYE: its response code, its words, and both as they may be shown."""

    code: str | None
    words: str
    shown: str
    shown_code: str | None
    is_bad: bool = False


def refused(
    stage: str,
    about: str,
    refusal: Refusal,
    kind: ErrorType = ErrorType.MAILBOX,
    permanent: bool = False,
    cause: Cause | None = None,
) -> MailboxFailure:
    """`permanent`: a refusal that says nothing else about itself would be met again. `cause` likewise."""
    code = refusal.code
    return MailboxFailure(
        kind,
        stage,
        f"the server refused {about}: {refusal.shown}",
        code=refusal.shown_code,
        permanent=code in _PERMANENT_CODES or (permanent and code not in _TEMPORARY_CODES),
        cause=of_mailbox(stage, code, refusal.words) or cause,
        bad=refusal.is_bad,
    )


def login_refused(username: str, refusal: Refusal, by_token: bool = False) -> MailboxFailure:
    """A password that was refused is never sent again; a login that was put off is worth one more try."""
    put_off = is_put_off(refusal.code, refusal.words)
    failure = refused("login", f"the login of {username}", refusal, ErrorType.MAILBOX if put_off else ErrorType.AUTH)
    failure.permanent, failure.put_off = not put_off, put_off
    if by_token and not put_off:
        failure.cause = of_token("login", refusal.words, failure.cause, final=True)
    return failure


def out_of_exchange(error: ExchangeError) -> MailboxFailure:
    """A login in which the server did not keep to the mechanism: nothing is sent to it again."""
    return MailboxFailure(ErrorType.AUTH, "login", str(error), permanent=True, cause=error.cause)


def without_token(error: TokenFailure) -> MailboxFailure:
    """What the endpoint refuses it will refuse again; what is out of order there may be in order in a while."""
    permanent = error.error_type is ErrorType.AUTH
    return MailboxFailure(error.error_type, "token", error.text, permanent=permanent, cause=error.cause)


def never(error_type: ErrorType, stage: str, text: str, cause: Cause) -> MailboxFailure:
    """One that another connection would meet again."""
    return MailboxFailure(error_type, stage, text, permanent=True, cause=cause)


def no_answer(stage: str, text: str, is_connected: bool) -> MailboxFailure:
    """Nothing came in time."""
    return MailboxFailure(ErrorType.TIMEOUT, stage, text, cause=cause_of_silence(stage, is_connected))


def of_tls(error: Exception) -> dict[str, Any]:
    """What is known of a failed handshake, for a MailboxFailure: another time we have no certificate either."""
    cause = cause_of_tls_error(error)
    return {"cause": cause, "permanent": cause is Cause.CLIENT_CERTIFICATE}


def of_bye(stage: str, code: str | None, words: str, age: float) -> dict[str, Any]:
    """What is known of a connection that the server has ended after `age` seconds, for a MailboxFailure.

    Where that is for the token, a fresh one is worth another connection; the second that is refused is the last.
    """
    cause = of_mailbox(stage, code, words) or Cause.DROPPED
    if cause is not Cause.TOKEN_REJECTED:
        return {"error_type": ErrorType.CONNECTION, "cause": cause}
    permanent = stage == "login"  # see Session.open
    put_off = not permanent and age < _YOUNG_SECONDS
    return {"error_type": ErrorType.AUTH, "cause": cause, "permanent": permanent, "put_off": put_off}


def how_lost(error: Exception | None, redact: Redactor) -> str:
    """In what words a connection went."""
    if error is None:
        return "the server closed the connection"
    words = describe_os_error(error) if isinstance(error, OSError) else redact.line(str(error))
    return f"the connection was lost: {words}"
