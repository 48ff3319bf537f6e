"""The same steps without Prefect, for cron and pipelines: nothing here imports it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import TypeVar

from flows.concurrency import PATIENCE, Gates, room_for
from tasks.mail.config.loading.environment import resolve_from_environment, resolve_inbound_from_environment
from tasks.mail.config.loop import InboundConfig, LoopConfig
from tasks.mail.config.secrets import hiding, redactor
from tasks.mail.mailboxes.imap.pool.pool import together
from tasks.mail.model import progress
from tasks.mail.model.errors import CheckSkipped, ConfigError, ImapFailure, SmtpFailure, as_imap_failure
from tasks.mail.model.facts import Arrival, Receipt
from tasks.mail.model.result import LoopResult
from tasks.mail.probe.compose import compose
from tasks.mail.run_lock import hold_run
from tasks.mail.search.cleanup.acknowledge import settle
from tasks.mail.search.in_doubt import proved, to_look_for
from tasks.mail.search.inbound import Recent, find_recent
from tasks.mail.search.tries import Tries
from tasks.mail.search.watch import watch
from tasks.mail.send_budget import Allowance
from tasks.mail.senders.attempts import Attempts
from tasks.mail.senders.smtp.dialogue import attempt
from tasks.mail.signing_key import key_in_state
from tasks.mail.verdict.inbound import conclude_inbound
from tasks.mail.verdict.result import conclude, misconfigured, skipped
from tasks.mail.verdict.unforeseen import unforeseen
from tasks.tracing.export import traced

AT_ONCE = 20  # as in a fleet: more of them would measure each other, for all share one processor

Found = TypeVar("Found")
Show = Callable[[LoopResult], None]


async def check(config: LoopConfig | InboundConfig, show: Show = lambda result: None) -> LoopResult:
    """Run one check; `show` gets the result as soon as it is there, before the mailbox is told what it told.

    A trace is exported last, where one is wanted.
    """
    resolved, loop = config, None
    with ExitStack() as held:
        try:
            if isinstance(config, InboundConfig):
                resolved = resolve_inbound_from_environment(config)
                result = await inbound_steps(resolved)
            else:
                resolved = resolve_from_environment(config)
                mine = held.enter_context(hold_run(resolved))
                loop = mine.loop
                result = await loop_steps(mine, key_in_state())
        except ConfigError as error:
            result = misconfigured(config.name, str(error), cause=error.cause)
        except CheckSkipped as reason:
            result = skipped(config.name, str(reason), cause=reason.cause)
        except Exception as error:
            result = unforeseen(resolved, error)
        ended = datetime.now(UTC)
        show(result)
        if loop is not None:
            await settle(result, loop)
    await traced(result, config, ended)
    return result


async def loop_steps(mine: Allowance, key: bytes, run: str | None = None) -> LoopResult:
    """The steps of a loop, one after the other; `run` is the id of the flow run, where there is one.

    `key` is what its probe is signed with.
    """
    with hiding(mine.loop):
        return await _loop_steps(mine, key, run)


async def _loop_steps(mine: Allowance, key: bytes, run: str | None) -> LoopResult:
    loop = mine.loop
    probe = compose(loop.name, loop.smtp, run=run, key=key)
    attempts = Attempts(mine.spend)
    sent: Receipt | SmtpFailure
    found: Arrival | ImapFailure | None = None
    try:
        sent = await _retrying(
            lambda: attempt(probe, loop.smtp, attempts),
            lambda error: isinstance(error, SmtpFailure) and error.temporary,
            loop.smtp.retry_delays(),
        )
    except SmtpFailure as failure:
        sent = failure.alone()
    if wanted := to_look_for(loop, sent, probe, attempts):
        try:
            with as_imap_failure(redactor(loop.imap, loop.bounce_mailbox)):
                found = await watch(probe, loop.imap, loop.bounce_mailbox, *wanted, loop.limits.max_wait)
        except ImapFailure as failure:
            found = failure.alone()
        sent, found = proved(sent, wanted[0], found)
    return conclude(loop, probe, attempts, sent, found, run, mine.notes)


async def inbound_steps(inbound: InboundConfig, run: str | None = None) -> LoopResult:
    """The same of an inbound check."""
    with hiding(inbound):
        return await _inbound_steps(inbound, run)


async def _inbound_steps(inbound: InboundConfig, run: str | None) -> LoopResult:
    found: Recent | ImapFailure
    tries = Tries()
    try:
        found = await _retrying(
            lambda: _look(inbound, tries),
            lambda error: isinstance(error, ImapFailure) and not error.permanent,
            [inbound.imap.retry_delay] * inbound.imap.retries,
        )
    except ImapFailure as failure:
        found = failure.alone()
    return conclude_inbound(inbound, found, run)


async def _look(inbound: InboundConfig, tries: Tries) -> Recent:
    with as_imap_failure(redactor(inbound.imap)):
        return await find_recent(inbound, tries)


async def _retrying(
    step: Callable[[], Awaitable[Found]],
    again: Callable[[Exception], bool],
    delays: Sequence[float],
) -> Found:
    """What Prefect's task retries do: one more attempt after each delay (seconds), as long as `again` says so."""
    for delay in delays:
        try:
            return await step()
        except Exception as error:
            if not again(error):
                raise
        await asyncio.sleep(delay)
    return await step()


async def check_all(configs: Sequence[LoopConfig | InboundConfig], show: Show) -> list[LoopResult]:
    """Run all checks concurrently; `show` gets each result as soon as it is there."""
    gates = Gates(AT_ONCE, PATIENCE, room_for(len(configs)))

    async def one(config: LoopConfig | InboundConfig) -> LoopResult:
        async with gates.passed(config):
            progress.follow(config.name)
            return await check(config, show)

    async with together(len(configs)):
        return await asyncio.gather(*(one(config) for config in configs))
