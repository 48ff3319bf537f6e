"""The protocols that a mailbox can be read by: one line each."""

import math
from collections.abc import Awaitable, Callable

from tasks.mail.config.mailbox import ProbeMailbox
from tasks.mail.mailboxes.imap.mailbox import ImapMailbox
from tasks.mail.mailboxes.imap.pool import pool
from tasks.mail.mailboxes.mailbox import Mailbox

_Open = Callable[[ProbeMailbox, float, str | None], Awaitable[Mailbox]]

# By the key of the configuration: who connects and logs in.
MAILBOXES: dict[str, _Open] = {"imap": ImapMailbox.open}


# Lets the checks that are begun within it share connections, where a protocol can.
together = pool.together


async def open_mailbox(section: ProbeMailbox, until: float = math.inf, probe_id: str | None = None) -> Mailbox:
    """Connect and log in as configured. `until`: in monotonic seconds, when every method but `close` fails.

    With the id of the probe that is looked for, a connection may be shared with others. The MailboxFailure of an
    attempt that ends early has its stage times.
    """
    return await MAILBOXES[section.protocol](section, until, probe_id)
