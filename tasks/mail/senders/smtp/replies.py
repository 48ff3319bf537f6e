"""What the relay said, made into facts: pure."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from typing import TypeVar

from aiosmtplib import (
    SMTPException,
    SMTPRecipientsRefused,
    SMTPResponseException,
    SMTPServerDisconnected,
)

from tasks.mail.model.errors import SmtpFailure, describe_os_error
from tasks.mail.model.outcome import ErrorType
from tasks.mail.model.redaction.redactor import NOTHING, Redactor
from tasks.mail.model.safe_text import one_line
from tasks.mail.net.tls import describe_tls_error
from tasks.mail.senders.smtp.connection import OutOfStep

E = TypeVar("E", bound=BaseException)

MALFORMED = "Malformed SMTP response line: "  # aiosmtplib's words


def reply(error: BaseException) -> tuple[int | None, str]:
    """Code and text of the server's reply behind `error`; None where it gave none, or none that SMTP knows."""
    if isinstance(error, SMTPRecipientsRefused) and error.recipients:
        error = error.recipients[0]
    if isinstance(error, SMTPResponseException):
        return error.code if 200 <= error.code < 600 else None, error.message
    return None, str(error)


def failure(stage: str, error: BaseException, host: str, timeout: float, redact: Redactor = NOTHING) -> SmtpFailure:
    """Say what `error`, raised in `stage`, means. `timeout` is the bound of the stage in seconds."""
    code, said = reply(error)
    text = redact.line(said)
    if code is not None:
        return SmtpFailure(_type_of_reply(stage, code), stage, f"{code} {text}".rstrip(), code)
    if isinstance(error, SMTPResponseException):
        return SmtpFailure(ErrorType.SMTP, stage, f"not an SMTP reply: {text.removeprefix(MALFORMED)}")
    if isinstance(error, OutOfStep):
        return SmtpFailure(ErrorType.SMTP, stage, text)
    if tls := _find(error, ssl.SSLError):
        return SmtpFailure(ErrorType.TLS, stage, describe_tls_error(tls, host))
    if late := _find(error, TimeoutError):
        if late.errno:  # the operating system gave up, at a time of its own
            return SmtpFailure(ErrorType.TIMEOUT, stage, _lost(late))
        return SmtpFailure(ErrorType.TIMEOUT, stage, f"no answer within {timeout:g} s")
    if name := _find(error, socket.gaierror):
        reason = one_line(describe_os_error(name))
        return SmtpFailure(ErrorType.CONNECTION, stage, f"the name does not resolve: {reason}")
    if stage == "tls" and _in_handshake(error):
        return SmtpFailure(ErrorType.TLS, stage, f"the connection was lost in the TLS handshake with {host}")
    if isinstance(error, OSError):
        return SmtpFailure(ErrorType.CONNECTION, stage, _lost(error))
    if isinstance(error, SMTPException):
        kind = {"auth": ErrorType.AUTH, "tls": ErrorType.TLS}.get(stage, ErrorType.SMTP)
        return SmtpFailure(kind, stage, text)
    return SmtpFailure(ErrorType.UNEXPECTED, stage, f"{type(error).__name__}: {text}")


def _type_of_reply(stage: str, code: int) -> ErrorType:
    if stage == "auth":
        return ErrorType.AUTH
    if 400 <= code < 500:
        return ErrorType.TEMPORARY
    return ErrorType.RECIPIENT if stage == "rcpt" and code >= 500 else ErrorType.SMTP


def _in_handshake(error: BaseException) -> bool:
    """Whether a connection was lost after the request for TLS and before there was any.

    aiosmtplib loses the TLS alert of a server that wants another version.
    """
    if isinstance(error, SMTPServerDisconnected):
        return "upgrading transport" in str(error)
    return isinstance(error, OSError)


def _lost(error: OSError) -> str:
    """Why there is no connection, in the operating system's words, not in aiosmtplib's."""
    cause = [e for e in _chain(error) if isinstance(e, OSError)][-1]
    if isinstance(cause, SMTPServerDisconnected):
        return "the relay closed the connection"
    return f"the connection failed: {one_line(describe_os_error(cause))}"


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__


def _find(error: BaseException, kind: type[E]) -> E | None:
    return next((e for e in _chain(error) if isinstance(e, kind)), None)
