"""One running check per loop, and no more messages than its budget, whatever becomes of the processes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flows.direct import check
from tasks.mail.config.loop import LoopConfig
from tasks.mail.model.errors import CheckSkipped
from tasks.mail.model.outcome import Outcome, Status
from tasks.mail.run_lock import hold_run, loop_key
from tasks.mail.senders.registry import Attempts
from tests.support.checks.budgets import loop, spend
from tests.support.raw.smtp import RawSmtp


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "mail-loop" / "loops"


def refusal(config: LoopConfig) -> str:
    with pytest.raises(CheckSkipped) as refused, hold_run(config):
        pass
    return str(refused.value)


def test_a_second_check_of_the_loop_is_refused_and_told_who_runs() -> None:
    with hold_run(loop()):
        said = refusal(loop())
    assert re.match(rf"another check of this loop is running \(process {os.getpid()}, since \S+Z\): wait", said)
    with hold_run(loop()):
        pass


def test_another_loop_has_its_own_turn_also_by_the_same_name() -> None:
    with hold_run(loop()), hold_run(loop(name="home")), hold_run(loop(host="localhost")), hold_run(loop(port=10)):
        pass


def test_a_process_that_is_killed_lets_go_of_its_turn() -> None:
    """As the operating system says, not a clock."""
    code = (
        "import sys, time; from tasks.mail.run_lock import hold_run; from tests.support.checks.budgets import loop\n"
        "with hold_run(loop()) as mine:\n    mine.spend(); print('mine', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "mine\n"
        assert f"process {other.pid}" in refusal(loop())
        other.send_signal(signal.SIGKILL)
    with hold_run(loop(budget=2, retries=4)) as mine:
        assert mine.loop.smtp.retries == 0  # what it sent is on record


def test_a_spent_budget_is_refused_with_the_field_that_sets_it() -> None:
    spend(loop(budget=3), 3)
    said = refusal(loop(budget=3))
    assert said.startswith("the loop has sent 3 messages within an hour, and its budget (limits.max_per_hour) is 3:")
    with hold_run(loop(budget=4)):
        pass


def test_a_budget_that_is_nearly_spent_leaves_fewer_retries_and_a_note() -> None:
    spend(loop(), 2)
    with hold_run(loop(retries=9)) as mine:
        assert mine.loop.smtp.retries == 2
        assert mine.notes == ("Only 2 retries were allowed, for the budget of 5 messages an hour is nearly spent.",)
    with hold_run(loop(retries=2)) as mine:
        assert (mine.loop.smtp.retries, mine.notes) == (2, ())


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("{hour_ago}\n{hour_ago}\n{hour_ago}\n", False),
        ("{now}\n{now}\n", False),
        ("{now}\n{now}\n{now}\n", True),
        ("{ahead}\n{now}\n{now}\n", True),  # the clock was set back
        ("{now}\n{now}\n17", False),  # its writer died
        ("{now}\n{now}\n\0\xff\nnan\n", False),
        ("", False),
    ],
)
def test_only_the_last_hour_counts_whatever_is_on_record(state: Path, text: str, refused: bool) -> None:
    now = time.time()
    state.mkdir(parents=True)
    times = {"now": now - 5, "hour_ago": now - 3601, "ahead": now + 3600}
    (state / f"{loop_key(loop())}.sent").write_text(text.format(**times), encoding="latin-1")
    if refused:
        refusal(loop(budget=3))
    else:
        with hold_run(loop(budget=3)):
            pass


def test_a_clock_that_was_set_back_blocks_nobody_for_longer_than_an_hour(state: Path) -> None:
    state.mkdir(parents=True)
    record = state / f"{loop_key(loop())}.sent"
    record.write_text(f"{time.time() + 7200}\n")
    refusal(loop(budget=1))
    assert float(record.read_text()) <= time.time()


def test_a_folder_that_cannot_be_used_is_a_note_and_stops_no_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root may write anywhere, but not below a file."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    with hold_run(loop()) as mine:
        attempts = Attempts(mine.spend)
        attempts.begin()
    [note] = mine.notes
    assert note.startswith("The sending budget and the turns of this loop are not kept (")
    assert "Not a directory" in note


async def test_each_attempt_counts_and_the_check_ends_where_the_budget_does() -> None:
    async with RawSmtp({"rcpt": b"450 4.2.0 Greylisted\r\n"}) as relay:
        config = loop(budget=4, retries=2, host=relay.host, port=relay.port)
        results = [await check(config) for _ in range(3)]
        assert relay.count("RCPT") == 4
    assert [result.outcome for result in results] == [Outcome.DEFERRED, Outcome.DEFERRED, Outcome.SKIPPED]
    assert [result.attempts for result in results] == [3, 1, 0]
    assert "Only 0 retries" in results[1].notes[0]
    assert results[2].status is Status.WARNING
    assert results[2].exit_code == 1
    assert results[2].sentence.startswith("Nothing was sent: the loop has sent 4 messages within an hour")


@pytest.mark.parametrize("suffix", [".lock", ".sent", ".new"])
def test_a_symbolic_link_in_the_state_folder_is_not_followed(state: Path, tmp_path: Path, suffix: str) -> None:
    """The mail is checked, a note says why no turns are kept, and what the link leads to is as it was."""
    config, target = loop(budget=1), tmp_path / "precious"
    target.write_text("precious")
    spend(config, 1)
    link = (state / loop_key(config)).with_suffix(suffix)
    link.unlink(missing_ok=True)
    link.symlink_to(target)
    with hold_run(config) as mine:
        mine.spend()
    (note,) = mine.notes
    assert note == (
        "The sending budget and the turns of this loop are not kept "
        f"({link}: it is a symbolic link, which is not followed: remove it)."
    )
    assert target.read_text() == "precious"
    assert link.is_symlink()
