"""How a login is asked for over IMAP: AUTHENTICATE, or LOGIN, by what the server offers."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from tasks.mail.auth.exchange import Dialogue
from tasks.mail.auth.sasl import Credentials, choose, not_offered
from tasks.mail.mailboxes.failures import never
from tasks.mail.mailboxes.imap.connection import Answer
from tasks.mail.mailboxes.imap.encoding import strings
from tasks.mail.model.cause import Cause
from tasks.mail.model.errors import MailboxFailure
from tasks.mail.model.outcome import ErrorType

_AUTH = "AUTH="
# RFC 7162, 4: where the command would be longer the initial response is not for SASL-IR (RFC 4959).
_LONGEST_ARGUMENTS = 8192 - len(b"A123 AUTHENTICATE \r\n")


@dataclass(frozen=True, slots=True)
class LoginCommand:
    """One attempt. `check`: see Dialogue."""

    verb: str
    arguments: tuple[bytes, ...] = field(repr=False)
    answer: Answer
    check: Callable[[bool], None]


def knows_mechanisms(capabilities: Collection[str]) -> bool:
    """Whether the server has said by which mechanisms one can log in."""
    return any(name.startswith(_AUTH) for name in capabilities)


def login_command(capabilities: Collection[str], credentials: Credentials) -> LoginCommand:
    """By the first mechanism that is offered. Raises MailboxFailure where none is."""
    if "\0" in credentials.username + credentials.password:
        text = "the user name or the password holds a NUL, which IMAP cannot carry"
        raise never(ErrorType.AUTH, "login", text, Cause.LOGIN_METHOD)
    offered = {name.removeprefix(_AUTH) for name in capabilities if name.startswith(_AUTH)}
    # The command of that name goes before the mechanism, and is what a server has that offers no mechanism.
    by_command = "LOGINDISABLED" not in capabilities
    exchange = choose(offered | {"LOGIN"} if by_command else offered, credentials)
    if exchange is None:
        text = f"the server offers {not_offered(offered, credentials)} on this connection"
        cause = Cause.TLS_REQUIRED if credentials.in_clear and not by_command else Cause.LOGIN_METHOD
        raise MailboxFailure(ErrorType.AUTH, "login", text, cause=cause)
    if exchange.mechanism == "LOGIN" and by_command:
        line, *literals = strings(credentials.username.encode(), credentials.password.encode())
        rest = iter(literals)
        return LoginCommand("LOGIN", (line,), lambda challenge: next(rest, None), lambda accepted: None)
    may = "SASL-IR" in capabilities or "IMAP4REV2" in capabilities
    arguments, initial_sent = exchange.arguments(_LONGEST_ARGUMENTS if may else 0)
    dialogue = Dialogue(exchange, initial_sent)
    return LoginCommand("AUTHENTICATE", arguments, dialogue.answer, dialogue.check)
