"""A state folder that cannot be written: mail is checked all the same.

Each command says the folder, what it is for, and which variable names another.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.sandbox import Sandbox
from tests.cli.conftest import Command, config, written

NOWHERE = "/dev/null"  # a folder below it cannot even root make
FOLDER = f"the folder {NOWHERE}/.local/state/mail-loop"


@pytest.mark.parametrize("arguments", [("serve",), ("demo",)])
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
    assert ended.code == 0, ended
    *_, unrecorded = ended.err.splitlines()  # before it, the log says what else is not kept
    assert unrecorded.startswith("mail-loop: note: nothing was recorded, for no Prefect server is configured")
    (result,) = ended.results
    (turns,) = map(str, result["notes"])
    assert turns.startswith(f"The sending budget and the turns of this loop are not kept ({FOLDER}, for locks, ")
    assert turns.endswith("set XDG_STATE_HOME to one that can).")
