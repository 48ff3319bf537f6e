"""`mail-loop demo --keep`: what it leaves up can be used, and is gone after `mail-loop stop`."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import pytest

from tests.cli.conftest import Command
from tests.support.first_start import FirstStart


def modes(home: Path) -> dict[str, int]:
    """The files of the demo with their permissions."""
    return {str(path): stat.S_IMODE(path.stat().st_mode) for path in home.iterdir()}


@pytest.mark.long
async def test_a_demo_that_is_kept_can_be_checked_again_until_it_is_ended(
    first_start: FirstStart, mail_loop: Command, tmp_path: Path
) -> None:
    home = first_start(tmp_path / "demo")
    try:
        shown = await mail_loop("demo", "--keep", "--home", home, warnings="ignore")
        assert shown.code == 0
        assert "demo: ok (delivered): Mail gets through" in shown.out
        told = re.search(r"Check it again: export PREFECT_API_URL=(\S+); mail-loop check (\S+)", shown.out)
        assert told is not None
        assert modes(home)[told[2]] == 0o600  # the password is in it
        login = home / "api-login"
        assert modes(home)[str(login)] == 0o600
        assert f"To log in, type {login.read_text(encoding='utf-8')} into the one field of the page; " in shown.out
        again = await mail_loop("check", told[2], PREFECT_API_URL=told[1], warnings="ignore")
        assert (again.code, again.out.startswith("demo: ok (delivered): ")) == (0, True)
    finally:
        ended = await mail_loop("stop", "--home", home)
    assert ended.out == "ended: server, sandbox\n"
    assert told[2] not in modes(home)


@pytest.mark.long
async def test_a_demo_with_tokens_shows_where_they_are_asked_for(
    first_start: FirstStart, mail_loop: Command, tmp_path: Path
) -> None:
    """Both legs: the mailbox is shown the token that was asked for to send. What is left up takes others."""
    home = first_start(tmp_path / "demo")
    try:
        shown = await mail_loop("demo", "--oauth", "--keep", "--home", home, warnings="ignore")
        assert (shown.code, shown.err) == (0, "")
        assert re.search(r"^mail system: SMTP .*, tokens at http://localhost:\d+/token; it greylists$", shown.out, re.M)
        for leg in ("sending", "looking for it"):
            assert re.search(rf"^ +[\d.]+ s  {leg}: token$", shown.out, re.MULTILINE), leg
        assert "demo: ok (delivered): Mail gets through" in shown.out
        again = await mail_loop("check", "--direct", home / "demo.json")
        assert (again.code, again.out.startswith("demo: ok (delivered): ")) == (0, True), again
    finally:
        await mail_loop("stop", "--home", home)
