"""What is asked of the search."""

from dataclasses import dataclass

from tasks.mail.config.mailbox import BounceMailbox, ProbeMailbox
from tasks.mail.model.facts import Receipt
from tasks.mail.probe.compose import Probe


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """Find the probe of `receipt` in `mailbox`, and its bounce there or in `bounce_mailbox`; one of them may be None.

    `max_wait` is in seconds after the acceptance. Probes of earlier runs count as lost after `lost_after` seconds.
    """

    probe: Probe
    receipt: Receipt
    mailbox: ProbeMailbox | None
    bounce_mailbox: BounceMailbox | None
    max_wait: float
    lost_after: float
