"""What the relay said, made into facts: why an attempt failed, and by which name it queued the message."""

import re
import socket
import ssl
from collections.abc import Iterator
from typing import TypeVar

from aiosmtplib import (
    SMTPAuthenticationError,
    SMTPException,
    SMTPRecipientsRefused,
    SMTPResponseException,
    SMTPServerDisconnected,
)

from tasks.mail.auth.exchange import ExchangeError
from tasks.mail.causes.lookup import of_reply, of_token
from tasks.mail.model.cause import Cause
from tasks.mail.model.errors import SendFailure, TokenFailure, describe_os_error
from tasks.mail.model.outcome import ErrorType
from tasks.mail.model.redaction.redactor import NOTHING, Redactor
from tasks.mail.model.safe_text import one_line
from tasks.mail.net.connect import cause_of_os_error, cause_of_silence
from tasks.mail.net.tls import WaitsForTls, cause_of_tls_error, describe_tls_error
from tasks.mail.senders.smtp.connection import OutOfStep

_E = TypeVar("_E", bound=BaseException)

_MALFORMED = "Malformed SMTP response line: "  # aiosmtplib's words
_OTHERS = {"* ": "an IMAP", "+OK": "a POP3"}

# What the relay's own name for a message may be made of: it is shown as it is. One longer than any server's is none.
_ID = r"([\w.,@+=/$-]+)"
_MAX_ID_CHARS = 250

# Where it stands, the surest first.
_ID_PLACES = (
    rf"\b(?:queued|accepted|received|saved|stored|spooled) (?:on \S{{1,250}} |for delivery )?"
    rf"(?:as|with id|under(?: id)?|id):? <?{_ID}",
    rf"\bqueued on \S{{1,250}} {_ID}",  # Yandex
    rf"<{_ID}> \[(?:InternalId|Hostname)=",  # Exchange
    rf" \d{{6,12}} {_ID} - gsmtp",  # Gmail
    rf"(?<![\w-])(?:id|msgid|envid)[=:] ?<?{_ID}",  # Exim, GMX, Mail.ru, Aliyun
    rf"\b(?:envelope|message|mail|queue|transaction) id <?{_ID}",  # Oracle, Sina
    r"\bqp (\d{1,20})\b",  # qmail
    rf"\b(?:queued|accepted|received|received ok)[.:]? [(\[]{_ID}[)\]]",  # Haraka, Mimecast
    rf"(?<!\S)<?{_ID}>? message accepted",  # Sendmail, OpenSMTPD, Kerio, CommuniGate, Proofpoint
    rf"\bmessage {_ID} (?:accepted|queued)",  # IronPort
    rf"\bmessage queued {_ID}",
    rf"(?<!\S)<[^<>\s]{{1,250}}> {_ID} saved",  # Dovecot over LMTP
)
# Behind a bare `Ok` at the very end there may be anything: Courier, Amazon SES, Momentum, Elastic Email.
_BARE_OK = re.compile(rf"(?:^|\s)ok[.:,]? <?{_ID}>?$", re.IGNORECASE | re.ASCII)
_SURE = tuple(re.compile(place, re.IGNORECASE | re.ASCII) for place in _ID_PLACES)

_NUMBERED = re.compile(r"\d|[A-Z]{8}", re.ASCII)  # what distinguishes an id from a word
_STATUS_CODE = re.compile(r"[245]\.\d{1,3}\.\d{1,3}|[245]\d\d", re.ASCII)
# An address, a date, a count or a host.
_NO_ID = re.compile(
    r"\d{1,3}(?:\.\d{1,3}){3}|\d{4}-\d\d-\d\d|\d+(?:\.\d{1,3})?(?:s|ms|k|kb|b)?|[\w-]+(?:\.[\w-]+)*\.[a-z]{2,12}",
    re.ASCII,
)


def reply(error: BaseException) -> tuple[int | None, str]:
    """Code and text of the server's reply behind `error`; None where it gave none, or none that SMTP knows."""
    if isinstance(error, SMTPRecipientsRefused) and error.recipients:
        error = error.recipients[0]
    if isinstance(error, SMTPResponseException):
        return error.code if 200 <= error.code < 600 else None, error.message
    return None, str(error)


