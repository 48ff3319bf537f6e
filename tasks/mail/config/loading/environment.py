"""Passwords from the environment: what `password_secret` means where there is no Prefect Secret block of that name."""

import os
from typing import TypeVar, cast

from pydantic import SecretStr

from tasks.mail.config.fields import without_line_end
from tasks.mail.config.loop import CheckConfig, ImapConfig, SenderSection
from tasks.mail.config.mailbox import BounceMailbox
from tasks.mail.config.secrets import login_sections
from tasks.mail.model.cause import Cause
from tasks.mail.model.errors import ConfigError

LoginSection = TypeVar("LoginSection", bound=SenderSection | ImapConfig | BounceMailbox)


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
    named = {name: one for name, one in login_sections(check).items() if one.password_secret is not None}
    known = {name: (one, from_environment(one.password_secret or "")) for name, one in named.items()}
    return check.model_copy(
        update={name: with_password(one, name, password) for name, (one, password) in known.items() if password}
    )
