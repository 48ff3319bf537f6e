"""What no text may show: the passwords of sections, in all their forms (see redaction)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.mail.model.redaction import forms

if TYPE_CHECKING:
    from tasks.mail.config.loop import SmtpConfig
    from tasks.mail.config.mailbox import MailboxConfig


def secrets_of(section: SmtpConfig | MailboxConfig) -> tuple[str, ...]:
    """All forms of the password of a section; none where it has none."""
    return forms(section.password.get_secret_value() if section.password else "", section.username or "")


def secrets_of_all(*sections: SmtpConfig | MailboxConfig | None) -> tuple[str, ...]:
    """Those of all sections that there are."""
    return tuple(secret for section in sections if section is not None for secret in secrets_of(section))
