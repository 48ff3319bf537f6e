"""One login by SASL (RFC 4422), whatever the mechanism and the protocol that carries it."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from tasks.mail.model.cause import Cause
from tasks.mail.model.errors import MailLoopError

CANCEL = b"*"  # over SMTP and IMAP alike, instead of an answer


class ExchangeError(MailLoopError):
    """The server did not keep to the mechanism: its login service is out of order, unless it says something else."""

    def __init__(self, text: str, cause: Cause = Cause.LOGIN_UNAVAILABLE) -> None:
        super().__init__(text)
        self.cause = cause


@dataclass(frozen=True, slots=True)
class Exchange:
    """What the client says in one login, in base64. Without an `initial` response the server speaks first.

    `answers` are functions of the challenges, in base64 as they came. They raise ExchangeError, or ValueError where a
    challenge is not one of the mechanism. The last one may be `optional`: a server that agrees does not ask for it.
    """

    mechanism: str
    initial: bytes | None = field(default=None, repr=False)
    answers: tuple[Callable[[str], bytes], ...] = field(default=(), repr=False)
    optional: bool = False

    def arguments(self, longest: int) -> tuple[tuple[bytes, ...], bool]:
        """What stands behind the command of the protocol, and whether the initial response is in it.

        It is where all of that has at most `longest` octets; else the server is answered with it.
        """
        name = self.mechanism.encode()
        if self.initial is None:
            return (name,), False
        both = (name, self.initial or b"=")  # nothing at all is written so, where it comes with the command
        return (both, True) if len(b" ".join(both)) <= longest else ((name,), False)


class Dialogue:
    """An exchange on its way: gives the answer to each challenge as it comes."""

    def __init__(self, exchange: Exchange, initial_sent: bool) -> None:
        """`initial_sent`: the initial response goes with the command, else it answers the first challenge."""
        self._mechanism = exchange.mechanism
        self._answers = deque(exchange.answers)
        if exchange.initial is not None and not initial_sent:
            initial = exchange.initial
            self._answers.appendleft(lambda challenge: initial)
        self._may_remain = int(exchange.optional)
        self._error: ExchangeError | None = None

    def answer(self, challenge: str) -> bytes:
        """What to send now: CANCEL where there is no answer, and `check` says why."""
        try:
            if self._error is None and self._answers:
                return self._answers.popleft()(challenge)
            self._error = self._error or ExchangeError(f"the server asks for more than {self._mechanism} has")
        except ExchangeError as error:
            self._error = error
        except ValueError:
            self._error = ExchangeError(f"Invalid {self._mechanism} challenge from server: {challenge!r}")
        return CANCEL

    def check(self, accepted: bool) -> None:
        """It is over. Raises ExchangeError where it was cancelled, or was `accepted` before its end."""
        if self._error is not None:
            raise self._error
        if accepted and len(self._answers) > self._may_remain:
            raise ExchangeError(f"the server agreed before {self._mechanism} was at its end")
