"""Every sender to every receiver, as one Prefect flow."""

from prefect.client.schemas.objects import State
from pydantic.json_schema import SkipJsonSchema

from flows.concurrency import check_together
from flows.registry import LOOP_MATRIX
from tasks.finish import end_misconfigured, record_result
from tasks.groups import finish_matrix
from tasks.mail.config.loop import CheckConfig, Limits
from tasks.mail.config.matrix import Receiver, Sender
from tasks.mail.engine import run_check
from tasks.mail.model.errors import ConfigError
from tasks.mail.model.result import LoopResult
from tasks.parameters import check_flow, matrix_of
from tasks.run_context import to_its_end
from tasks.steps import PrefectSteps, context_of_run

_AT_ONCE = 30  # loops of one run: waiting costs little, and those of one relay or mailbox are few of them


@check_flow
async def loop_matrix(
    name: str,
    senders: dict[str, Sender],
    receivers: dict[str, Receiver],
    limits: Limits | SkipJsonSchema[None] = None,
    without: dict[str, list[str]] | SkipJsonSchema[None] = None,
) -> tuple[LoopResult, ...] | State[object]:
    """Send a message from every sender to every receiver, and say what all the results together show.

    The final state is named after the worst outcome. An error raises MatrixFailed, whose `results` are those of all
    loops; otherwise they are returned.

    Args:
        name: Name of the matrix, a slug such as office; the artifacts of its loops line up under
            mail-loop-<name>-<sender>-<receiver>, its own under mail-loop-matrix-<name>.
        senders: The relays, each under a name of yours: fields as of a loop's smtp, without to_addr.
        receivers: The mailboxes, each under a name of yours: fields as of a loop's imap, with their address.
        limits: How long a message may take, in seconds.
        without: What is left out: for a sender the receivers that it does not send to.
    """
    report_name = LOOP_MATRIX.report_name(name)
    with to_its_end():
        try:
            matrix = await matrix_of(name, senders, receivers, limits, without)
            loops = matrix.loops()
        except ConfigError as error:
            return await end_misconfigured(report_name, error)

        context = await context_of_run(PrefectSteps())

        async def check(loop: CheckConfig) -> LoopResult:
            return await run_check(loop, context, record_result)

        results = await check_together([*loops.values()], check, _AT_ONCE)
        return await finish_matrix(name, report_name, dict(zip(loops, results, strict=True)))
