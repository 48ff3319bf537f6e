"""How a flow run ends: the verdict is told first, then recorded, then made the run's final state.

In between, after the verdict, the mailbox is told what the record tells of earlier probes, and the run looks after what
killed runs left on record.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime

from prefect.client.schemas.objects import State

from tasks.mail.config.loop import InboundConfig, LoopConfig
from tasks.mail.model.outcome import Status
from tasks.mail.model.result import LoopResult
from tasks.mail.report.report import line
from tasks.mail.search.cleanup.acknowledge import settle
from tasks.parameters import configuration_of
from tasks.publish import publish
from tasks.run_context import name_this_run
from tasks.states import final_state
from tasks.tracing.export import traced
from tasks.zombie_runs import clear_remains

# Whoever started the run in this process may listen here: the verdict then reaches him whatever becomes of Prefect.
listener: ContextVar[Callable[[LoopResult], None] | None] = ContextVar("listener", default=None)

log = logging.getLogger(__name__)


async def ended(result: LoopResult, config: LoopConfig | InboundConfig | None = None) -> State[object]:
    """Tell and record `result`, and turn it into the final state. `config` is None where it was wrong."""
    await recorded(result, config)
    if result.token is not None:
        await name_this_run(f"{result.loop} {result.token}")
    await clear_remains(result.loop)
    return final_state(result)


async def recorded(result: LoopResult, config: LoopConfig | InboundConfig | None = None) -> LoopResult:
    """Tell `result` and record it: of a run with many loops, each. Its trace comes last, where one is wanted."""
    return await record(result, config, tell(result))


def tell(result: LoopResult) -> datetime:
    """Say the verdict, and return when: in the log, and to who listens. Prefect is asked for nothing."""
    told_at = datetime.now(UTC)
    log.log(logging.INFO if result.status is Status.OK else logging.WARNING, "%s", line(result))
    if (heard := listener.get()) is not None:
        heard(result)
    return told_at


async def record(result: LoopResult, config: LoopConfig | InboundConfig | None, told_at: datetime) -> LoopResult:
    """Record what was told."""
    loop = config if isinstance(config, LoopConfig) else None
    if await publish(result, configuration_of(config), loop.limits if loop else None) and loop:
        await settle(result, loop)
    await traced(result, config, told_at)
    return result
