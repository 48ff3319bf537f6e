"""On a terminal a check shows what it is doing while it does it, and its timeline in colour."""

from __future__ import annotations

import asyncio
import os
import pty
import re
import sys
from pathlib import Path

from tasks.sandbox import Sandbox, Script
from tests.cli.conftest import MOST_SECONDS, PASSWORD, config, written
from tests.support.command.forks import ROOT

SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


async def on_a_terminal(*arguments: str | Path, folder: Path) -> str:
    """All that the command writes to a terminal of 120 columns."""
    ours, theirs = pty.openpty()
    env = os.environ | {"COLUMNS": "120", "TERM": "xterm-256color", "CHECK_PASSWORD": PASSWORD, "PYTHONPATH": str(ROOT)}
    env |= {"XDG_STATE_HOME": str(folder / "state"), "LANG": "C.UTF-8", "PYTHONIOENCODING": "utf-8"}
    env.pop("NO_COLOR", None)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "flows.cli.main",
        *map(str, arguments),
        env=env,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    written_there: list[bytes] = []

    def read() -> None:
        try:
            while chunk := os.read(ours, 65536):
                written_there.append(chunk)
        except OSError:  # how Linux says that nobody has the other end any more
            pass

    async with asyncio.timeout(MOST_SECONDS):
        await asyncio.to_thread(read)
        assert await process.wait() == 0
    os.close(ours)
    return b"".join(written_there).decode()


async def test_the_line_of_a_loop_has_stage_attempt_and_limit(box: Sandbox, tmp_path: Path) -> None:
    box.play(Script(rcpt=["450 4.2.0 Greylisted, please try again"], delay=1.5))
    file = written(tmp_path, "office", config(box, smtp__retry_delay=1.0, limits__max_wait=30.0))
    shown = await on_a_terminal("check", "--direct", file, folder=tmp_path)
    plain = SEQUENCE.sub("", shown)
    assert re.search(r"office 0:00:0\d sending: rcpt 450 4\.2\.0 Greylisted", plain)
    assert re.search(r"office 0:00:0\d looking for it: \w+ \u00b7 attempt 2 \u00b7 lost after 30 s", plain)
    assert "office: ok (delivered): Mail gets through" in plain
    assert "\x1b[2m\u2591" in shown, "the pause is drawn in a colour of its own"
    assert PASSWORD not in shown
