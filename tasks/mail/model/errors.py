"""The one error tree.

MailLoopError
├── ConfigError     the configuration is wrong; nothing was sent
├── CheckSkipped    it is not this check's turn, or its sending budget is spent; nothing was sent
├── Overtaken       the caller of this run has begun the check in another way; nothing was sent
├── SendFailure     the SMTP leg failed, with its stage and the server's reply
├── MailboxFailure  the IMAP leg failed, with its stage and the server's response code
├── TokenFailure    there is no token to log in with; each leg makes a failure of its own of it
├── CheckFailed     a check ended in an error; carries its LoopResult
└── MatrixFailed    a loop of a matrix or a fleet ended in an error; carries the LoopResult of each
"""

import logging
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from tasks.mail.model.cause import Cause
from tasks.mail.model.moment import Tried
from tasks.mail.model.outcome import ErrorType
from tasks.mail.model.redaction.redactor import NOTHING, Redactor
from tasks.mail.model.result import LoopResult
from tasks.mail.model.safe_text import unlinked

_ENHANCED_CODE = re.compile(r"^([245]\.\d{1,3}\.\d{1,3})\b")

log = logging.getLogger(__name__)


def describe_os_error(error: OSError) -> str:
    """The operating system's own words; asyncio puts addresses in their place."""
    if isinstance(error, socket.gaierror) or not error.errno:
        return error.strerror or str(error)
    return os.strerror(error.errno)


def enhanced_code(text: str) -> str | None:
    """The enhanced status code (RFC 3463) at the start of a reply's text."""
    return match[1] if (match := _ENHANCED_CODE.match(text)) else None


class MailLoopError(Exception):
    """Base of every error that this project raises on purpose."""

    def alone(self) -> Self:
        """The error as a finding, without the way to it: frames, causes and contexts hold passwords in clear."""
        self.__traceback__ = self.__cause__ = self.__context__ = None
        return self

    def __repr__(self) -> str:
        """Its text: Prefect writes the repr of a failed attempt's error into the log."""
        return unlinked(f"{type(self).__name__}: {self}")


class ConfigError(MailLoopError):
    """The configuration is wrong. The text is one sentence that names file, field and remedy.

    `check` is the name of the check that it describes, where that is known all the same.
    """

    check: str | None = None

    def __init__(self, text: str, cause: Cause | None = None) -> None:
        super().__init__(text)
        self.cause = cause


class CheckSkipped(MailLoopError):
    """Nothing was sent: another check of the loop runs, or its sending budget is spent. The text says which."""

    def __init__(self, text: str, cause: Cause) -> None:
        super().__init__(text)
        self.cause = cause


class Overtaken(MailLoopError):
    """The caller of this run does the check in another way by now: a second message must not be sent."""


class _LegFailure(MailLoopError):
    """A leg failed in `stage`; `stages` holds the seconds of the stages that its last attempt went through."""

    def __init__(self, error_type: ErrorType, stage: str, text: str, cause: Cause | None) -> None:
        super().__init__(error_type, stage, text)
        self.error_type = error_type
        self.stage = stage
        self.text = text
        self.cause = cause
        self.stages: dict[str, float] = {}

    def __str__(self) -> str:
        return self.text


class SendFailure(_LegFailure):
    """The SMTP leg failed in `stage`. `code` is None where the server gave no reply of its own.

    `cause` is what is known without a reply; what one means is for the verdict to say. `body_out`: the whole message
    had gone out by then.
    """

    def __init__(
        self, error_type: ErrorType, stage: str, text: str, code: int | None = None, cause: Cause | None = None
    ) -> None:
        super().__init__(error_type, stage, text, cause)
        self.code = code
        self.body_out = False

    @property
    def reply(self) -> str | None:
        """The text of the server's reply, None where it gave none."""
        return None if self.code is None else self.text.removeprefix(f"{self.code} ")

    @property
    def enhanced_code(self) -> str | None:
        """The enhanced status code (RFC 3463) at the start of that reply."""
        return enhanced_code(self.reply or "")

    @property
    def temporary(self) -> bool:
        """Whether RFC 5321 invites another attempt: a 4yz reply, outside authentication."""
        return self.error_type is ErrorType.TEMPORARY


