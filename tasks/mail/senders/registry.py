"""The protocols that a probe can be sent by, one line each, and the attempts of one delivery with any of them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from tasks.mail.config.loop import SenderSection
from tasks.mail.model.errors import SendFailure
from tasks.mail.model.facts import Receipt
from tasks.mail.model.moment import Moment
from tasks.mail.model.outcome import Leg
from tasks.mail.model.result import AttemptRecord
from tasks.mail.net import limits
from tasks.mail.net.stages import report_stage
from tasks.mail.probe.compose import Probe
from tasks.mail.senders.smtp.dialogue import SmtpSender


class Sender(Protocol):
    """Hands a probe over as its section of the configuration says; made anew for each attempt."""

    async def send(self, probe: Probe, started: Moment) -> Receipt:
        """Make one attempt; `started` is when the first one began. Raises SendFailure.

        Where the probe may have been accepted, though no reply said so, that is no failure but a receipt that is not
        `certain`.
        """

    async def log_in(self) -> None:
        """Connect, log in where that is configured, and leave. Raises SendFailure."""


# By the key of the configuration: who sends what its section says.
SENDERS: dict[str, Callable[[SenderSection], Sender]] = {"smtp": SmtpSender}


class Attempts:
    """Those of one delivery: how many there were, when the first began, and how each of the failed ones ended."""

    def __init__(self, spend: Callable[[], None] = lambda: None) -> None:
        """`spend` is called before each attempt."""
        self._spend = spend
        self.count = 0
        self.bodies = 0  # messages that went out whole and were refused then
        self.errors: list[AttemptRecord] = []
        self.times: list[tuple[float, float]] = []  # begun and ended, in seconds since the first one began
        self.started = Moment.now()

    def begin(self) -> None:
        """One more attempt begins."""
        if self.count == 0:
            self.started = Moment.now()
        self._spend()
        self.count += 1
        now = Moment.now().since(self.started)
        self.times.append((now, now))

    def ended(self) -> None:
        """The attempt that began last is over, however it ended."""
        self.times[-1] = (self.times[-1][0], Moment.now().since(self.started))

    def failed(self, error: SendFailure) -> None:
        """The attempt that began last failed, or ended in doubt."""
        report_stage(Leg.SENDING, error.stage, error.text)
        self.bodies += error.body_out
        self.errors.append(AttemptRecord(self.count, error.error_type, error.code, error.text, error.stage))


async def attempt(probe: Probe, section: SenderSection, attempts: Attempts) -> Receipt:
    """Make one more attempt, and note how it ended. Raises SendFailure."""
    async with limits.relay_slot(section.host, section.port, section.username):
        attempts.begin()
        try:
            receipt = await SENDERS[section.protocol](section).send(probe, attempts.started)
        except SendFailure as error:
            attempts.failed(error)
            raise
        finally:
            attempts.ended()
    if receipt.doubt is not None:
        attempts.failed(receipt.doubt)
    return replace(receipt, earlier_copies=attempts.bodies)


async def log_in(section: SenderSection) -> None:
    """See whether the relay lets us in; nothing is sent. Raises SendFailure."""
    await SENDERS[section.protocol](section).log_in()
