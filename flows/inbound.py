"""The receiving half of a loop as a Prefect flow."""

from prefect.client.schemas.objects import State

from tasks.finish import run_single
from tasks.mail.config.loop import ImapConfig
from tasks.mail.model.result import LoopResult
from tasks.parameters import check_flow, inbound_of


@check_flow
async def inbound_check(imap: ImapConfig, name: str = "inbound") -> LoopResult | State[object]:
    """Look for a fresh message in a mailbox; nothing is sent.

    Args:
        imap: The mailbox, with search_subject: the text that the subject must carry.
        name: Name of the check, a slug. Messages of a loop of the same name are deleted once found.
    """
    return await run_single(name, lambda: inbound_of(name, imap))