# What waiting does not change: no TLS on this port, no such name, a certificate refused, a login that is disabled.
_LASTING = frozenset({Cause.TLS_MODE, Cause.NAME_NOT_FOUND, Cause.CERTIFICATE, Cause.TLS_REQUIRED, Cause.LOGIN_METHOD})


class MailboxFailure(_LegFailure):
    """The IMAP leg failed in `stage`.

    `code` is the response code of the server (RFC 5530), such as UNAVAILABLE, where it gave one. `permanent` means that
    another connection would end the same way: a refused login, a folder that does not exist. `put_off`: the login was
    not refused but put off, and is worth one more try. `cause` is why, where it is known. `tried`: when the mailbox was
    looked into. `bad`: the server does not know the command, or takes it for wrong.
    """

    def __init__(
        self,
        error_type: ErrorType,
        stage: str,
        text: str,
        *,
        code: str | None = None,
        permanent: bool = False,
        put_off: bool = False,
        cause: Cause | None = None,
        bad: bool = False,
    ) -> None:
        super().__init__(error_type, stage, text, cause)
        self.code = code
        self.permanent = permanent
        self.put_off = put_off
        self.bad = bad
        self.tried: Tried | None = None

    @property
    def lasting(self) -> Cause | None:
        """The cause, where it most likely would be met again: a second look, a little later, settles it."""
        return self.cause if self.cause in _LASTING else None

    def at(self, stage: str) -> "MailboxFailure":
        """The same, of another command or for another waiter, which notes what it knows on its own."""
        return MailboxFailure(
            self.error_type,
            stage,
            self.text,
            code=self.code,
            permanent=self.permanent,
            put_off=self.put_off,
            bad=self.bad,
            cause=self.cause,
        )

    def hide(self, redact: Redactor) -> None:
        """Hide the passwords in its words: who shares a session with other checks hears what theirs say."""
        self.text = redact.text(self.text, mixed=True)
        self.code = self.code and redact.text(self.code)
        self.args = (self.error_type, self.stage, self.text)


class TokenFailure(MailLoopError):
    """The token endpoint (OAuth 2) has given no access token: it refused, or could not be asked. `cause` says which."""

    def __init__(self, error_type: ErrorType, text: str, cause: Cause | None) -> None:
        super().__init__(error_type, text, cause)  # all that it takes to be made anew
        self.error_type = error_type
        self.text = text
        self.cause = cause

    def __str__(self) -> str:
        return self.text


class CheckFailed(MailLoopError):
    """A check whose status is error. `result` is its LoopResult, the text its verdict's sentence."""

    def __init__(self, result: LoopResult) -> None:
        super().__init__(result)  # all that it takes to be made anew from a pickle
        self.result = result

    def __str__(self) -> str:
        return self.result.sentence


class MatrixFailed(MailLoopError):
    """A matrix or a fleet with a loop whose status is error: the results of all its loops, and what they show."""

    def __init__(self, results: tuple[LoopResult, ...], text: str) -> None:
        super().__init__(text)
        self.results = results


@contextmanager
def as_mailbox_failure(redact: Redactor = NOTHING) -> Iterator[None]:
    """Make an unforeseen error a failure of the IMAP leg: what the SMTP leg proved is not lost with it.

    `redact` hides passwords in its text and in the log.
    """
    try:
        yield
    except MailboxFailure as failure:
        failure.hide(redact)
        raise
    except MailLoopError:
        raise
    except Exception as error:
        log.error("The IMAP leg failed in a way that it should not.\n%s", redact.traceback_of(error))
        text = redact.line(f"{type(error).__name__}: {error}")
        raise MailboxFailure(ErrorType.UNEXPECTED, "search", text, permanent=True) from None
