"""The secrets of a configuration: which there are, where they come from, and the texts kept free of them."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TypeVar, cast

from pydantic import BaseModel, SecretStr

from tasks.mail.config.loop import CheckConfig, ImapConfig, SenderSection
from tasks.mail.config.mailbox import BounceMailbox, MailboxConfig
from tasks.mail.config.oauth import WRITTEN_BACK
from tasks.mail.config.oauth_values import PROBLEMS
from tasks.mail.config.section import Section, secret_fields, without_line_end
from tasks.mail.model.cause import Cause
from tasks.mail.model.errors import ConfigError
from tasks.mail.model.redaction.redactor import NOTHING, Redactor
from tasks.mail.model.redaction.traces import key_material

LoginSection = TypeVar("LoginSection", bound=SenderSection | ImapConfig | BounceMailbox)
# That of the check that runs here: any of its servers may know the passwords of the others.
_mine: ContextVar[Redactor] = ContextVar("redactor", default=NOTHING)


def login_sections(check: CheckConfig) -> dict[str, SenderSection | ImapConfig | BounceMailbox]:
    """The sections that log in somewhere, by name; those that the check does not have are left out."""
    return {name: section for name, section in check if hasattr(section, "password_secret")}


@dataclass(frozen=True, slots=True)
class Secret:
    """One secret of a section: `path` leads to the field that holds it in clear, `value` is there once it is in place.

    `name` is what it is called by, where it is: a Secret block or an environment variable.
    """

    path: tuple[str, ...]
    value: str | None = field(repr=False)
    name: str | None

    @property
    def where(self) -> str:
        """The field that says what it is, as its owner has it."""
        return ".".join(self.path) + ("_secret" if self.name is not None else "")

    @property
    def words(self) -> str:
        """What it is, such as client secret."""
        return self.path[-1].replace("_", " ")

    @property
    def is_one_line(self) -> bool:
        """Whether it is a text of one line, as passwords are."""
        return self.path[-1] not in PROBLEMS

    @property
    def has_line_end(self) -> bool:
        """Whether it ends in a line end, which is not sent."""
        return self.is_one_line and self.value is not None and self.value != without_line_end(self.value)


def secrets_of(section: Section, *inside: str) -> Iterator[Secret]:
    """Every secret of a section and of those in it, in place or by name. Whoever guards secrets asks here for them."""
    for name in secret_fields(type(section)):
        value, named = getattr(section, name), getattr(section, f"{name}_secret")
        if value is not None or named is not None:
            yield Secret((*inside, name), value.get_secret_value() if value is not None else None, named)
    for name in type(section).model_fields:
        if isinstance(inner := getattr(section, name), Section):
            yield from secrets_of(inner, *inside, name)


def unresolved(section: Section) -> list[tuple[Secret, str]]:
    """Those of its secrets that are not in place yet, each with its name."""
    return [(secret, secret.name) for secret in secrets_of(section) if secret.value is None and secret.name is not None]


def password_of(section: SenderSection | MailboxConfig) -> str:
    """The password of a section, as it is sent; empty where there is none."""
    return without_line_end(section.password.get_secret_value()) if section.password else ""


def redactor(*sections: SenderSection | MailboxConfig | None) -> Redactor:
    """One that hides the secrets of these sections and of the check that runs here, and nothing that they show."""
    there = [section for section in sections if section is not None]
    logins = [(one.username or "", part) for one in there for secret in secrets_of(one) for part in _parts(secret)]
    return _mine.get().and_also(logins, [text for section in there for text in _shown(section)])


def _parts(secret: Secret) -> Iterator[str]:
    """What of a secret is hidden: all of it, or of a key with names and dates around it the key."""
    if secret.value is not None:
        yield from key_material(secret.value) or [without_line_end(secret.value)]


def redactor_of(check: CheckConfig) -> Redactor:
    """The same for a whole check."""
    return redactor(*login_sections(check).values()).and_also((), [check.name])


@contextmanager
def hiding(check: CheckConfig) -> Iterator[None]:
    """Within it, whatever is made a text of is without all passwords of `check`, which are in place."""
    token = _mine.set(redactor_of(check))
    try:
        yield
    finally:
        _mine.reset(token)


def _shown(value: object) -> Iterator[str]:
    """The values of a section; of an address its parts as well, for they stand in texts, too."""
    if isinstance(value, BaseModel):
        for field in type(value).model_fields:
            yield from _shown(getattr(value, field))
    elif isinstance(value, str) and not isinstance(value, SecretStr):
        local, at, domain = value.rpartition("@")
        yield from (value, *((local, domain, f"{at}{domain}") if at else ()))


# -- secrets from the environment: what `password_secret` means where there is no Prefect Secret block of that name


def variable(secret: str) -> str:
    """The environment variable that stands for a secret: its name in upper case, `-` made `_`."""
    return secret.upper().replace("-", "_")


def from_environment(secret: str) -> str | None:
    """The value in the environment; None where there is none, or an empty one."""
    value = os.environ.get(variable(secret), "")
    return value if without_line_end(value) else None


def unwritable(secret: str) -> str:
    """Why a new value cannot be kept in the environment."""
    return f"the environment variable {variable(secret)} cannot be written"


def with_secret(section: LoginSection, field: str, secret: Secret, value: str) -> LoginSection:
    """The section with a secret in place; `field` is what it is called in errors.

    The name goes, but for that of a secret that is written back. Raises ConfigError where the value is none.
    """
    if any("\ud800" <= character <= "\udfff" for character in value):  # what Python makes of other octets
        raise ConfigError(f"{field}.{secret.where}: the value of {secret.name} is not UTF-8")
    if not secret.is_one_line and (wrong := PROBLEMS[secret.path[-1]](value)):
        raise ConfigError(f"{field}.{secret.where}: the value of {secret.name} {wrong}")
    return cast(LoginSection, _put(section, secret.path, value))


def _put(section: Section, path: Sequence[str], value: str) -> Section:
    name, *rest = path
    if rest:
        return section.model_copy(update={name: _put(getattr(section, name), rest, value)})
    named = {} if name in WRITTEN_BACK else {f"{name}_secret": None}
    return section.model_copy(update={name: SecretStr(value), **named})


def missing(field: str, looked_in: str) -> ConfigError:
    """The error of a secret that is nowhere to be found; `field` is the one that names it."""
    return ConfigError(f"{field}: there is {looked_in}: create one of them", Cause.SECRET_MISSING)


class EnvironmentPasswords:
    """Secrets taken from the environment alone. See tasks.mail.engine.Passwords."""

    async def resolve(self, section: LoginSection, field: str) -> LoginSection:
        """The section with its secrets in place. Raises ConfigError where the environment does not have one."""
        for secret, name in unresolved(section):
            if (value := from_environment(name)) is None:
                raise ConfigError(
                    f"{field}.{secret.where}: there is no environment variable {variable(name)}, "
                    "and without Prefect no Secret block is looked for: set the variable",
                    Cause.SECRET_MISSING,
                )
            section = with_secret(section, field, secret, value)
        return section

    async def reread(self, name: str) -> str | None:
        """See Keeper in tasks.mail.auth.tokens.rotation."""
        return from_environment(name)

    async def keep(self, name: str, before: str, value: str) -> str:
        """See Keeper in tasks.mail.auth.tokens.rotation: nothing can be kept here."""
        return unwritable(name)


def with_known_secrets(check: CheckConfig) -> CheckConfig:
    """The check with those of its secrets that the environment has; what it lacks, or is none, is no error here."""
    return check.model_copy(update={name: _known(one, name) for name, one in login_sections(check).items()})


def _known(section: LoginSection, field: str) -> LoginSection:
    for secret, name in unresolved(section):
        if value := from_environment(name):
            with suppress(ConfigError):
                section = with_secret(section, field, secret, value)
    return section
