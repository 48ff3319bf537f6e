"""What to look for after the SMTP leg, and what a look proves about it.

A relay may refuse what it has taken all the same. The message then arrives, and so does the copy of the next attempt.
"""

from tasks.mail.config.loop import LoopConfig
from tasks.mail.model.errors import MailboxFailure, SendFailure
from tasks.mail.model.facts import Arrival, Receipt
from tasks.mail.model.moment import Moment
from tasks.mail.probe.compose import Probe
from tasks.mail.search.watch import SearchRequest
from tasks.mail.senders.registry import Attempts

_REFUSED_SECONDS = 5.0  # how long a message is looked for that the relay says it has not taken


def to_look_for(
    loop: LoopConfig, sent: Receipt | SendFailure, probe: Probe, attempts: Attempts
) -> SearchRequest | None:
    """What to look for in the mailboxes, and for how long; None where nothing can be."""
    max_wait = loop.limits.max_wait
    if isinstance(sent, Receipt):
        if not (loop.mailbox or loop.bounce_mailbox):
            return None
        return SearchRequest(probe, sent, loop.mailbox, loop.bounce_mailbox, max_wait, lost_after=max_wait)
    if not (attempts.bodies and loop.mailbox):
        return None
    receipt = Receipt(
        probe_id=probe.id,
        token=probe.token,
        started=attempts.started,
        accepted=Moment.now(),
        code=sent.code,
        response=sent.reply or "",
        enhanced_code=sent.enhanced_code,
        stages=sent.stages,
        doubt=sent,
        earlier_copies=attempts.bodies - 1,
    )
    within = min(max_wait, _REFUSED_SECONDS)
    return SearchRequest(probe, receipt, loop.mailbox, loop.bounce_mailbox, within, lost_after=max_wait)


def proved(
    sent: Receipt | SendFailure, looked_for: Receipt, found: Arrival | MailboxFailure
) -> tuple[Receipt | SendFailure, Arrival | MailboxFailure]:
    """What is known of both legs: only a message that is there outweighs the word of the relay."""
    if isinstance(sent, Receipt) or (isinstance(found, Arrival) and found.hits):
        return looked_for, found
    return sent, found
