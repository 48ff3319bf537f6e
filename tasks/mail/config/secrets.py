"""What a configuration keeps out of all texts, and what it shows itself in each report."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from pydantic import BaseModel, SecretStr

from tasks.mail.config.fields import without_line_end
from tasks.mail.model.redaction.redactor import NOTHING, Redactor

if TYPE_CHECKING:
    from tasks.mail.config.loop import CheckConfig, ImapConfig, SenderSection
    from tasks.mail.config.mailbox import BounceMailbox, MailboxConfig

LOGINS = ("smtp", "imap", "bounce_mailbox")

# That of the check that runs here: any of its servers may know the passwords of the others.
_mine: ContextVar[Redactor] = ContextVar("redactor", default=NOTHING)


def login_sections(check: CheckConfig) -> dict[str, SenderSection | ImapConfig | BounceMailbox]:
    """The sections that log in somewhere, by name; those that the check does not have are left out."""
    sections = {name: getattr(check, name, None) for name in LOGINS}
    return {name: section for name, section in sections.items() if section is not None}


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
    """The values of a section; of an address its parts as well, for what the parts are in is told, too."""
    if isinstance(value, BaseModel):
        for field in type(value).model_fields:
            yield from _shown(getattr(value, field))
    elif isinstance(value, str) and not isinstance(value, SecretStr):
        local, at, domain = value.rpartition("@")
        yield from (value, *((local, domain, f"{at}{domain}") if at else ()))
