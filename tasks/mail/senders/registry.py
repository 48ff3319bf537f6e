"""The protocols that a probe can be sent by, one line each, and what an attempt is with any of them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from tasks.mail.config.loop import SenderSection
from tasks.mail.model.errors import SendFailure
from tasks.mail.model.facts import Receipt
from tasks.mail.model.moment import Moment
from tasks.mail.net import limits
from tasks.mail.probe.compose import Probe
from tasks.mail.senders.attempts import Attempts
from tasks.mail.senders.smtp.dialogue import SmtpSender


class Sender(Protocol):
    """Hands a probe over as its section of the configuration says."""

    async def send(self, probe: Probe, started: Moment) -> Receipt:
        """Make one attempt; `started` is when the first one began. Raises SendFailure.

        Where the probe may have been accepted, though nobody said so, that is no failure but a receipt that is not
        `certain`.
        """


# By the key of the configuration: who sends what its section says.
SENDERS: dict[str, Callable[[SenderSection], Sender]] = {"smtp": SmtpSender}


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
