"""One checked path from a relay to a mailbox, and what its result proves of either."""

from dataclasses import dataclass

from tasks.mail.model.outcome import ErrorType, Outcome, Placement
from tasks.mail.model.result import LoopResult

# The stages before a recipient is named: what fails here has nothing to do with where the message should go.
_DOOR = ("dns", "connect", "tls", "ehlo", "auth", "mail")

_NOT_RUN = (Outcome.MISCONFIGURED, Outcome.SKIPPED)
NOT_SENT = (Outcome.UNSENT, Outcome.REJECTED, Outcome.DEFERRED)
_NOT_ARRIVED = (*NOT_SENT, Outcome.LOST, Outcome.BOUNCED)


@dataclass(frozen=True, slots=True)
class Path:
    """The result of one loop, with the names of its two ends."""

    sender: str
    receiver: str
    result: LoopResult

    @property
    def cell(self) -> tuple[str, str]:
        return self.sender, self.receiver

    @property
    def ran(self) -> bool:
        """Whether it says anything: a check that did not begin, or broke, does not."""
        return self.result.outcome not in _NOT_RUN and self.result.error_type is not ErrorType.UNEXPECTED

    @property
    def at_the_door(self) -> bool:
        """Whether the relay failed before it knew whom the message is for."""
        return self.ran and self.result.outcome in NOT_SENT and self.result.stage in _DOOR

    @property
    def unreadable(self) -> bool:
        """Whether the mailbox could not be read."""
        return self.ran and self.result.outcome is Outcome.UNVERIFIED

    @property
    def was_read(self) -> bool:
        """Whether the mailbox was read to the end: the message was seen there, or known to be missing."""
        return self.seen or (self.ran and self.result.outcome in (Outcome.LOST, Outcome.BOUNCED))

    @property
    def seen(self) -> bool:
        """Whether the message was seen in the mailbox. Without a mailbox the relay's word is all there is."""
        return self.ran and self.result.copies > 0

    @property
    def in_place(self) -> bool:
        return self.seen and self.result.placement is Placement.EXPECTED

    @property
    def failed(self) -> bool:
        """Whether a relay that listened, or what is behind it, did not bring the message to the mailbox."""
        return self.ran and self.result.outcome in _NOT_ARRIVED and not self.at_the_door
