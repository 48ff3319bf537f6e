"""Refresh tokens that the endpoint replaces at each use (RFC 6749, 6): each is used once, by one process at a time.

An endpoint may take a second use for theft and revoke all that came of the token (RFC 9700, 4.14.2).
"""

import asyncio
import fcntl
import hashlib
import json
import logging
import os
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

from tasks.mail.auth.tokens.token_answer import Failed
from tasks.mail.auth.tokens.token_request import value_of
from tasks.mail.config.oauth import OAuth
from tasks.mail.config.section import without_line_end
from tasks.mail.config.state_dir import make_private, open_state_file, state_home, unwritable
from tasks.mail.model.outcome import ErrorType

_LOOK_SECONDS = 0.05  # between two looks whether another user of a refresh token has ended

log = logging.getLogger(__name__)


class Keeper(Protocol):
    """Where refresh tokens are kept, by the names of their secrets. It is called in other threads and loops."""

    async def reread(self, name: str) -> str | None:
        """The value that is there now; None where there is none. Raises OSError where that cannot be known."""

    async def keep(self, name: str, before: str, value: str) -> str:
        """Keep the value that has come in the place of the one before; empty, or why that cannot be done.

        Where something else than `before` is there by now, a person has put it there: it stays.
        """


_keepers: dict[str, Keeper] = {}


def kept_by(oauth: OAuth, keeper: Keeper) -> None:
    """From here on, for this process, the refresh token of `oauth` is kept there."""
    if oauth.refresh_token_secret is not None:
        _keepers[oauth.refresh_token_secret] = keeper


@dataclass
class Family:
    """The newest of a refresh token and those that came in its place, and digests of those that are spent."""

    newest: str = field(default="", repr=False)
    spent: set[str] = field(default_factory=set)
    in_use: threading.Lock = field(default_factory=threading.Lock, repr=False)  # by a thread of this process

    def best(self, found: str) -> str:
        """The one to use where `found` is what is kept: that of this process, where the new one could not be kept."""
        if digest(found) not in self.spent:
            self.newest = found
        return self.newest

    def replace(self, value: str) -> None:
        self.spent.add(digest(self.newest))
        self.spent.discard(digest(value))
        self.newest = value


_families: dict[tuple[str, ...], Family] = {}


def family_key(oauth: OAuth) -> tuple[str, ...]:
    """What a refresh token belongs to. It is known by its name; one in clear by its digest."""
    name = oauth.refresh_token_secret or digest(value_of(oauth.refresh_token))
    return oauth.endpoint, oauth.client_id or "", name


def digest(secret: str) -> str:
    """A secret told from others, and no more."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


class Refresh:
    """The use of a refresh token, within only_one()."""

    def __init__(self, oauth: OAuth) -> None:
        self._oauth = oauth
        self._name = oauth.refresh_token_secret
        self._keeper = _keepers.get(self._name) if self._name else None
        self._family = _families.setdefault(family_key(oauth), Family())
        self._found = ""  # what is kept

    async def current(self, timeout: float) -> str:
        """The token to use now: the one that is kept, for another process may have had it replaced.

        Where none is kept it is the one that this check has read at its beginning. Raises Failed where that cannot be
        known: one that was replaced meanwhile must not be used again.
        """
        found = None
        if self._keeper and self._name:
            try:
                async with asyncio.timeout(timeout):
                    found = await self._keeper.reread(self._name)
            except TimeoutError:
                text = f"no token: the refresh token {self._name} could not be read within {timeout:g} s"
                raise Failed(text, ErrorType.TIMEOUT) from None
            except OSError as error:
                raise Failed(f"no token: the refresh token {self._name} could not be read: {error}") from None
        self._found = without_line_end(found or "")
        return self._family.best(self._found or value_of(self._oauth.refresh_token))

    async def replace(self, value: str) -> str:
        """Keep the token that came in place of the current one; a note, where a person has to."""
        self._family.replace(value)
        why = "it stands in clear in the configuration"
        if self._keeper and self._name and not (why := await self._keeper.keep(self._name, self._found, value)):
            return ""
        log.warning("A new refresh token cannot be kept: %s", why)
        if self._oauth.provider == "microsoft365":  # the one before stays valid
            return ""
        return (
            f"The token endpoint has replaced the refresh token, and the new one cannot be kept ({why}): the next run "
            "may be refused. Name a Prefect Secret block in oauth.refresh_token_secret, and put a new token there."
        )


@asynccontextmanager
async def only_one(oauth: OAuth, timeout: float) -> AsyncIterator[str]:
    """Be the only one that uses this refresh token. Raises Failed where another thread or process does for too long.

    It yields a note, empty where there is nothing to say: a folder that cannot be written keeps nobody from logging in.
    """
    key = family_key(oauth)
    path = state_home() / "tokens" / f"{digest(json.dumps(key))[:24]}.lock"
    in_use = _families.setdefault(key, Family()).in_use
    until = asyncio.get_running_loop().time() + timeout
    with ExitStack() as held:
        note = ""
        try:
            await _taken(lambda: in_use.acquire(blocking=False), until)
            held.callback(in_use.release)
            for folder in (state_home(), path.parent):
                make_private(folder)
            descriptor = open_state_file(path, os.O_RDWR | os.O_CREAT)
            held.callback(os.close, descriptor)  # and with it the lock
            await _taken(lambda: _locked(descriptor), until)
        except TimeoutError:  # it is an OSError, too
            text = f"no token: another check has been using the refresh token for {timeout:g} s"
            raise Failed(text, ErrorType.TIMEOUT) from None
        except OSError as error:
            log.warning("Other processes may use the same refresh token: %s", unwritable(error))
            note = f"Other processes are not kept from using the refresh token at the same time ({unwritable(error)})."
        yield note


async def _taken(take: Callable[[], bool], until: float) -> None:
    """Take what another thread or process may have."""
    async with asyncio.timeout_at(until):
        while not take():  # noqa: ASYNC110  # neither lock has an event to wait for
            await asyncio.sleep(_LOOK_SECONDS)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
