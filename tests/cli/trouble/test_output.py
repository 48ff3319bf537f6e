"""Output that cannot be written: each check is finished all the same, its probe collected, and its exit code said."""

from __future__ import annotations

import asyncio
import os
import pty
import sys
from pathlib import Path

import pytest

from tasks.sandbox import Sandbox, Script
from tests.cli.conftest import MOST_SECONDS, PASSWORD, Served, config, written
from tests.cli.trouble.shell import shell
from tests.support.command.forks import ROOT
from tests.support.command.run import Ended

REDIRECTED = {
    "stdout on a full disk": ">/dev/full",
    "stderr on a full disk": "2>/dev/full",
    "both on a full disk": ">/dev/full 2>&1",
    "stdout closed": ">&-",
    "stderr closed": "2>&-",
    "all closed": "<&- >&- 2>&-",
    "stdout a closed pipe": "> >(exec true)",
    "stderr a closed pipe": "2> >(exec true)",
    "a reader that has seen enough": "| head -1; exit ${PIPESTATUS[0]}",
}


async def checked(box: Sandbox, folder: Path, arguments: str, redirection: str, **env: str) -> Ended:
    """Three loops in one command; their messages take a while, so that the first output fails while others wait."""
    box.play(Script(delay=0.4))
    for name in ("one", "two", "three"):
        written(folder, name, config(box))
    ended = await shell(folder, f"check {arguments} one.json two.json three.json", redirection, **env)
    assert box.commands.count("DATA") == 3
    assert await box.folder("monitor") == [], "no probe is left"
    assert "Traceback" not in ended.err
    assert "Exception" not in ended.err
    return ended


@pytest.mark.parametrize("redirection", REDIRECTED.values(), ids=REDIRECTED)
async def test_the_exit_code_is_the_mails(redirection: str, box: Sandbox, tmp_path: Path) -> None:
    assert (await checked(box, tmp_path, "--direct", redirection)).code == 0


@pytest.mark.parametrize(
    ("arguments", "redirection"), [("--direct", ">/dev/full"), ("--direct", ">&-"), ("--direct --json", ">/dev/full")]
)
async def test_so_is_that_of_a_failure(arguments: str, redirection: str, box: Sandbox, tmp_path: Path) -> None:
    """Of one loop, with its timeline and who acts, or as JSON."""
    box.play(Script(rcpt=["550 5.1.1 No such user"]))
    written(tmp_path, "office", config(box))
    ended = await shell(tmp_path, f"check {arguments} office.json", redirection)
    assert ended.code == 2, ended
    assert "Traceback" not in ended.err


@pytest.mark.long
async def test_through_prefect_too(box: Sandbox, prefect_server: Served, tmp_path: Path) -> None:
    """With files opened in place of none of the streams."""
    assert (await checked(box, tmp_path, "", "<&- >&- 2>&-", **prefect_server.env)).code == 0


async def test_a_fleet_on_a_full_disk(box: Sandbox, tmp_path: Path) -> None:
    fields = config(box)
    written(tmp_path, "fleet", {"defaults": fields, "loops": {"a": {}, "b": {}}})
    ended = await shell(tmp_path, "check --direct fleet.json", ">/dev/full")
    assert ended.code == 0, ended
    assert ended.err == "mail-loop: the output cannot be written: No space left on device\n"
    assert await box.folder("monitor") == []


async def test_a_terminal_that_is_closed_while_lines_move(box: Sandbox, tmp_path: Path) -> None:
    box.play(Script(delay=1.0))
    written(tmp_path, "office", config(box))
    ours, theirs = pty.openpty()
    env = os.environ | {"CHECK_PASSWORD": PASSWORD, "PYTHONPATH": str(ROOT), "XDG_STATE_HOME": str(tmp_path / "state")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "flows.cli.main", "check", "--direct", "office.json"),
        cwd=tmp_path,
        env=env,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    async with asyncio.timeout(MOST_SECONDS):
        while "DATA" not in box.commands:
            await asyncio.sleep(0.02)
        os.close(ours)
        assert await process.wait() == 0
    assert await box.folder("monitor") == []


@pytest.mark.parametrize(
    ("arguments", "redirection"),
    [("--help", ">/dev/full"), ("--version", ">&-"), ("validate office.json", ">/dev/full"), ("trace mail.eml", ">&-")],
)
async def test_no_other_command_fails_of_it(arguments: str, redirection: str, box: Sandbox, tmp_path: Path) -> None:
    written(tmp_path, "office", config(box))
    (tmp_path / "mail.eml").write_text("Received: from a by b; Mon, 1 Jan 2024 00:00:00 +0000\nSubject: x\n\nx\n")
    ended = await shell(tmp_path, arguments, redirection)
    assert ended.code == 0, ended
    assert "Traceback" not in ended.err
    assert "Exception" not in ended.err
