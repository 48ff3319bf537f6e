"""The passwords of a configuration: which sections have one, where they come from, and the texts kept free of them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar, cast

from pydantic import BaseModel, SecretStr

from tasks.mail.config.loop import CheckConfig, ImapConfig, SenderSection
from tasks.mail.config.mailbox import BounceMailbox, MailboxConfig
from tasks.mail.config.section import without_line_end
from tasks.mail.model.cause import Cause
from tasks.mail.model.errors import ConfigError
from tasks.mail.model.redaction.redactor import NOTHING, Redactor

LoginSection = TypeVar("LoginSection", bound=SenderSection | ImapConfig | BounceMailbox)
# That of the check that runs here: any of its servers may know the passwords of the others.
_mine: ContextVar[Redactor] = ContextVar("redactor", default=NOTHING)


def login_sections(check: CheckConfig) -> dict[str, SenderSection | ImapConfig | BounceMailbox]:
    """The sections that log in somewhere, by name; those that the check does not have are left out."""
    return {name: section for name, section in check if hasattr(section, "password_secret")}


def password_of(section: SenderSection | MailboxConfig) -> str:
    """The password of a section, as it is sent; empty where there is none."""
    return without_line_end(section.password.get_secret_value()) if section.password else ""


def has_line_end(section: SenderSection | MailboxConfig) -> bool:
    """Whether its password ends in a line end, which is not sent."""
    return section.password is not None and section.password.get_secret_value() != password_of(section)


def redactor(*sections: SenderSection | MailboxConfig | None) -> Redactor:
    """One that hides the passwords of these sections and of the check that runs here, and nothing that they show."""
    there = [section for section in sections if section is not None]
    passwords = [(one.username or "", password_of(one)) for one in there if one.password]
    return _mine.get().and_also(passwords, [text for section in there for text in _shown(section)])


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


# -- passwords from the environment: what `password_secret` means where there is no Prefect Secret block of that name


def variable(secret: str) -> str:
    """The environment variable that stands for a secret: its name in upper case, `-` made `_`."""
    return secret.upper().replace("-", "_")


def from_environment(secret: str) -> str | None:
    """The password in the environment; None where there is none, or an empty one."""
    value = os.environ.get(variable(secret), "")
    return value if without_line_end(value) else None


def with_password(section: LoginSection, field: str, password: str) -> LoginSection:
    """The section with its password in place of the secret's name. Raises ConfigError where it is no text."""
    if any("\ud800" <= character <= "\udfff" for character in password):  # what Python makes of other octets
        raise ConfigError(f"{field}.password_secret: the value of {section.password_secret} is not UTF-8")
    return cast(LoginSection, section.model_copy(update={"password": SecretStr(password), "password_secret": None}))


def missing(field: str, looked_in: str) -> ConfigError:
    """The error of a secret that is nowhere to be found."""
    return ConfigError(f"{field}.password_secret: there is {looked_in}: create one of them", Cause.SECRET_MISSING)


class EnvironmentPasswords:
    """Passwords taken from the environment alone. See tasks.mail.engine.Passwords."""

    async def resolve(self, section: LoginSection, field: str) -> LoginSection:
        """The section with its password in place. Raises ConfigError where the environment does not have it."""
        if (secret := section.password_secret) is None:
            return section
        if (password := from_environment(secret)) is None:
            raise ConfigError(
                f"{field}.password_secret: there is no environment variable {variable(secret)}, "
                "and without Prefect no Secret block is looked for: set the variable",
                Cause.SECRET_MISSING,
            )
        return with_password(section, field, password)


def with_known_passwords(check: CheckConfig) -> CheckConfig:
    """The check with those of its passwords that the environment has; what it lacks is no error here."""
    known = {
        name: with_password(section, name, password)
        for name, section in login_sections(check).items()
        if section.password_secret is not None and (password := from_environment(section.password_secret))
    }
    return check.model_copy(update=known)
