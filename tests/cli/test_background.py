"""Processes on record: exactly these are ended, whatever else runs."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.server import processes
from tests.support.checks.bounds import PROGRAM_SECONDS

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(600)",
]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "home"
    processes.stop(tmp_path / "home", "one")


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_process_on_record_is_found_and_ended(home: Path) -> None:
    started = processes.start(home, "one", SLEEP, os.environ)
    assert processes.running(home, "one") == started
    assert processes.stop(home, "one")
    assert not alive(started.pid)
    assert processes.running(home, "one") is None
    assert not processes.stop(home, "one")


def test_a_process_that_ignores_sigterm_is_killed(home: Path) -> None:
    started = processes.start(home, "one", STUBBORN, os.environ)
    while "ready" not in (home / "one.log").read_text(encoding="utf-8"):
        assert started.alive
    assert processes.stop(home, "one", grace=0.2)
    assert not alive(started.pid)


def test_an_ignored_interrupt_is_not_inherited_and_stays_ignored_here(home: Path) -> None:
    """So that a worker which a script in the background has started ends as any other does."""
    code = "import signal; print(signal.getsignal(signal.SIGINT) is signal.SIG_IGN, flush=True)"
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        started = processes.start(home, "one", [sys.executable, "-c", code], os.environ)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
    while started.alive:
        pass
    assert (home / "one.log").read_text(encoding="utf-8") == "False\n"


def test_what_it_started_ends_with_it(home: Path) -> None:
    code = f"import subprocess, sys; p = subprocess.Popen({SLEEP!r}); print(p.pid, flush=True); p.wait()"
    processes.start(home, "one", [sys.executable, "-c", code], os.environ)
    while not (text := (home / "one.log").read_text(encoding="utf-8")).endswith("\n"):
        pass
    processes.stop(home, "one")
    assert not _runs(int(text))


def test_an_interrupt_waits_until_what_was_started_is_on_record(home: Path) -> None:
    """Else nobody would know of it: here the record is a pipe, so that putting it down takes as long as we like."""
    record = home / "one.json"
    home.mkdir()
    os.mkfifo(record)
    code = f"""
import os, pathlib, signal
from flows.server import processes as background
signal.signal(signal.SIGTERM, signal.default_int_handler)
try:
    background.start(pathlib.Path({str(home)!r}), "one", {SLEEP!r}, os.environ)
except KeyboardInterrupt:
    print("interrupted")
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as starter:
        children = Path(f"/proc/{starter.pid}/task/{starter.pid}/children")
        while not children.read_text(encoding="utf-8"):
            assert starter.poll() is None
        starter.send_signal(signal.SIGTERM)
        with open(os.open(record, os.O_RDONLY | os.O_NONBLOCK), encoding="utf-8") as pipe:
            assert select.select([pipe], [], [], 30)[0]
            text = pipe.read()
        assert starter.communicate(timeout=PROGRAM_SECONDS)[0] == "interrupted\n"
    record.unlink()
    record.write_text(text, encoding="utf-8")
    assert processes.stop(home, "one")


def test_another_process_with_the_same_number_is_left_alone(home: Path) -> None:
    """A record that outlived its process, and a number that the system has given away again."""
    with subprocess.Popen(SLEEP) as stranger:
        home.mkdir()
        record = {"name": "one", "pid": stranger.pid, "started": 1, "url": ""}
        (home / "one.json").write_text(json.dumps(record), encoding="utf-8")
        assert not processes.stop(home, "one")
        assert stranger.poll() is None
        stranger.kill()


@pytest.mark.parametrize("record", ["", "{}", "[]", '{"name": "one"}', "\x00"])
def test_a_damaged_record_is_no_process(home: Path, record: str) -> None:
    home.mkdir()
    (home / "one.json").write_text(record, encoding="utf-8")
    assert processes.running(home, "one") is None
    assert not processes.stop(home, "one")


def _runs(pid: int) -> bool:
    """Whether it does anything any more: an orphan waits as a zombie until init collects it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
