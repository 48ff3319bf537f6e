"""The mail loop check as a Prefect flow."""

from __future__ import annotations

from prefect.client.schemas.objects import State
from pydantic.json_schema import SkipJsonSchema

from tasks.finish import ended
from tasks.mail.config.loop import Limits, SmtpConfig
from tasks.mail.config.secrets import hiding
from tasks.mail.model.errors import CheckSkipped, ConfigError, ImapFailure
from tasks.mail.model.facts import Arrival
from tasks.mail.model.result import LoopResult
from tasks.mail.probe.compose import compose
from tasks.mail.run_lock import hold_run
from tasks.mail.search.in_doubt import proved, to_look_for
from tasks.mail.send_budget import Allowance
from tasks.mail.senders.attempts import Attempts
from tasks.mail.verdict.result import conclude, misconfigured, skipped
from tasks.mail.verdict.unforeseen import unforeseen
from tasks.parameters import OptionalBounceMailbox, OptionalImap, check_flow, loop_of
from tasks.run_context import begin, this_run, to_its_end
from tasks.search import search
from tasks.send import send
from tasks.signing_key import signing_key


@check_flow
async def mail_loop_check(
    name: str,
    smtp: SmtpConfig,
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
    with to_its_end():
        try:
            loop = await loop_of(name, smtp, imap, limits, bounce_mailbox)
        except ConfigError as error:
            return await ended(misconfigured(str(name), str(error), this_run(), error.cause))

        key = await signing_key()
        begin()
        try:
            with hold_run(loop) as mine:  # to the end: what was told is settled before another check looks
                return await ended(await checked(mine, key), loop)
        except CheckSkipped as reason:
            return await ended(skipped(loop.name, str(reason), this_run(), reason.cause), loop)


async def checked(mine: Allowance, key: bytes) -> LoopResult:
    """Check one loop, within the flow run that we are in. `key` is what its probe is signed with."""
    try:
        with hiding(mine.loop):
            return await _checked(mine, key)
    except Exception as error:  # Prefect would write it down as it is
        return unforeseen(mine.loop, error, this_run())


async def _checked(mine: Allowance, key: bytes) -> LoopResult:
    """Send a probe, look for it, and judge."""
    loop = mine.loop
    probe = compose(loop.name, loop.smtp, run=this_run(), key=key)
    attempts = Attempts(mine.spend)
    sent = await send(probe, loop.smtp, attempts)
    found: Arrival | ImapFailure | None = None
    if wanted := to_look_for(loop, sent, probe, attempts):
        found = await search(wanted[0], probe, loop.imap, wanted[1], loop.limits.max_wait, loop.bounce_mailbox)
        sent, found = proved(sent, wanted[0], found)
    return conclude(loop, probe, attempts, sent, found, this_run(), mine.notes)