def failure(
    stage: str,
    error: BaseException,
    host: str,
    timeout: float,
    redact: Redactor = NOTHING,
    is_connected: bool = True,
) -> SendFailure:
    """Say what `error`, raised in `stage`, means. `timeout` is the bound of the stage in seconds."""
    code, said = reply(error)
    text = redact.line(said)
    if code is not None:
        return SendFailure(_type_of_reply(stage, code), stage, f"{code} {text}".rstrip(), code)
    if isinstance(error, SMTPResponseException):
        return _no_smtp(stage, text.removeprefix(_MALFORMED))
    if isinstance(error, TokenFailure):
        return SendFailure(error.error_type, stage, text, cause=error.cause)
    if isinstance(error, ExchangeError):
        return SendFailure(ErrorType.AUTH, stage, text, cause=error.cause)
    if isinstance(error, WaitsForTls):
        return SendFailure(ErrorType.TLS, stage, f"{host} waits for TLS from the first byte", cause=Cause.TLS_MODE)
    if isinstance(error, OutOfStep):
        return SendFailure(ErrorType.SMTP, stage, text)
    if tls := _find(error, ssl.SSLError):
        return SendFailure(ErrorType.TLS, stage, describe_tls_error(tls, host), cause=cause_of_tls_error(tls))
    if late := _find(error, TimeoutError):
        # With a number the operating system gave up, at a time of its own.
        text = _lost(late) if late.errno else f"no answer within {timeout:g} s"
        return SendFailure(ErrorType.TIMEOUT, stage, text, cause=cause_of_silence(stage, is_connected))
    if name := _find(error, socket.gaierror):
        reason = one_line(describe_os_error(name))
        return SendFailure(
            ErrorType.CONNECTION, stage, f"the name does not resolve: {reason}", cause=cause_of_os_error(name)
        )
    if stage == "tls" and _in_handshake(error):
        text = f"the connection was lost in the TLS handshake with {host}"
        return SendFailure(ErrorType.TLS, stage, text, cause=Cause.TLS_HANDSHAKE)
    if isinstance(error, OSError):
        cause = Cause.DROPPED if is_connected else cause_of_os_error(error)
        return SendFailure(ErrorType.CONNECTION, stage, _lost(error), cause=cause)
    if isinstance(error, SMTPException):
        kind = {"auth": ErrorType.AUTH, "tls": ErrorType.TLS}.get(stage, ErrorType.SMTP)
        return SendFailure(kind, stage, text, cause=error.cause if isinstance(error, NotOffered) else None)
    return SendFailure(ErrorType.UNEXPECTED, stage, f"{type(error).__name__}: {text}")


def refuses_token(error: SMTPAuthenticationError) -> bool:
    """Whether a refused login may be due to the token that was shown: another one would change nothing else."""
    text = f"{error.code} {error.message}"
    return error.code >= 500 and of_token("auth", text, of_reply("auth", text), final=True) is Cause.TOKEN_REJECTED


class NotOffered(SMTPException):
    """The relay does not offer what the configuration needs."""

    def __init__(self, text: str, cause: Cause | None = None) -> None:
        super().__init__(text)
        self.cause = cause


def _no_smtp(stage: str, line: str) -> SendFailure:
    """A line that is no reply, and may be one of another protocol."""
    other = next((name for start, name in _OTHERS.items() if line.startswith(start)), None)
    if other is None:
        return SendFailure(ErrorType.SMTP, stage, f"not an SMTP reply: {line}")
    text = f"it is {other} server that answers on this port, and no SMTP server: {line}"
    return SendFailure(ErrorType.SMTP, stage, text, cause=Cause.TLS_MODE)


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


def _find(error: BaseException, kind: type[_E]) -> _E | None:
    return next((e for e in _chain(error) if isinstance(e, kind)), None)


def queue_id(text: str) -> str | None:
    """The relay's own name for the message, in its reply to the final dot; None where it does not say it."""
    sure = (found[1].rstrip(".,") for place in _SURE for found in place.finditer(text))
    if (name := next(filter(_is_id, sure), None)) is not None:
        return name
    last = _BARE_OK.search(text.rstrip())
    name = last[1].rstrip(".,") if last else ""
    return name if _is_id(name) and len(name) >= 8 and not _NO_ID.fullmatch(name) else None


def _is_id(name: str) -> bool:
    return 0 < len(name) <= _MAX_ID_CHARS and bool(_NUMBERED.search(name)) and not _STATUS_CODE.fullmatch(name)
