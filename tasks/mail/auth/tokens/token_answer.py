"""What a token endpoint answers (RFC 6749, 5): an access token, or why there is none."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from tasks.mail.model.cause import Cause
from tasks.mail.model.errors import TokenFailure
from tasks.mail.model.outcome import ErrorType
from tasks.mail.model.redaction.redactor import Redactor

UNKNOWN_LIFETIME = 300.0  # seconds that a token is used for where the answer does not say how long it lives
_LONGEST_LIFETIME = 86400.0
_CLOCKS_MATTER = 3  # minutes
_LONGEST_WAIT = 60.0  # seconds that Retry-After may hold off the next request
_TOKEN = re.compile(
    r"[!-~]+"
)  # RFC 6749, A.12, without blanks: what separates the parts of a SASL message is not in it
_REFRESH_TOKEN = re.compile(r"[ -~]+")  # RFC 6749, A.17
_ABOUT_THE_REQUEST = frozenset({400, 401, 403})
_MOST_READ = 4000  # characters, of which most may be hidden
_MAX_WORDS = 500  # characters of what the endpoint says: Microsoft puts the remedy behind names and ids


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer over HTTP, whole. The names in `headers` are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Grant:
    """A token that was granted, for `seconds`. `refresh_ends`: when the refresh token that goes with it ends."""

    access_token: str = field(repr=False)
    seconds: float
    refresh_token: str | None = field(default=None, repr=False)
    refresh_ends: datetime | None = None


class Refused(TokenFailure):
    """The endpoint has understood the request and refused it. `code`: why (RFC 6749, 5.2), such as invalid_grant."""

    def __init__(self, text: str, code: str) -> None:
        super().__init__(ErrorType.AUTH, text, Cause.TOKEN_REQUEST_REFUSED)
        self.code = code


class Failed(TokenFailure):
    """The endpoint could not be asked, or has not answered as one. `wait`: seconds until it wants to be asked again."""

    def __init__(self, text: str, error_type: ErrorType = ErrorType.CONNECTION, wait: float = 0.0) -> None:
        super().__init__(error_type, text, Cause.TOKEN_REQUEST_FAILED)
        self.wait = wait


def fields(answer: Answer, host: str, redact: Redactor, signed: bool = False, url: str = "token_url") -> dict[str, Any]:
    """What an answer of `host` holds that is no error. Raises Refused or Failed.

    `redact` hides what the request had in it. `signed`: an assertion was in it, which is good between two times.
    `url`: the field that says where it went.
    """
    status, data = answer.status, _json_object(answer.body)
    where = f"no token from {host}: HTTP {status}"
    if 300 <= status < 400:
        target = redact.line(_host_of(answer.headers.get("location", ""))) or "nowhere"
        raise Failed(f"{where}, sent on to {target}, which is not followed: set oauth.{url} to the right URL")
    if data is None:
        kind = redact.line(answer.headers.get("content-type", "").partition(";")[0]) or "unknown"
        raise Failed(f"{where} with no JSON object, but {len(answer.body)} octets of type {kind}", wait=_wait(answer))
    if "error" in data or not 200 <= status < 300:
        code, words = _error(data)
        text = f"{where}, {redact.line(words[:_MOST_READ], _MAX_WORDS) or 'without a reason'}"
        if status in _ABOUT_THE_REQUEST or 200 <= status < 300:
            raise Refused(f"{text}{_clocks(answer) if signed else ''}", code)
        raise Failed(text, wait=_wait(answer))
    return data


def granted(answer: Answer, host: str, redact: Redactor, signed: bool = False) -> Grant:
    """The token in an answer of `host`. See fields()."""
    data, where = fields(answer, host, redact, signed), f"no token from {host}: HTTP {answer.status}"
    kind = data.get("token_type", "Bearer")
    if not isinstance(kind, str) or kind.casefold() != "bearer":
        raise Failed(f"{where} with a token of type {redact.line(str(kind), 40)}, not Bearer")
    token = data.get("access_token")
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        raise Failed(f"{where} with {'no' if token is None else 'a malformed'} access_token")
    refresh = data.get("refresh_token")
    return Grant(
        token,
        _lifetime(data.get("expires_in")),
        refresh if isinstance(refresh, str) and _REFRESH_TOKEN.fullmatch(refresh) else None,
        _moment(data.get("refresh_token_expires_in")),
    )


def _host_of(url: str) -> str:
    try:
        return urlsplit(url).netloc
    except ValueError:
        return ""


def _json_object(body: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _error(data: Mapping[str, Any]) -> tuple[str, str]:
    """The code of an error, and all that the endpoint says of it."""
    error = data.get("error")
    code = error if isinstance(error, str) else ""
    words = data.get("error_description")
    if isinstance(error, dict):  # in the way of Google's other interfaces
        code, words = str(error.get("status", "")), error.get("message")
    said = ": ".join(part for part in (code, words if isinstance(words, str) else "") if part)
    numbers = data.get("error_codes")
    named = [f"AADSTS{one}" for one in numbers if isinstance(one, int)] if isinstance(numbers, list) else []
    if missing := [one for one in named if one not in said]:
        said = f"{said} ({', '.join(missing[:5])})"
    return code, said


def _clocks(answer: Answer) -> str:
    """How far the clock here is from the endpoint's, where that may be why it refuses an assertion."""
    try:
        theirs = parsedate_to_datetime(answer.headers.get("date", ""))
        ahead = round((datetime.now(UTC) - theirs).total_seconds() / 60)
    except (TypeError, ValueError, OverflowError):  # it says none, one without a zone, or none that there is
        return ""
    if abs(ahead) < _CLOCKS_MATTER:
        return ""
    return (
        f" (the clock of this machine is {abs(ahead)} minutes {'ahead of' if ahead > 0 else 'behind'} the endpoint's)"
    )


def as_seconds(value: object) -> float | None:
    """A number of seconds; some write it as a text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        seconds = float(value)
    except (ValueError, OverflowError):
        return None
    return None if math.isnan(seconds) else seconds


def _lifetime(value: object) -> float:
    """What is over already is used once, by those who wait for it."""
    seconds = as_seconds(value)
    return UNKNOWN_LIFETIME if seconds is None else min(max(seconds, 0.0), _LONGEST_LIFETIME)


def _moment(value: object) -> datetime | None:
    """So many seconds from now; 0 is how some say that there is no end."""
    seconds = as_seconds(value)
    try:
        return datetime.now(UTC) + timedelta(seconds=seconds) if seconds and seconds > 0 else None
    except OverflowError:
        return None


def _wait(answer: Answer) -> float:
    """What Retry-After says, in seconds."""
    value = answer.headers.get("retry-after", "").strip()
    return min(float(value), _LONGEST_WAIT) if value.isascii() and value.isdigit() else 0.0
