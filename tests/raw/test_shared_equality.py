"""Whatever comes into a mailbox: checks that share a session find what they would find with one each."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.direct import check
from tasks.mail.result import LoopResult
from tasks.mail.sharing import together
from tests.lookalikes import LOOK_ALIKES
from tests.notices import BOUNCES, DELAYS
from tests.raw.test_arrival import SOON, around
from tests.raw.test_shared_mailbox import loops, once_all_wait

pytestmark = pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisWarning")

LOOPS = 3
KINDS = {"itself": lambda raw: raw} | LOOK_ALIKES | BOUNCES | DELAYS
MAIL = st.tuples(
    st.integers(0, LOOPS - 1),
    st.one_of(st.just("itself"), st.sampled_from(sorted(KINDS))),
    st.sampled_from(["INBOX", "INBOX", "Junk", "List"]),
    st.sampled_from([0.0, 0.0, 0.05, 0.15]),
)


async def run(mail: Sequence[tuple[int, str, str, float]], shared: bool) -> list[LoopResult]:
    async with around() as way:
        way.mailbox.folders["List"] = []

        def then(sent: list[bytes]) -> None:
            for whose, kind, folder, seconds in mail:
                text = KINDS[kind](sent[whose])
                asyncio.get_running_loop().call_later(seconds, way.mailbox.append, text, folder)

        once_all_wait(way, LOOPS, then, 0.1)
        configs = loops(way, LOOPS, 0.6)
        async with asyncio.timeout(SOON):
            if not shared:
                return await asyncio.gather(*map(check, configs))
            async with together(LOOPS):
                results = await asyncio.gather(*map(check, configs))
        assert way.mailbox.connections == 1
        return results


@settings(derandomize=True, database=None, deadline=None, max_examples=8)
@given(st.lists(MAIL, max_size=8))
def test_what_is_found_together_is_what_is_found_alone(mail: list[tuple[int, str, str, float]]) -> None:
    async def both() -> tuple[list[LoopResult], list[LoopResult]]:
        return await asyncio.gather(run(mail, shared=True), run(mail, shared=False))

    ours, alone = asyncio.run(both())
    for one, other in zip(ours, alone, strict=True):
        assert (one.outcome, one.folder, one.copies) == (other.outcome, other.folder, other.copies), mail
        assert (one.bounce is None) is (other.bounce is None), mail
