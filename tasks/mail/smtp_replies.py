"""What the relay said, made into facts: pure."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator
from typing import TypeVar

from aiosmtplib import (
    SMTPException,
    SMTPRecipientsRefused,
    SMTPResponseException,
    SMTPServerDisconnected,
    SMTPTimeoutError,
)

from tasks.mail.errors import SmtpFailure
from tasks.mail.facts import ErrorType

E = TypeVar("E", bound=BaseException)

ENHANCED_CODE = re.compile(r"^([245]\.\d{1,3}\.\d{1,3})\b")
# Postfix "queued as X", Exim "OK id=X", Exchange "<X> [InternalId=...", Sendmail "X Message accepted", Gmail "OK  1700000000 X - gsmtp"
QUEUE_ID = (
    re.compile(r"\bqueued as ([^\s<>()]+)", re.IGNORECASE),
    re.compile(r"\bid=([0-9A-Za-z-]{6,})"),
    re.compile(r"<([^\s<>]+)> \[InternalId"),
    re.compile(r"\b([0-9A-Za-z]{10,}) Message accepted for delivery"),
    re.compile(r"\bOK +\d+ (\S+) - gsmtp"),
)


def enhanced_code(text: str) -> str | None:
    """The enhanced status code (RFC 3463) at the start of a reply's text."""
    return match[1] if (match := ENHANCED_CODE.match(text)) else None


def queue_id(text: str) -> str | None:
    """The relay's own name for the message, taken from the reply to the final dot."""
    return next((match[1] for pattern in QUEUE_ID if (match := pattern.search(text))), None)


def reply(error: BaseException) -> tuple[int | None, str]:
    """Code and text of the server's reply behind `error`; None where the server gave none (aiosmtplib calls that -1)."""
    if isinstance(error, SMTPRecipientsRefused) and error.recipients:
        error = error.recipients[0]
    if isinstance(error, SMTPResponseException) and error.code > 0:
        return error.code, error.message
    return None, str(error)


def failure(stage: str, error: BaseException, timeout: float) -> SmtpFailure:
    """Say what `error`, raised in `stage`, means. `timeout` is the bound of the stage in seconds."""
    code, text = reply(error)
    if code is not None:
        return SmtpFailure(_type_of_reply(stage, code), stage, f"{code} {one_line(text)}", code)
    if certificate := _find(error, ssl.SSLCertVerificationError):
        return SmtpFailure(ErrorType.TLS, stage, f"the certificate was not accepted: {certificate.verify_message}")
    if tls := _find(error, ssl.SSLError):
        return SmtpFailure(ErrorType.TLS, stage, f"TLS failed: {tls.reason or one_line(str(tls))}")
    if _find(error, TimeoutError) or _find(error, SMTPTimeoutError):
        return SmtpFailure(ErrorType.TIMEOUT, stage, f"no answer within {timeout:g} s")
    if _find(error, socket.gaierror):
        return SmtpFailure(ErrorType.CONNECTION, stage, f"the name does not resolve: {one_line(text)}")
    # aiosmtplib loses the TLS alert of a server that wants another version, and reports the reset in these words.
    if stage == "tls" and (not isinstance(error, SMTPServerDisconnected) or "upgrading transport" in text):
        return SmtpFailure(ErrorType.TLS, stage, f"TLS could not be set up: {one_line(text)}")
    if _find(error, OSError):
        return SmtpFailure(ErrorType.CONNECTION, stage, f"the connection failed: {one_line(text)}")
    if isinstance(error, SMTPException):
        kind = ErrorType.AUTH if stage == "auth" else ErrorType.SMTP
        return SmtpFailure(kind, stage, one_line(text))
    return SmtpFailure(ErrorType.UNEXPECTED, stage, f"{type(error).__name__}: {one_line(text)}")


def _type_of_reply(stage: str, code: int) -> ErrorType:
    if stage == "auth":
        return ErrorType.AUTH
    if 400 <= code < 500:
        return ErrorType.TEMPORARY
    return ErrorType.RECIPIENT if stage == "rcpt" and code >= 500 else ErrorType.SMTP


def one_line(text: str, limit: int = 300) -> str:
    """A server's text in one line of at most `limit` characters, with what is not printable made visible."""
    joined = " ".join(text.split())
    visible = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in joined)
    return visible if len(visible) <= limit else f"{visible[: limit - 1]}…"


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__


def _find(error: BaseException, kind: type[E]) -> E | None:
    return next((e for e in _chain(error) if isinstance(e, kind)), None)
