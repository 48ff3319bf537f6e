"""The same steps without Prefect, for cron and pipelines: nothing here imports it."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from flows.concurrency import check_together
from tasks.mail.config.loop import CheckConfig, LoopConfig
from tasks.mail.config.secrets import EnvironmentPasswords
from tasks.mail.engine import Context, PlainSteps, run_check
from tasks.mail.model.result import LoopResult
from tasks.mail.search.cleanup.collect import settle
from tasks.mail.signing_key import key_in_state
from tasks.tracing.export import export_trace

Show = Callable[[LoopResult], None]


async def check(config: CheckConfig, show: Show = lambda result: None) -> LoopResult:
    """Run one check; `show` gets the result as soon as it is there, before earlier probes are marked as reported.

    A trace is exported last, where one is wanted.
    """

    async def record(result: LoopResult, resolved: CheckConfig) -> None:
        ended = datetime.now(UTC)
        show(result)
        if isinstance(resolved, LoopConfig):
            await settle(result, resolved)
        await export_trace(result, config, ended)

    key = key_in_state() if isinstance(config, LoopConfig) else b""
    return await run_check(config, Context(PlainSteps(), EnvironmentPasswords(), key), record)


async def check_all(configs: Sequence[CheckConfig], show: Show) -> list[LoopResult]:
    """Run all checks concurrently; `show` gets each result as soon as it is there."""
    return await check_together(configs, lambda config: check(config, show))
