"""A Prefect API that is there and refuses, for ten minutes as it says or for good: the mail is checked all the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from tests.prefect.failures.apart import Apart
from tests.prefect.failures.api import Api
from tests.prefect.failures.phases import until
from tests.prefect.failures.rounds import DELIVERED, REJECTED, one_by_one
from tests.support.checks.sample import sampled

pytestmark = [pytest.mark.long("api refuses"), pytest.mark.asyncio(loop_scope="module")]

LONG = "Retry-After: 600\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
ANSWERS = {
    "429": (f"HTTP/1.1 429 Too Many Requests\r\n{LONG}".encode(), 0.0),
    "503": (f"HTTP/1.1 503 Service Unavailable\r\n{LONG}".encode(), 0.0),
    "never": (b"", 0.0),
    "slowly": (f"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n{' ' * 100_000}".encode(), 0.5),
    "garbage": (b"\x00\xff no HTTP at all\r\n\r\n", 0.0),
}
AT_FIRST = b"GET /api/"
# The request with which it begins to refuse.
BEFORE_IT_BEGINS = {"run": b"POST /api/flow_runs/ ", "state": b'"type":"RUNNING"'}
AFTER_IT_HAS_BEGUN = {
    "secret": b"GET /api/block_types/",
    "artifact": b"POST /api/artifacts/",
    "end": b'"name":"Delivered"',
}
KINDS = sampled(ANSWERS, 2)
BEGUN = sampled(AFTER_IT_HAS_BEGUN, 1)

sent_when_named: list[int] = []  # messages


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cases(server: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, Apart]]:
    """A check for each moment."""
    every: dict[str, Apart] = {}
    async with AsyncExitStack() as stack:

        async def add(name: str, turns_at: bytes, kind: str = "429", *, refused: bool = False) -> Apart:
            answer, pause = ANSWERS[kind]
            api = await stack.enter_async_context(Api(server, turns_at=turns_at, answer=answer, pause=pause))
            every[name] = await stack.enter_async_context(Apart(name, api, refused=refused))
            return every[name]

        for kind in KINDS:
            await add(f"first-{kind}", AT_FIRST, kind)
        await add("first-refused", AT_FIRST, refused=True)
        for moment in (*BEFORE_IT_BEGINS, *BEGUN):
            await add(moment, (BEFORE_IT_BEGINS | AFTER_IT_HAS_BEGUN)[moment])
        await add("run-never", BEFORE_IT_BEGINS["run"], "never")
        waiting = await add("waiting", b"nothing that is ever asked")

        async def while_it_waits() -> None:
            waiting.smtp.deliver = lambda raw: None
            await until(lambda: waiting.imap.count("IDLE") > 0, "it does not wait")
            waiting.api.turned = True
            waiting.api.reached.set()
            waiting.deliver(waiting.smtp.messages[0])

        naming = await add("naming", b'"name":"naming ')

        async def when_it_is_named() -> None:
            await until(lambda: naming.api.reached.is_set() or naming.ended > 0, "it does not end")
            if naming.api.reached.is_set():
                sent_when_named.append(len(naming.smtp.messages))

        starting = one_by_one([*every.values()], tmp_path_factory.mktemp("cases"))
        await asyncio.gather(starting, while_it_waits(), when_it_is_named())
        yield every


@pytest.mark.parametrize(
    "name", [*(f"first-{kind}" for kind in KINDS), "first-refused", *BEFORE_IT_BEGINS, "run-never"]
)
async def test_a_check_that_prefect_does_not_let_begin_is_done_without_it(cases: dict[str, Apart], name: str) -> None:
    """Its exit code is the mail's, one message is sent, and a note says that nothing was recorded, and why."""
    case = cases[name]
    assert case.api.reached.is_set()
    assert case.verdict == (REJECTED if name == "first-refused" else DELIVERED), case
    assert len(case.smtp.messages) == (0 if name == "first-refused" else 1)
    note = case.result["notes"][-1]
    assert note.startswith("Checked without Prefect, so nothing was recorded: "), note
    assert case.result["flow_run_id"] is None
    assert case.err == "", case


async def test_the_mail_is_sent_before_prefect_is_asked_for_a_name(cases: dict[str, Apart]) -> None:
    """What is not needed for the verdict is asked for after it."""
    assert sent_when_named == [1]
    assert cases["naming"].verdict == DELIVERED, cases["naming"]


async def test_the_note_says_what_prefect_answered(cases: dict[str, Apart]) -> None:
    said = {
        "429": "takes no requests for now (429 Too Many Requests)",
        "503": "takes no requests for now (503 Service Unavailable)",
        "never": "has not answered for 10 s",
        "slowly": "has not answered for 10 s",
        "garbage": "does not answer (RemoteProtocolError)",
    }
    for kind in KINDS:
        assert said[kind] in str(cases[f"first-{kind}"].result["notes"])


@pytest.mark.parametrize("name", [*BEGUN, "waiting"])
async def test_a_check_that_has_begun_sends_once_and_says_its_verdict(cases: dict[str, Apart], name: str) -> None:
    """It is that of the flow run, which Prefect knows, though not how it ended."""
    case = cases[name]
    assert case.api.reached.is_set()
    assert case.verdict == DELIVERED, case
    assert len(case.smtp.messages) == 1
    if name == "secret":  # nothing was sent by then, and on a busy machine the time for Prefect is over
        return
    assert "Checked without Prefect" not in str(case.result["notes"])
    assert case.result["flow_run_id"]
    assert case.err.endswith(f"{name}: note: Prefect could not record the end of this check\n"), case
    assert "Traceback" not in case.err
