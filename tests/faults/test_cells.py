"""The matrix sees what it is there to see: a wrong verdict, a hang, and everything that is left behind."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from tasks.mail.config.loop import loop_config
from tasks.mail.model.outcome import ErrorType, Outcome, Status
from tasks.mail.model.result import LoopResult
from tests.faults.cells import Cell, Expected, Ground, Measured, Run, measure
from tests.faults.scripted import delivered
from tests.faults.smtp.scripted import Scripted
from tests.faults.table import BEGIN, END, markdown, placed, text, totals
from tests.support.raw.server import SILENCE

OK = LoopResult(loop="faults", status=Status.OK, outcome=Outcome.DELIVERED, sentence="", attempts=1, copies=1)
UNSENT = LoopResult(
    loop="faults",
    status=Status.ERROR,
    outcome=Outcome.UNSENT,
    sentence="",
    leg="smtp",
    stage="rcpt",
    error_type=ErrorType.TIMEOUT,
    attempts=1,
)
EXPECTED = Expected(Outcome.UNSENT, ErrorType.TIMEOUT, "smtp", "rcpt", 1, within=5.0)


def cell(run: Run, expected: Expected = EXPECTED) -> Cell:
    return Cell("smtp", "RCPT", "silence", expected, run)


def giving(result: LoopResult) -> Run:
    async def run(ground: Ground) -> LoopResult:
        return result

    return run


@pytest.fixture
def held() -> Iterator[ExitStack]:
    """What a test leaves behind on purpose, until it is over."""
    with ExitStack() as stack:
        yield stack


async def test_the_expected_result_is_right(ground: Ground) -> None:
    assert (await measure(cell(giving(UNSENT)), ground)).right
    assert (await measure(cell(giving(OK), delivered()), ground)).right


@pytest.mark.parametrize(
    "change",
    [
        {"outcome": Outcome.DEFERRED},
        {"status": Status.WARNING},
        {"error_type": ErrorType.CONNECTION},
        {"leg": "imap"},
        {"stage": "mail"},
        {"attempts": 2},
    ],
    ids=lambda change: str(*change),
)
async def test_a_result_that_differs_in_one_field_is_wrong(change: dict[str, object], ground: Ground) -> None:
    found = await measure(cell(giving(UNSENT.model_copy(update=change))), ground)
    assert (len(found.wrong), found.right, found.false_ok) == (2, False, False)


async def test_false_ok_and_false_alarm_are_told_apart(ground: Ground) -> None:
    good = await measure(cell(giving(OK)), ground)
    bad = await measure(cell(giving(UNSENT), delivered()), ground)
    twice = await measure(cell(giving(OK.model_copy(update={"copies": 2})), delivered()), ground)
    assert (good.false_ok, good.false_alarm) == (True, False)
    assert (bad.false_ok, bad.false_alarm) == (False, True)
    assert (twice.right, twice.false_ok, twice.false_alarm) == (False, False, False)


async def test_a_check_that_takes_longer_than_its_bound_hangs(ground: Ground) -> None:
    found = await measure(cell(Scripted({"rcpt": SILENCE}), replace(EXPECTED, within=0.3)), ground)
    assert (found.hung, found.right, found.left) == (True, False, [])
    assert found.seconds >= 0.3


async def test_a_run_that_breaks_or_objects_is_wrong(ground: Ground) -> None:
    async def run(ground: Ground) -> LoopResult:
        raise AssertionError("2 messages came to the relay")

    found = await measure(cell(run), ground)
    assert found.wrong == ["AssertionError: 2 messages came to the relay"]


async def test_what_a_check_leaves_behind_is_seen(ground: Ground, held: ExitStack) -> None:
    over = threading.Event()

    async def run(ground: Ground) -> LoopResult:
        task = asyncio.create_task(asyncio.sleep(60), name="forgotten")
        held.callback(task.cancel)
        held.enter_context(socket.socket())
        thread = threading.Thread(target=over.wait, args=(60,), name="stray", daemon=True)
        held.callback(over.set)
        thread.start()
        asyncio.get_running_loop().call_exception_handler({"message": "nobody looked"})
        return UNSENT

    found = await measure(cell(run), ground)
    assert (found.wrong, found.right) == ([], False)
    for trace in ("task forgotten", "thread stray", "socket:", "nobody looked"):
        assert sum(trace in left for left in found.left) == 1


async def test_a_configuration_that_is_refused_is_not_taken_for_a_verdict(ground: Ground) -> None:
    """So that no cell passes for having never begun."""

    async def run(ground: Ground) -> LoopResult:
        smtp = {"host": "localhost", "from_addr": "a@localhost", "to_addr": "b@localhost", "subject_prefix": "[x]"}
        smtp |= {"username": "monitor", "password_secret": "NO_SUCH_VARIABLE"}
        return await ground.check(loop_config({"name": "faults", "smtp": smtp}))

    found = await measure(cell(run), ground)
    assert found.result is not None
    assert (found.result.outcome, found.right) == (Outcome.MISCONFIGURED, False)


def test_the_table_says_what_was_found_and_counts_what_is_wrong() -> None:
    right = Measured(cell(giving(UNSENT)), 0.5, UNSENT)
    wrong = Measured(cell(giving(OK)), 1.5, OK, wrong=["outcome: delivered, not unsent"])
    hung = Measured(cell(giving(OK)), 5.0, hung=True, wrong=["did not end within 5 s"], left=["task x"])
    found = [right, wrong, hung]
    figures = dict(totals(found))
    assert [figures[name] for name in ("cells", "wrong", "false OK", "hangs", "leaks")] == ["3", "2", "1", "1", "1"]
    assert figures["false alarms"] == "0"
    assert figures["longest check, seconds"] == "5.0"
    lines = text(found).splitlines()
    assert lines[2].split() == ["smtp", "RCPT", "silence", "unsent", "timeout", "smtp.rcpt", "1", "0.50", "ok"]
    assert lines[3].endswith("WRONG")
    assert "smtp-RCPT-silence: outcome: delivered, not unsent" in lines
    page = markdown(found)
    assert "| RCPT | unsent, `timeout` at `smtp.rcpt` | 1 | 0.50 | silence |" in page
    assert "| RCPT | delivered | 1 | 1.50 | silence **(wrong)** |" in page
    assert "| wrong | 2 | 2 | 0 |" in page


def test_the_table_takes_its_place_in_a_document(tmp_path: Path) -> None:
    document = tmp_path / "reliability.md"
    assert placed("| new |\n", document) == "| new |\n"
    document.write_text(f"before\n{BEGIN}\n| old |\n{END}\nafter\n", encoding="utf-8")
    assert placed("| new |\n", document) == f"before\n{BEGIN}\n| new |\n{END}\nafter\n"
