"""What the cells of the SMTP leg share: a scripted relay with a mailbox behind it, and the way to fail."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.mail.model.outcome import ErrorType, Outcome
from tasks.mail.model.result import LoopResult
from tests.faults.cells import Expected, Ground
from tests.faults.scripted import AMPLE, PASSWORD, SOON, Script, loop
from tests.support.certificates import ServerTls
from tests.support.raw.imap import RawImap
from tests.support.raw.smtp import RawSmtp

GONE = 0.5  # seconds after which a message that never comes is lost


@dataclass(frozen=True)
class Scripted:
    """A relay by script and, behind it, a mailbox; `arrives` says whether what is sent gets there."""

    script: Script
    timeout: float = AMPLE
    arrives: bool = True
    accepted: int | None = None  # how often the message must have come to the relay as a whole
    certificate: str = "good"
    tls: str = "starttls"
    mechanism: str = ""  # the only one that there is to log in by

    async def __call__(self, ground: Ground) -> LoopResult:
        tls = ground.tls(self.certificate)
        async with self._relay(tls) as relay, RawImap() as mailbox:
            if self.arrives:
                relay.deliver = mailbox.append
            max_wait = AMPLE if self.arrives else GONE
            result = await ground.check(loop("smtp", relay, mailbox, tls, self.tls, self.timeout, max_wait))
        assert relay.played >= set(self.script), f"not reached: {set(self.script) - relay.played}"
        if self.accepted is not None:
            assert len(relay.messages) == self.accepted, f"{len(relay.messages)} messages came to the relay"
        if self.tls != "none":
            assert relay.in_clear <= {"EHLO", "STARTTLS", "QUIT"}, f"in clear: {relay.in_clear}"
        assert mailbox.messages == [] or not result.copies, "the probe was left in the mailbox"
        return result

    def _relay(self, tls: ServerTls) -> RawSmtp:
        context = None if self.tls == "none" else tls.context
        relay = RawSmtp(self.script, tls=context, implicit=self.tls == "implicit")
        if self.mechanism:
            relay.extensions, relay.logins.passwords = [f"AUTH {self.mechanism}"], {"monitor": PASSWORD}
        return relay


def failed(stage: str, error_type: ErrorType, outcome: Outcome = Outcome.UNSENT, attempts: int = 1) -> Expected:
    return Expected(outcome, error_type, "smtp", stage, attempts, SOON)
