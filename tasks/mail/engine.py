"""The order of the steps of a check: compose, send, search, judge, record. It stands here and nowhere else.

How a step is run is for the caller to say; as a plain coroutine it is here as well.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

from tasks.mail.auth.tokens.access import last_token
from tasks.mail.auth.tokens.keys import unusable
from tasks.mail.auth.tokens.rotation import Keeper, kept_by
from tasks.mail.config.loop import CheckConfig, InboundConfig, SenderSection
from tasks.mail.config.secrets import LoginSection, hiding, login_sections
from tasks.mail.model.errors import CheckSkipped, ConfigError, MailboxFailure, Overtaken, SendFailure
from tasks.mail.model.facts import Arrival, Receipt
from tasks.mail.model.result import LoopResult
from tasks.mail.probe.compose import Probe, compose
from tasks.mail.run_lock import Allowance, hold_run
from tasks.mail.search.in_doubt import proved, to_look_for
from tasks.mail.search.inbound import Recent, find_recent
from tasks.mail.search.pace import Tries
from tasks.mail.search.watch import SearchRequest, watch
from tasks.mail.senders.registry import Attempts, attempt
from tasks.mail.verdict.ends import conclude_inbound, misconfigured, skipped, unforeseen
from tasks.mail.verdict.result import conclude

_T = TypeVar("_T")

Record = Callable[[LoopResult, CheckConfig], Awaitable[None]]


class Steps(Protocol):
    """How the steps are run: as Prefect tasks or as plain coroutines. The failure of a leg is returned, not raised."""

    async def send(self, probe: Probe, section: SenderSection, attempts: Attempts) -> Receipt | SendFailure:
        """Hand the probe to the relay, again after each temporary failure."""

    async def search(self, request: SearchRequest) -> Arrival | MailboxFailure:
        """Look for the probe, or for its bounce."""

    async def look(self, inbound: InboundConfig) -> Recent | MailboxFailure:
        """Look for a fresh message, again after each look that found none."""


class Passwords(Keeper, Protocol):
    """Where the secrets are that a configuration names, and where a refresh token is kept that was replaced."""

    async def resolve(self, section: LoginSection, field: str) -> LoginSection:
        """The section with its password in place; `field` is its name in errors. Raises ConfigError."""


@dataclass(frozen=True)
class Context:
    """What a check needs of the outside.

    `key` signs its probe; `run_id` is that of the flow run, where there is one. `begin` is called when all that others
    have to be asked for is known, before anything is sent; it may raise Overtaken.
    """

    steps: Steps
    passwords: Passwords
    key: bytes = b""
    run_id: str | None = None
    begin: Callable[[], None] = lambda: None


async def run_check(check: CheckConfig, context: Context, record: Record) -> LoopResult:
    """Run one check and have its result recorded; whatever goes wrong is a result, except that Overtaken is raised.

    The run of a loop is locked until its result is recorded: what the record says of earlier probes is marked in the
    mailbox before another check looks.
    """
    with ExitStack() as held:
        try:
            check = await with_passwords(check, context.passwords)
            context.begin()
            if isinstance(check, InboundConfig):
                with hiding(check):
                    found = await context.steps.look(check)
                    result = conclude_inbound(check, found, context.run_id, *_of_tokens(check))
            else:
                allowance = held.enter_context(hold_run(check))
                check = allowance.loop
                with hiding(check):
                    result = await _loop(allowance, context)
        except Overtaken:
            raise
        except ConfigError as error:
            result = misconfigured(check.name, str(error), context.run_id, error.cause)
        except CheckSkipped as reason:
            result = skipped(check.name, str(reason), context.run_id, reason.cause)
        except Exception as error:  # in its own words it may hold a password
            result = unforeseen(check, error, context.run_id)
        await record(result, check)
    return result


async def with_passwords(check: CheckConfig, passwords: Passwords) -> CheckConfig:
    """The check with all its passwords in place. Raises ConfigError where one is nowhere to be found."""
    sections = {name: await passwords.resolve(section, name) for name, section in login_sections(check).items()}
    for name, section in sections.items():
        if section.oauth is not None:
            if wrong := unusable(section.oauth):
                raise ConfigError(f"{name}.oauth.{wrong}")
            kept_by(section.oauth, passwords)
    return check.model_copy(update=sections)


async def _loop(allowance: Allowance, context: Context) -> LoopResult:
    loop = allowance.loop
    probe = compose(loop.name, loop.sender, run=context.run_id, key=context.key)
    attempts = Attempts(allowance.spend)
    sent = await context.steps.send(probe, loop.sender, attempts)
    found: Arrival | MailboxFailure | None = None
    if request := to_look_for(loop, sent, probe, attempts):
        found = await context.steps.search(request)
        sent, found = proved(sent, request.receipt, found)
    notes, ends = _of_tokens(loop)
    return conclude(loop, probe, attempts, sent, found, context.run_id, (*allowance.notes, *notes), ends)


def _of_tokens(check: CheckConfig) -> tuple[tuple[str, ...], dict[str, datetime]]:
    """What there is to say of the tokens that a check has used, and when their refresh tokens end, by section."""
    sections = login_sections(check).items()
    logins = {name: (one.oauth, one.username or "") for name, one in sections if one.oauth is not None}
    tokens = {name: token for name, login in logins.items() if (token := last_token(*login)) is not None}
    notes = dict.fromkeys(note for token in tokens.values() for note in token.notes)
    return tuple(notes), {name: token.refresh_ends for name, token in tokens.items() if token.refresh_ends is not None}


class PlainSteps:
    """The steps as plain coroutines: what Prefect's tasks do, without Prefect."""

    async def send(self, probe: Probe, section: SenderSection, attempts: Attempts) -> Receipt | SendFailure:
        try:
            return await _retry(
                lambda: attempt(probe, section, attempts),
                lambda error: isinstance(error, SendFailure) and error.temporary,
                section.retry_delays(),
            )
        except SendFailure as failure:
            return failure.alone()

    async def search(self, request: SearchRequest) -> Arrival | MailboxFailure:
        try:
            return await watch(request)
        except MailboxFailure as failure:
            return failure.alone()

    async def look(self, inbound: InboundConfig) -> Recent | MailboxFailure:
        tries = Tries()
        try:
            return await _retry(
                lambda: find_recent(inbound, tries),
                lambda error: isinstance(error, MailboxFailure) and not error.permanent,
                [inbound.mailbox.retry_delay] * inbound.mailbox.retries,
            )
        except MailboxFailure as failure:
            return failure.alone()


async def _retry(step: Callable[[], Awaitable[_T]], again: Callable[[Exception], bool], delays: Sequence[float]) -> _T:
    """Run a step, once more after each delay (seconds) as long as `again` says so of its error."""
    for delay in delays:
        try:
            return await step()
        except Exception as error:
            if not again(error):
                raise
        await asyncio.sleep(delay)
    return await step()
