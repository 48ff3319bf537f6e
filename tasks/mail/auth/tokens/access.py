"""Access tokens (OAuth 2): one for each client, scope and endpoint, for all loops of this process."""

import asyncio
import logging
import threading
import time
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from tasks.mail.auth.tokens.endpoint import post
from tasks.mail.auth.tokens.rotation import Refresh, digest, family_key, only_one
from tasks.mail.auth.tokens.thread import in_thread
from tasks.mail.auth.tokens.token_answer import Failed, Grant, Refused, granted
from tasks.mail.auth.tokens.token_request import form, redactor, value_of
from tasks.mail.config.oauth import OAuth
from tasks.mail.model.errors import TokenFailure
from tasks.mail.model.outcome import ErrorType
from tasks.mail.model.redaction.traces import learn

_MARGIN = 300.0  # seconds before its end that a token is replaced, but no more than a tenth of its life
_MARGIN_SHARE = 0.1
_READING = 0.3  # of the time for a token: for reading the refresh token that is kept
_REFUSED_SECONDS = 10.0  # in which a refusal is not asked for again: an endpoint may lock a client out
_WORDS = 0.1  # of the time for a login, or a second: for our words about a request that took too long

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Token:
    """An access token. `ends` and `renewed_at` are times of the monotonic clock: no clock that is off shortens it.

    `refresh_ends`: when the refresh token that it was asked for with ends, where the endpoint says so.
    """

    value: str = field(repr=False)
    ends: float
    renewed_at: float = 0.0
    refresh_ends: datetime | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Request:
    """One that is on its way. It has an outcome whatever happens to those that wait for it."""

    timeout: float
    outcome: "Future[Token | TokenFailure]" = field(default_factory=Future)


@dataclass
class _Source:
    """What is known of one kind of token."""

    token: Token | None = None
    request: _Request | None = None
    failure: TokenFailure | None = None
    asked_again_at: float = 0.0  # after a failure

    def drop(self, refused: Token | None) -> None:
        """Have no more what a mail server did not take; another one may be there by now."""
        if self.token is not None and refused is not None and self.token.value == refused.value:
            self.token = None


_sources: dict[tuple[str, ...], _Source] = {}
_lock = threading.Lock()


async def access_token(oauth: OAuth, username: str, refused: Token | None = None, timeout: float = 30.0) -> Token:
    """A token that is valid by the endpoint's word. Raises TokenFailure.

    `refused` is one that a mail server did not take: it is not given again. Callers that come while a request is on its
    way share what comes of it; one that is cancelled takes nothing from the others.
    """
    while True:
        with _lock:
            source = _sources.setdefault(_key(oauth, username), _Source())
            now = time.monotonic()
            source.drop(refused)
            if source.token is not None and now < source.token.renewed_at:
                return source.token
            if source.failure is not None and now < source.asked_again_at:
                found: Token | TokenFailure = source.failure
                request = None
            else:
                request = source.request or _begin(source, oauth, username, timeout)
        if request is not None:
            found = await asyncio.wrap_future(request.outcome)
        if isinstance(found, Token):
            return found
        if request is None or found.error_type is not ErrorType.TIMEOUT or request.timeout >= timeout:
            raise TokenFailure(found.error_type, found.text, found.cause)


def last_token(oauth: OAuth, username: str) -> Token | None:
    """The one that was had last, for what there is to say of it: nobody is asked."""
    with _lock:
        source = _sources.get(_key(oauth, username))
        return source.token if source is not None else None


def drop(oauth: OAuth, username: str, refused: Token) -> None:
    """As if it had been refused to somebody who asks for another: the next one who asks gets a fresh one."""
    with _lock:
        if (source := _sources.get(_key(oauth, username))) is not None:
            source.drop(refused)


