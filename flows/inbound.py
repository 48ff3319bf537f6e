"""The receiving half of a loop as a Prefect flow."""

from prefect.client.schemas.objects import State

from tasks.finish import end_misconfigured, end_run, record_result
from tasks.mail.config.loop import ImapConfig
from tasks.mail.engine import run_check
from tasks.mail.model.errors import ConfigError
from tasks.mail.model.result import LoopResult
from tasks.parameters import check_flow, inbound_of
from tasks.run_context import to_its_end
from tasks.steps import PrefectSteps, context_of_run


@check_flow
async def inbound_check(imap: ImapConfig, name: str = "inbound") -> LoopResult | State[object]:
    """Look for a fresh message in a mailbox; nothing is sent.

    Args:
        imap: The mailbox, with search_subject: the text that the subject must carry.
        name: Name of the check, a slug. Messages of a loop of the same name are deleted once found.
    """
    with to_its_end():
        try:
            inbound = inbound_of(name, imap)
        except ConfigError as error:
            return await end_misconfigured(name, error)
        return await end_run(await run_check(inbound, await context_of_run(PrefectSteps()), record_result))
