"""The receiving half of a loop as a Prefect flow."""

from __future__ import annotations

from prefect.client.schemas.objects import State

from tasks.finish import ended
from tasks.mail.config.loop import ImapConfig
from tasks.mail.config.secrets import hiding
from tasks.mail.model.errors import ConfigError
from tasks.mail.model.result import LoopResult
from tasks.mail.verdict.inbound import conclude_inbound
from tasks.mail.verdict.result import misconfigured
from tasks.mail.verdict.unforeseen import unforeseen
from tasks.parameters import check_flow, inbound_of
from tasks.run_context import begin, this_run, to_its_end
from tasks.search import look


@check_flow
async def inbound_check(imap: ImapConfig, name: str = "inbound") -> LoopResult | State[object]:
    """Look for a fresh message in a mailbox; nothing is sent.

    Args:
        imap: The mailbox, with search_subject: the text that the subject must carry.
        name: Name of the check, a slug. Messages of a loop of the same name are deleted once found.
    """
    with to_its_end():
        try:
            inbound = await inbound_of(name, imap)
        except ConfigError as error:
            return await ended(misconfigured(str(name), str(error), this_run(), error.cause))
        begin()
        try:
            with hiding(inbound):
                result = conclude_inbound(inbound, await look(inbound), this_run())
        except Exception as error:  # Prefect would write it down as it is
            result = unforeseen(inbound, error, this_run())
        return await ended(result, inbound)
