"""Passwords from the environment: what `password_secret` means where there is no Prefect Secret block of that name."""

from __future__ import annotations

import os
from typing import TypeVar

from pydantic import SecretStr

from tasks.mail.config.fields import without_line_end
from tasks.mail.config.loop import ImapConfig, InboundConfig, LoopConfig, SmtpConfig
from tasks.mail.config.mailbox import BounceMailbox
from tasks.mail.model.cause import Cause
from tasks.mail.model.errors import ConfigError

Section = TypeVar("Section", SmtpConfig, ImapConfig, BounceMailbox)


def variable(secret: str) -> str:
    """The environment variable that stands for a secret: its name in upper case, `-` made `_`."""
    return secret.upper().replace("-", "_")


def from_environment(secret: str) -> str | None:
    """The password in the environment; None where there is none, or an empty one."""
    value = os.environ.get(variable(secret), "")
    return value if without_line_end(value) else None


def with_password(section: Section, field: str, password: str) -> Section:
    """The section with its password in place of the secret's name. Raises ConfigError where it is no text."""
    if any("\ud800" <= character <= "\udfff" for character in password):  # what Python makes of other octets
        raise ConfigError(f"{field}.password_secret: the value of {section.password_secret} is not UTF-8")
    return section.model_copy(update={"password": SecretStr(password), "password_secret": None})


def missing(field: str, looked_in: str) -> ConfigError:
    """The error of a secret that is nowhere to be found."""
    return ConfigError(f"{field}.password_secret: there is {looked_in}: create one of them", Cause.SECRET_MISSING)


def resolve_from_environment(loop: LoopConfig) -> LoopConfig:
    """The loop with all its passwords, taken from the environment alone. Raises ConfigError."""
    smtp = _section(loop.smtp, "smtp")
    imap = _section(loop.imap, "imap") if loop.imap else None
    bounces = _section(loop.bounce_mailbox, "bounce_mailbox") if loop.bounce_mailbox else None
    return loop.model_copy(update={"smtp": smtp, "imap": imap, "bounce_mailbox": bounces})


def resolve_inbound_from_environment(inbound: InboundConfig) -> InboundConfig:
    """The same for an inbound check."""
    return inbound.model_copy(update={"imap": _section(inbound.imap, "imap")})


def with_known_passwords(check: LoopConfig | InboundConfig) -> LoopConfig | InboundConfig:
    """The check with those of its passwords that the environment has; what it lacks is no error here."""
    sections = {name: getattr(check, name, None) for name in ("smtp", "imap", "bounce_mailbox")}
    named = {name: one for name, one in sections.items() if one is not None and one.password_secret is not None}
    known = {name: (one, from_environment(one.password_secret)) for name, one in named.items()}
    return check.model_copy(
        update={name: with_password(one, name, password) for name, (one, password) in known.items() if password}
    )


def _section(section: Section, field: str) -> Section:
    if (secret := section.password_secret) is None:
        return section
    if (password := from_environment(secret)) is None:
        raise ConfigError(
            f"{field}.password_secret: there is no environment variable {variable(secret)}, "
            "and without Prefect no Secret block is looked for: set the variable",
            Cause.SECRET_MISSING,
        )
    return with_password(section, field, password)
