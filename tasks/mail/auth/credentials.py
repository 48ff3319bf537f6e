"""What a section of the configuration has to log in with, whichever leg it is of."""

from tasks.mail.auth.sasl import Credentials
from tasks.mail.auth.tokens.access import Token, access_token, drop
from tasks.mail.config.loop import SenderSection
from tasks.mail.config.mailbox import MailboxConfig
from tasks.mail.config.secrets import password_of


async def token_for(section: SenderSection | MailboxConfig, refused: Token | None = None) -> Token | None:
    """An access token; None where none is configured. `refused` is one that the server did not take.

    Raises TokenFailure.
    """
    if section.oauth is None:
        return None
    return await access_token(section.oauth, section.username or "", refused, section.timeout)


def drop_token(section: SenderSection | MailboxConfig, refused: Token) -> None:
    """Let nobody have a token that a server has called over."""
    if section.oauth is not None:
        drop(section.oauth, section.username or "", refused)


def credentials_of(section: SenderSection | MailboxConfig, token: Token | None, in_clear: bool) -> Credentials:
    """A certificate counts where there is nothing else to log in with."""
    password = password_of(section)
    return Credentials(
        section.username or "",
        password,
        token.value if token else "",
        host=section.host,
        port=section.port,
        in_clear=in_clear,
        by_certificate=section.cert_file is not None and not password and not token,
    )
