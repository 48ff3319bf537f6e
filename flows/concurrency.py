"""Many checks together, and how many of them run at once."""

import asyncio
import resource
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from tasks.mail.config.loop import CheckConfig, InboundConfig
from tasks.mail.mailboxes.registry import together
from tasks.mail.model.result import LoopResult
from tasks.mail.net.limits import Limiter
from tasks.mail.net.stages import follow

AT_ONCE = 20  # checks of one process: more of them would measure each other, for all share one processor
IN_ONE_MAILBOX = 5  # inbound checks, each with a session of its own beside those of the loops; Dovecot allows 10
PATIENCE = 1.0  # seconds after which a check mostly waits, and another one may begin beside it
MOST = 1000  # that wait at once: as many as a fleet may have
FILES = 4  # that one of them may have open at once: the lock of its turn, a relay, and two mailboxes
OTHERS = 200  # files of everything else: Prefect's client, logs, Python itself


async def check_together(
    configs: Sequence[CheckConfig],
    check: Callable[[CheckConfig], Awaitable[LoopResult]],
    at_once: int = AT_ONCE,
    most: int = MOST,
) -> list[LoopResult]:
    """The results of `check`, which runs for all of these concurrently, in their order. See Gates."""
    gates = Gates(at_once, PATIENCE, min(most, room_for(len(configs))))

    async def one(config: CheckConfig) -> LoopResult:
        async with gates.passed(config):
            follow(config.name)
            return await check(config)

    async with together(len(configs)):
        return await asyncio.gather(*map(one, configs))


class Gates:
    """Lets `at_once` checks through at a time, and no more than a few inbound ones of one mailbox.

    With `patience` (seconds) a check that takes longer makes room for another one, until there are `most`.
    """

    def __init__(self, at_once: int, patience: float | None = None, most: int | None = None) -> None:
        self._most = Limiter(most or at_once)
        self._quick = Limiter(at_once, patience)
        self._mailboxes: defaultdict[tuple[object, ...], Limiter] = defaultdict(lambda: Limiter(IN_ONE_MAILBOX))

    @asynccontextmanager
    async def passed(self, config: CheckConfig) -> AsyncIterator[None]:
        """Wait until `config` may be checked. The mailbox first: who waits for it keeps nobody else waiting."""
        async with AsyncExitStack() as held:
            if isinstance(config, InboundConfig):
                await held.enter_async_context(self._mailboxes[config.mailbox.host, config.mailbox.username].one())
            await held.enter_async_context(self._most.one())
            await held.enter_async_context(self._quick.one())
            yield


def room_for(checks: int) -> int:
    """How many of so many checks may wait at once, by the files that this process may have open: more, if it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(checks, MOST)
    needed = wanted * FILES + OTHERS
    limit = needed if soft == resource.RLIM_INFINITY else soft
    if limit < needed:
        more = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (more, hard))
            limit = more
    return max(1, min(wanted, (limit - OTHERS) // FILES))
