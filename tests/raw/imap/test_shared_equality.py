"""Whatever comes into a mailbox: checks that share a session find what they would find with one each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from flows.direct import check
from tasks.mail.mailboxes.imap.pool.pool import together
from tasks.mail.model.result import LoopResult
from tests.support.checks.many_loops import loops, once_all_wait
from tests.support.checks.rounds import SOON, Round, around
from tests.support.mail.lookalikes import DISFIGURED, LOOK_ALIKES
from tests.support.mail.notices import BOUNCES, DELAYS
from tests.support.mail.wrapping import WRAPPERS

LOOPS = 3
PATIENCE = (0.9, 3.0, 10.0)  # seconds that a check waits; where the machine was too slow for them, once more with more
KINDS = {"itself": lambda raw: raw} | DISFIGURED | WRAPPERS | LOOK_ALIKES | BOUNCES | DELAYS
MAIL = st.tuples(
    st.integers(0, LOOPS - 1),
    st.one_of(st.just("itself"), st.sampled_from(sorted(KINDS))),
    st.sampled_from(["INBOX", "INBOX", "Junk", "List"]),
)
# What is of one loop comes at one moment: of two moments, which look sees the second would be luck. Others look, settle
# and delete meanwhile.
MOMENTS = st.tuples(*[st.sampled_from([0.0, 0.0, 0.05, 0.15])] * LOOPS)

Mail = Sequence[tuple[int, str, str]]


async def run(mail: Mail, moments: Sequence[float], max_wait: float, *, shared: bool) -> list[LoopResult] | None:
    """None if the mail came when a check may have had its last look: what it finds then is luck."""
    async with around() as way:
        way.mailbox.folders["List"] = []
        come: asyncio.Future[asyncio.Task[float]] = asyncio.get_running_loop().create_future()
        begun = time.monotonic()

        def then(sent: list[bytes]) -> None:
            come.set_result(asyncio.create_task(deliver(way, sent, mail, moments)))

        once_all_wait(way, LOOPS, then, 0.0)
        configs = loops(way, LOOPS, max_wait)
        async with asyncio.timeout(SOON):
            if shared:
                async with together(LOOPS):
                    results = await asyncio.gather(*map(check, configs))
            else:
                results = await asyncio.gather(*map(check, configs))
        assert way.mailbox.connections == (1 if shared else LOOPS)
        delivery = await come
        delivery.cancel()
        await asyncio.wait({delivery})
        in_time = not delivery.cancelled() and delivery.result() < begun + max_wait
        return results if in_time else None


async def deliver(way: Round, sent: list[bytes], mail: Mail, moments: Sequence[float]) -> float:
    """Returns when the last of it was there, in monotonic seconds."""
    while set(way.mailbox.log[-2 * LOOPS :]) != {"NOOP"}:  # until all have looked everywhere once
        await asyncio.sleep(0.01)
    begun = time.monotonic()
    for moment, loop in sorted((moment, loop) for loop, moment in enumerate(moments)):
        await asyncio.sleep(max(0.0, begun + moment - time.monotonic()))
        for whose, kind, folder in mail:
            if whose == loop:
                way.mailbox.append(KINDS[kind](sent[loop]), folder)
    return time.monotonic()


@settings(derandomize=True, database=None, deadline=None, max_examples=10)
@given(st.lists(MAIL, max_size=8), MOMENTS)
def test_what_is_found_together_is_what_is_found_alone(mail: Mail, moments: Sequence[float]) -> None:
    async def both(max_wait: float) -> list[list[LoopResult] | None]:
        return await asyncio.gather(*(run(mail, moments, max_wait, shared=shared) for shared in (True, False)))

    for max_wait in PATIENCE:
        ours, alone = asyncio.run(both(max_wait))
        if ours is not None and alone is not None:
            break
    assert ours is not None, "the machine is too slow"
    assert alone is not None, "the machine is too slow"
    for one, other in zip(ours, alone, strict=True):
        assert (one.outcome, one.folder, one.copies) == (other.outcome, other.folder, other.copies), mail
        assert one.matched_uids == other.matched_uids, mail
        assert (one.bounce is None) is (other.bounce is None), mail