def _key(oauth: OAuth, username: str) -> tuple[str, ...]:
    """What a token is for, and by whose right it is given: who shows another secret has to ask on his own."""
    shown = [value_of(one) for one in (oauth.client_secret, oauth.private_key, oauth.service_account)]
    family = family_key(oauth) if oauth.grant == "refresh_token" else ()
    on_behalf_of = username if oauth.grant == "jwt_bearer" else ""
    return (
        oauth.grant,
        oauth.endpoint,
        oauth.client_id or "",
        " ".join(oauth.scopes),
        oauth.ca_file or "",
        on_behalf_of,
        *map(digest, shown),
        *family,
    )


def _begin(source: _Source, oauth: OAuth, username: str, timeout: float) -> _Request:
    """Ask, in a thread of its own: callers may be cancelled, and their loops may end.

    The process waits for one that may bring a new refresh token, until it is kept.
    """
    request = _Request(timeout)
    request.outcome.set_running_or_notify_cancel()  # else a caller that is cancelled would cancel it
    before = source.token

    def end(found: Token | BaseException) -> None:
        outcome: Token | TokenFailure = Failed(f"no token from {oauth.endpoint_host}", ErrorType.UNEXPECTED)
        try:
            if isinstance(found, Token):
                outcome = found
            elif isinstance(found, TokenFailure):
                outcome = found.alone()
            else:
                log.error("A token was asked for in a way that failed.\n%s", redactor(oauth).traceback_of(found))
        finally:  # somebody waits for it
            request.outcome.set_result(_settled(source, outcome, before))

    within = timeout - min(1.0, timeout * _WORDS)
    in_thread(lambda: _fetch(oauth, username, within), end, daemon=oauth.grant != "refresh_token")
    source.request = request
    return request


def _settled(source: _Source, found: Token | TokenFailure, before: Token | None) -> Token | TokenFailure:
    """What those that wait get. A token from `before` that is still good serves while the endpoint is out of order."""
    with _lock:
        source.request = None
        if isinstance(found, Token):
            source.token, source.failure = found, None
            return found
        source.failure = found
        source.asked_again_at = time.monotonic() + (found.wait if isinstance(found, Failed) else _REFUSED_SECONDS)
        usable = before is not None and source.token is before and time.monotonic() < before.ends
        return before if before is not None and usable else found


async def _fetch(oauth: OAuth, username: str, timeout: float) -> Token:
    begun = time.monotonic()
    if oauth.grant == "refresh_token":
        grant, notes = await _refreshed(oauth, username, timeout)
    else:
        grant, notes = await _granted(oauth, username, "", timeout), ()
    margin = min(_MARGIN, grant.seconds * _MARGIN_SHARE)
    return Token(grant.access_token, begun + grant.seconds, begun + grant.seconds - margin, grant.refresh_ends, notes)


async def _granted(oauth: OAuth, username: str, refresh_token: str, timeout: float) -> Grant:
    answer = await post(oauth.endpoint, form(oauth, username, refresh_token), oauth.ca_file, timeout)
    signed = oauth.private_key is not None or oauth.service_account is not None
    grant = granted(answer, oauth.endpoint_host, redactor(oauth, refresh_token), signed)
    learn(grant.access_token)
    learn(grant.refresh_token or "")
    return grant


async def _refreshed(oauth: OAuth, username: str, timeout: float) -> tuple[Grant, tuple[str, ...]]:
    """With a refresh token, which may be replaced by that."""
    until = time.monotonic() + timeout
    async with only_one(oauth, timeout) as note:
        refresh = Refresh(oauth)
        used = await refresh.current(timeout * _READING)
        try:
            grant = await _granted(oauth, username, used, max(0.0, until - time.monotonic()))
        except Refused as refused:
            # It may have been replaced by hand meanwhile, or by a process on another machine.
            again = used
            with suppress(Failed):  # what was refused stays so
                again = await refresh.current(timeout * _READING)
            if refused.code != "invalid_grant" or again == used:
                raise
            used = again
            grant = await _granted(oauth, username, used, max(0.0, until - time.monotonic()))
        notes = [note]
        if grant.refresh_token is not None and grant.refresh_token != used:
            notes.append(await refresh.replace(grant.refresh_token))
        return grant, tuple(one for one in notes if one)
