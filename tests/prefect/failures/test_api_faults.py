"""The Prefect API gone, slow or locked: the verdict of a check that has begun is that of the mail, and it is said."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import AsyncExitStack, closing
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from flows.server import processes
from flows.server.login import OF_SERVER, known_login
from flows.server.prefect import SERVER, free_port, start_server
from flows.through_prefect import RECORD_SECONDS
from tests.prefect.failures.apart import Apart
from tests.prefect.failures.api import Api
from tests.prefect.failures.phases import until
from tests.prefect.failures.rounds import DELIVERED, REJECTED, one_by_one
from tests.support.checks.sample import sampled
from tests.support.first_start import FirstStart

pytestmark = [pytest.mark.long("api faults"), pytest.mark.asyncio(loop_scope="module")]

# The request with which the API is gone, and the how manieth of its kind it is.
BEFORE = {
    "unmade": (b"POST /api/flow_runs/ ", 1),
    "not-running": (b'"type":"RUNNING"', 1),
    "not-read": (b"GET /api/flow_runs/", 1),
}
AFTER_IT_HAS_BEGUN = {
    "secret": (b"GET /api/block_types/", 1),
    "name": (b"PATCH /api/flow_runs/", 2),
    "artifact": (b"POST /api/artifacts/", 1),
    "remains": (b"POST /api/flow_runs/filter", 1),
}
OTHERWISE = ("sending", "waiting", "end", "locked")

BEFORE_IT_BEGINS = {moment: BEFORE[moment] for moment in sampled(BEFORE, 1)}
# With mail that arrives, and with mail that is refused, for which nothing waits.
BEGUN = [(moment, False) for moment in sampled([*AFTER_IT_HAS_BEGUN, *OTHERWISE], 3)] + [
    (moment, True) for moment in sampled([one for one in (*AFTER_IT_HAS_BEGUN, *OTHERWISE) if one != "waiting"], 1)
]

SLOW = 1.0  # seconds that each request comes late
SOON = 25.0  # seconds within which a verdict that is known is said, on a busy machine
MARGIN = 30.0  # seconds that a command may take to end, beyond those in which Prefect may still record
WITHOUT_PREFECT = "Checked without Prefect, so nothing was recorded: "


def named(moment: str, refused: bool) -> str:
    return f"{moment}-refused" if refused else moment


@pytest.fixture(scope="module")
def private(
    server: str, home: Path, first_start: FirstStart, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Path]]:
    """A Prefect server whose database nobody else uses, with the login of the other one: its API, and the file."""
    own = tmp_path_factory.mktemp("private")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(OF_SERVER, str(known_login(home)))
        try:
            yield start_server(first_start(own), free_port()), own / "prefect.db"
        finally:
            processes.stop(own, SERVER)


async def while_they_send_lock(file: Path, cases: list[Apart]) -> None:
    """Keep all others out of the database, from the moment that the relay is spoken to until the checks have ended."""
    for case in cases:
        case.smtp.held = "banner"
    for case in cases:
        await until(lambda case=case: case.smtp.reached, f"{case.name} sends nothing")  # type: ignore[misc]
    with closing(sqlite3.connect(file, timeout=60, isolation_level=None, check_same_thread=False)) as database:
        await asyncio.to_thread(database.execute, "BEGIN EXCLUSIVE")  # the server may be writing
        for case in cases:
            case.smtp.held = ""
        for case in cases:
            await until(lambda case=case: case.ended > 0, f"{case.name} does not end")  # type: ignore[misc]
            case.api.reached.set()
        database.execute("ROLLBACK")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cases(
    server: str, private: tuple[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[dict[str, Apart]]:
    """A check for each moment, once with mail that arrives and once with mail that is refused."""
    every: dict[str, Apart] = {}
    meanwhile: list[Coroutine[Any, Any, None]] = []
    async with AsyncExitStack() as stack:

        async def add(moment: str, refused: bool, api: dict[str, Any], url: str = server, **limits: float) -> Apart:
            proxy = await stack.enter_async_context(Api(url, **api))
            name = named(moment, refused)
            every[name] = await stack.enter_async_context(Apart(name, proxy, refused=refused, **limits))
            return every[name]

        (await add("absent", False, {})).api.die()
        for moment, (request, times) in BEFORE_IT_BEGINS.items():
            await add(moment, False, {"dies_at": request, "times": times})
        locked: list[Apart] = []
        for moment, refused in BEGUN:
            if moment == "locked":
                locked.append(await add(moment, refused, {}, private[0]))
            elif moment == "sending":
                meanwhile.append((await add(moment, refused, {})).while_it_sends())
            elif moment == "waiting":
                meanwhile.append((await add(moment, refused, {})).while_it_waits())
            else:
                end = b'{"state":{"type":"FAILED"' if refused else b'{"state":{"type":"COMPLETED"'
                request, times = (AFTER_IT_HAS_BEGUN | {"end": (end, 1)})[moment]
                await add(moment, refused, {"dies_at": request, "times": times})
        if locked:
            meanwhile.append(while_they_send_lock(private[1], locked))
        for refused in (False, True):
            await add("slow", refused, {"delay": SLOW}, warn_after=5.0)
        await add("slow-and-short", False, {"delay": SLOW}, max_wait=SLOW / 2)
        await asyncio.gather(one_by_one([*every.values()], tmp_path_factory.mktemp("cases")), *meanwhile)
        yield every


@pytest.mark.parametrize("moment", ["absent", *BEFORE_IT_BEGINS])
async def test_a_check_that_cannot_begin_in_prefect_is_done_without_it(cases: dict[str, Apart], moment: str) -> None:
    """Its exit code is the mail's, one message is sent, and a note says that nothing was recorded."""
    case = cases[moment]
    assert moment == "absent" or case.api.reached.is_set()
    assert case.verdict == DELIVERED, case
    assert len(case.smtp.messages) == 1
    assert case.result["notes"][-1].startswith(WITHOUT_PREFECT), case
    assert "Traceback" not in case.err


@pytest.mark.parametrize(("moment", "refused"), BEGUN)
async def test_a_check_that_has_begun_says_soon_what_became_of_the_mail(
    cases: dict[str, Apart], moment: str, refused: bool
) -> None:
    """The API is gone, or its database locked, for good; that is told too, but the verdict does not wait for it."""
    case = cases[named(moment, refused)]
    assert case.api.reached.is_set()
    assert case.verdict == (REJECTED if refused else DELIVERED), case
    assert case.said - case.known < SOON
    assert case.ended - case.said < RECORD_SECONDS + MARGIN
    unrecorded = f"{case.name}: note: Prefect could not record the end of this check\n" in case.err
    if moment == "secret" and not unrecorded:  # asked before it begins, which on a busy machine it may do too late
        unrecorded = case.result["notes"][-1].startswith(WITHOUT_PREFECT)
    assert unrecorded, case
    assert len(case.smtp.messages) == (0 if refused else 1)


async def test_the_time_that_a_slow_api_takes_is_not_the_mails(cases: dict[str, Apart]) -> None:
    """Nor is the message lost where a request takes longer than it may take to arrive."""
    slow = cases["slow"]
    assert slow.api.requests > 20, "the API is not that slow"
    assert slow.verdict == DELIVERED, slow
    assert slow.result["delivery_seconds"] < 5.0
    assert slow.result["send_seconds"] < 5.0
    assert cases["slow-refused"].verdict == REJECTED
    assert cases["slow-and-short"].verdict == DELIVERED
