"""A state folder that cannot be written, or has no room: mail is checked all the same.

Each command says the folder, what it is for, and which variable names another.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.sandbox import Sandbox
from tests.cli.conftest import Command, config, written
from tests.cli.trouble.shell import shell

NOWHERE = "/dev/null"  # a folder below it cannot even root make
FOLDER = f"the folder {NOWHERE}/.local/state/mail-loop"


@pytest.mark.parametrize("arguments", [("history",), ("serve",), ("demo",)])
async def test_a_home_that_cannot_be_written(mail_loop: Command, arguments: tuple[str, ...]) -> None:
    ended = await mail_loop(*arguments, HOME=NOWHERE, XDG_STATE_HOME="", warnings="ignore")
    assert ended.code == 3
    assert ended.err.count("\n") == 1, ended
    assert FOLDER in ended.err
    assert "cannot be written (" in ended.err
    assert "Not a directory): " in ended.err
    assert "set XDG_STATE_HOME" in ended.err
    assert "[Errno" not in ended.err


async def test_a_home_that_is_given(mail_loop: Command) -> None:
    ended = await mail_loop("demo", "--home", f"{NOWHERE}/demo")
    assert ended.code == 3
    assert ended.err.startswith(
        f"mail-loop: the folder {NOWHERE}/demo, for the state of this command, cannot be written"
    )
    assert ended.err.endswith("Not a directory): choose another\n")


async def test_mail_is_checked_without_a_state_folder(box: Sandbox, mail_loop: Command, tmp_path: Path) -> None:
    file = written(tmp_path, "office", config(box))
    ended = await mail_loop("check", "--json", file, HOME=NOWHERE, XDG_STATE_HOME="", warnings="ignore")
    assert (ended.code, ended.err) == (0, "")
    (result,) = ended.results
    turns, recorded = map(str, result["notes"])  # type: ignore[call-overload]
    assert turns.startswith(f"The sending budget and the turns of this loop are not kept ({FOLDER}, for locks, ")
    assert recorded.startswith(f"Checked without Prefect, so nothing was recorded: no private Prefect server: {FOLDER}")
    assert recorded.endswith("set XDG_STATE_HOME to one that can")


async def test_mail_is_checked_where_the_private_servers_database_has_no_room(box: Sandbox, tmp_path: Path) -> None:
    """No file may be longer than 100 KiB. No server is left."""
    written(tmp_path, "office", config(box))
    ended = await shell(tmp_path, "check office.json", "", "ulimit -f 100;")
    assert ended.code == 0, ended
    log = tmp_path / "state" / "mail-loop" / "server.log"
    assert ended.err == (
        f"office: note: Checked without Prefect, so nothing was recorded: the Prefect server did not start: see {log}\n"
    )
    assert not log.with_suffix(".json").exists()
