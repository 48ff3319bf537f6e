"""Refresh tokens for the sections of a configuration: which there are to get, and whether servers then let us in."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import Protocol, cast

from tasks.mail.auth.tokens.browser import by_browser
from tasks.mail.auth.tokens.consent import Request, Show
from tasks.mail.auth.tokens.device_code import by_device_code
from tasks.mail.auth.tokens.rotation import kept_by, only_one
from tasks.mail.auth.tokens.token_answer import Failed
from tasks.mail.config.loading.files import Config, planned
from tasks.mail.config.loop import CheckConfig, ImapConfig, LoopConfig, SenderSection
from tasks.mail.config.mailbox import BounceMailbox, MailboxConfig
from tasks.mail.config.oauth import OAuth
from tasks.mail.config.secrets import hiding, login_sections, redactor_of, unresolved, with_secret
from tasks.mail.engine import Passwords
from tasks.mail.mailboxes.registry import open_mailbox
from tasks.mail.model.errors import ConfigError, MailboxFailure, SendFailure, as_mailbox_failure
from tasks.mail.search.watch import searched
from tasks.mail.senders.registry import log_in
from tasks.mail.verdict.remedies import Remedy, cause_of_refusal, not_sent, unread

_MAX_NAMED = 5  # sections in a line
_IN_USE_SECONDS = 30.0  # that a check may use the refresh token before

_Section = SenderSection | ImapConfig | BounceMailbox


class Store(Passwords, Protocol):
    """Where refresh tokens are kept."""

    def check(self, name: str, field: str) -> None:
        """Raise ConfigError where nothing can be kept under this name, which `field` gives."""

    async def save(self, name: str, value: str) -> str:
        """Keep one under this name, whatever was there; returns where. Raises ConfigError where that cannot be done."""


@dataclass(frozen=True)
class Place:
    """A section that logs in with a refresh token, and the check that it is of. `where`: what it is called."""

    where: str
    name: str
    check: CheckConfig

    @property
    def section(self) -> _Section:
        return login_sections(self.check)[self.name]

    @property
    def oauth(self) -> OAuth:
        return cast(OAuth, self.section.oauth)

    @property
    def server(self) -> tuple[str, str, int, str]:
        """What is logged in to, and as whom: once is enough."""
        section = self.section
        return section.protocol, section.host, section.port, section.username or ""


@dataclass(frozen=True)
class Login:
    """A refresh token to get, which has a name, and the places that it is for: of one client, at one endpoint."""

    name: str
    places: Sequence[Place]

    @property
    def scopes(self) -> list[str]:
        """What all of them ask for."""
        return [*dict.fromkeys(scope for place in self.places for scope in place.oauth.scopes)]

    @property
    def where(self) -> str:
        """What they are called together."""
        names = [*dict.fromkeys(place.where for place in self.places)]
        more = [f"{len(names) - _MAX_NAMED} more"] if len(names) > _MAX_NAMED else []
        return ", ".join([*names[:_MAX_NAMED], *more])

    @property
    def users(self) -> str:
        """In whose name they log in."""
        return " or ".join(dict.fromkeys(place.section.username or "" for place in self.places))


def logins_of(config: Config, file: str, wanted: Collection[str] = ()) -> list[Login]:
    """The refresh tokens to get for a file; `wanted`: for sections of these names, and those that share their secret.

    Raises ConfigError.
    """
    named: dict[str, list[Place]] = {}
    for place in _places(config):
        if (name := place.oauth.refresh_token_secret) is not None:
            named.setdefault(name, []).append(place)
    logins = [
        Login(name, places)
        for name, places in named.items()
        if not wanted or any({place.name, place.where} & {*wanted} for place in places)
    ]
    if not logins:
        which = f"section {' or '.join(sorted(wanted))}" if wanted else "section"
        raise ConfigError(
            f"{file}: no {which} logs in with a refresh token that has a name: set oauth.refresh_token_secret"
        )
    for login in logins:
        _check(login, file)
    return logins


def _places(config: Config) -> Iterator[Place]:
    checks = [check.config for check in planned(config)]
    for check in checks:
        for name, section in login_sections(check).items():
            if section.oauth is not None:
                yield Place(f"{check.name}.{name}" if checks[1:] else name, name, check)


def _check(login: Login, file: str) -> None:
    """Raise ConfigError unless all places of a login can share one token, and it is known where to ask for it."""
    first, *others = login.places
    field = f"{file}: {first.where}.oauth"
    for other in others:
        if _client(other.oauth) != _client(first.oauth):
            raise ConfigError(
                f"{field}.refresh_token_secret: is that of {other.where} as well, which has another client or token "
                "URL: give each a name of its own"
            )
    if not (first.oauth.device_endpoint or first.oauth.authorization_endpoint):
        raise ConfigError(f"{field}: set device_url or authorize_url, for a login has to begin somewhere")


def _client(oauth: OAuth) -> tuple[object, ...]:
    """Whose a refresh token is, and where it is asked for."""
    own = (oauth.client_secret, oauth.client_secret_secret, oauth.private_key, oauth.private_key_secret)
    return oauth.client_id, oauth.endpoint, oauth.device_endpoint, oauth.authorization_endpoint, oauth.ca_file, *own


async def get_token(login: Login, store: Store, until: float, show: Show, port: int = 0) -> str:
    """The refresh token that a person lets us have. Raises TokenFailure, ConfigError, and OSError of the port."""
    place = login.places[0]
    oauth = cast(OAuth, (await _resolved(place, store)).oauth)
    request = Request(oauth, login.scopes, until)
    grant = await (by_device_code(request, show) if oauth.device_endpoint else by_browser(request, show, port))
    if not grant.refresh_token:
        text = f"no refresh token from {oauth.endpoint_host}, for the access token alone: ask for one by oauth.scope"
        raise Failed(f"{text} (such as offline_access) or oauth.authorize_url (such as ?access_type=offline)")
    return grant.refresh_token


async def keep_token(login: Login, store: Store, token: str) -> str:
    """Keep what a person has let us have, when no check is about to replace the one before; returns where.

    Raises ConfigError. A check that takes too long is not waited for: the token must not be lost.
    """
    async with AsyncExitStack() as held:
        with suppress(Failed):
            await held.enter_async_context(only_one(login.places[0].oauth, _IN_USE_SECONDS))
        return await store.save(login.name, token)


async def _resolved(place: Place, store: Store) -> _Section:
    """The section with its secrets in place, but for the refresh token, which is still to come."""
    bare = place.oauth.model_copy(update={"refresh_token_secret": None})
    return await store.resolve(place.section.model_copy(update={"oauth": bare}), place.where)


async def try_login(place: Place, store: Store, token: str) -> tuple[str, Remedy] | None:
    """Log in as a check does, and leave; where that fails, why, and what to do about it. `token` is a refresh token."""
    section = await _resolved(place, store)
    named = {"refresh_token_secret": place.oauth.refresh_token_secret}
    section = section.model_copy(update={"oauth": cast(OAuth, section.oauth).model_copy(update=named)})
    ((secret, _),) = unresolved(section)
    section = with_secret(section, place.where, secret, token)
    kept_by(cast(OAuth, section.oauth), store)
    check = place.check.model_copy(update={place.name: section})
    with hiding(check):
        try:
            with as_mailbox_failure(redactor_of(check)):
                await _visit(login_sections(check)[place.name])
        except SendFailure as failure:
            cause = cause_of_refusal(cast(LoopConfig, check).sender, failure)
            return failure.text, not_sent(cast(LoopConfig, check), failure, cause)
        except MailboxFailure as failure:
            return failure.text, unread(cast(MailboxConfig, login_sections(check)[place.name]), failure)
    return None


async def _visit(section: _Section) -> None:
    if isinstance(section, SenderSection):
        await log_in(section)
        return
    mailbox = await open_mailbox(searched(section) if isinstance(section, BounceMailbox) else section)
    await mailbox.close()


def distinct(places: Sequence[Place]) -> list[Place]:
    """Of those that log in to the same server as the same user the first one."""
    return [*{place.server: place for place in reversed(places)}.values()][::-1]
