"""The mail loop check as a Prefect flow."""

from prefect.client.schemas.objects import State
from pydantic.json_schema import SkipJsonSchema

from tasks.finish import run_single
from tasks.mail.config.loop import Limits, SenderSection
from tasks.mail.model.result import LoopResult
from tasks.parameters import OptionalBounceMailbox, OptionalImap, check_flow, loop_of


@check_flow
async def mail_loop_check(
    name: str,
    smtp: SenderSection,
    imap: OptionalImap = None,
    limits: Limits | SkipJsonSchema[None] = None,  # all its fields have defaults: the form needs no choice of none
    bounce_mailbox: OptionalBounceMailbox = None,
) -> LoopResult | State[object]:
    """Send a message through a relay, find that very message in a mailbox, and say whether mail gets through.

    The final state is named after the outcome. An ok or a warning returns the LoopResult; an error raises CheckFailed,
    whose `result` is the LoopResult. A check that may not send, for another one of the loop runs or its budget is
    spent, is cancelled: "Skipped".

    Args:
        name: Name of the loop, a slug such as office-to-gmail; its artifacts line up under mail-loop-<name>.
        smtp: The relay that the message is handed to.
        imap: The mailbox that it should arrive in. Without one, the check ends when the relay has accepted the message.
        limits: How long the message may take, in seconds.
        bounce_mailbox: The mailbox of the sender, where bounces go, if it is another one.
    """
    return await run_single(name, lambda: loop_of(name, smtp, imap, limits, bounce_mailbox))
